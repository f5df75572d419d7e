//! The networks, and their parameters by name.

mod parameters;
mod unet;

pub use parameters::{Init, Parameter, Parameters};
pub use unet::{UNet, UNetConfig};
