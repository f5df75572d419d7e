//! Images from coarser ones: microscopy (table 1), photographs (table 4), and the uncertainty of both (figures 16 and 17).

pub mod biosr;
pub mod cases;
mod figures;
pub mod methods;
pub mod model;
pub mod sr;
pub mod uncertainty;
