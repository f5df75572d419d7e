//! Between physical units and the network's range [−1, 1].

use super::fresnel::DefocusPair;
use crate::data::Plane;

/// The phase in rad that the target range [−1, 1] stands for: 0 to 3.5 rad.
pub const PHASE_RANGE: f32 = 3.5;

/// The network's two input channels, `+d` then `−d`: the pair scaled to [−1, 1] by its joint minimum and maximum, so
/// that the contrast between the two images survives. A pair without any contrast becomes zeros.
pub fn normalise_pair(pair: &DefocusPair) -> [Plane; 2] {
    let (lo_plus, hi_plus) = pair.plus().min_max();
    let (lo_minus, hi_minus) = pair.minus().min_max();
    let (lo, hi) = (f64::from(lo_plus.min(lo_minus)), f64::from(hi_plus.max(hi_minus)));
    let scale = if hi > lo { 2.0 / (hi - lo) } else { 0.0 };
    let offset = if hi > lo { -1.0 } else { 0.0 };
    [pair.plus(), pair.minus()].map(|p| p.map(|v| ((f64::from(v) - lo) * scale + offset) as f32))
}

/// The network's target for a phase in rad: `2φ/3.5 − 1`.
pub fn phase_to_target(phase: &Plane) -> Plane {
    phase.map(|v| 2.0 * v / PHASE_RANGE - 1.0)
}

/// The phase in rad of a network's output: `3.5 (y + 1)/2`.
pub fn target_to_phase(target: &Plane) -> Plane {
    target.map(|v| PHASE_RANGE * (v + 1.0) / 2.0)
}
