//! `cvdm evaluate`: weights against simple methods on images that were not trained on.

mod arguments;
mod finished;
mod images;
mod names;
mod phases;

use cvdm::Result;
use cvdm::config::Task;
use cvdm::gpu::Gpu;
use cvdm::weights::load_weights;

pub use arguments::Evaluate;

/// Evaluates, by the task of the first weights.
pub fn run(args: &Evaluate, open: impl FnOnce() -> Result<Gpu>) -> Result<()> {
    let weights = args.weights.iter().map(|p| load_weights(p)).collect::<Result<Vec<_>>>()?;
    let names = names::names(&args.weights, &weights);
    match weights[0].config.task {
        Task::Phase => phases::run(args, &names, weights, open),
        Task::Microscopy | Task::SuperResolution => images::run(args, &names, weights, open),
    }
}
