//! The networks, and their parameters by name.

mod dfcan;
mod layers;
mod parameters;
mod sr3;
mod unet;

pub use dfcan::{Dfcan, DfcanConfig};
pub use parameters::{Init, Parameter, Parameters};
pub use sr3::{Sr3, Sr3Config, noise_encoding};
pub use unet::{UNet, UNetConfig};
