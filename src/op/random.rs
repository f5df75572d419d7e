//! Counter-based random numbers.

use super::{Argument, Arguments, Operation, Recording};
use crate::Result;
use crate::kernels::random::{Kind, fill};
use crate::random::Stream;

pub(super) const SEED: Argument = Argument::setting("seed", "0", "64-bit seed of the random numbers");
pub(super) const STEP: Argument = Argument::setting("step", "0", "step of the random numbers");
pub(super) const SAMPLE: Argument = Argument::setting("sample", "0", "number of the batch's first sample");

pub(super) static PHILOX: Operation = Operation {
    name: "philox",
    formula: "Philox4x32-10 with counter (j div 4, sample + n, step, stream) and the seed as key; value j of sample n in \
              C, H, W order is word j mod 4: u = (word div 512 + ½) / 2²³, normals by Box–Muller on pairs of words",
    arguments: &[
        Argument::setting("shape", "", "N,C,H,W").required(),
        Argument::setting("kind", "normals", "normals or uniforms, those inside (0, 1)"),
        Argument::setting("stream", "noise", "noise, times, latent, sampler or init"),
        SEED,
        STEP,
        SAMPLE,
    ],
    results: "y [N, C, H, W]",
    record: philox,
};

fn philox(r: &mut Recording, a: &Arguments) -> Result<()> {
    let kind = a.choice("kind", &[("normals", Kind::Normals), ("uniforms", Kind::Uniforms)])?;
    let streams = [
        ("noise", Stream::Noise),
        ("times", Stream::Times),
        ("latent", Stream::Latent),
        ("sampler", Stream::Sampler),
        ("init", Stream::Init),
    ];
    let stream = a.choice("stream", &streams)?;
    let state = r.random_state(a)?;
    let y = r.blank("--shape", a.four_sizes("shape")?)?;
    r.tape.push(fill(&state, &y, kind, stream)?);
    r.image_result("y", &y);
    Ok(())
}
