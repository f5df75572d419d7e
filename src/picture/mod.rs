//! Pictures for people, as PNG: colour maps, montages of labelled panels, line charts, two of them of calibration.
//!
//! Nothing here asks the system for anything: shapes are drawn on the CPU by `tiny-skia`, letters come from DejaVu
//! Sans, embedded in the program (Bitstream Vera licence, which allows it), so that the same picture comes out on a
//! headless machine without fonts.
//!
//! ```no_run
//! # use cvdm::{data::Plane, picture::{Colormap, Montage, Panel}};
//! # fn main() -> cvdm::Result<()> {
//! # let (mean, error) = (Plane::from_fn(64, 64, |y, _| y as f32), Plane::from_fn(64, 64, |_, x| x as f32));
//! Montage::new()
//!     .title("Phase from one defocused image")
//!     .row("CVDM", vec![
//!         Panel::new("mean", &mean).range(0.0, 3.5).unit("rad"),
//!         Panel::new("error", &error).symmetric(0.5).unit("rad"),
//!     ])
//!     .write_png("out/phase.png")
//! # }
//! ```

mod axis;
mod calibration;
mod canvas;
mod chart;
mod colormap;
mod font;
mod panels;
mod png;
mod series;

pub use calibration::{error_by_std_chart, reliability_chart};
pub use chart::LineChart;
pub use colormap::Colormap;
pub use image::RgbImage;
pub use panels::{Montage, Panel, nearly_highest};
pub use png::write_png;
pub use series::{Series, Spread};
