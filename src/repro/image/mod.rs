//! Images from coarser ones: microscopy (table 1) and photographs (table 4).

pub mod biosr;
pub mod cases;
mod figures;
pub mod methods;
pub mod sr;
