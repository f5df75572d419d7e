//! The transfer function of a lens.

/// Incoherent transfer function of an ideal circular aperture at a frequency given in parts of its cut-off `2 NA/λ`:
/// `2/π (acos ν − ν √(1 − ν²))`, 1 at ν = 0, none from ν = 1 on. It is the Fourier transform of the Airy pattern.
pub fn incoherent_otf(frequency: f64) -> f64 {
    let nu = frequency.abs();
    if nu >= 1.0 {
        return 0.0;
    }
    2.0 / std::f64::consts::PI * (nu.acos() - nu * (1.0 - nu * nu).sqrt())
}
