//! Phase imaging: table 2, table 3, and what the samples know.

pub mod ablation;
pub mod brightfield;
pub mod cases;
mod figures;
mod maps;
pub mod methods;
pub mod qpi;
mod samples;
mod stacks;
mod studied;
mod sweep;
pub mod uncertainty;
