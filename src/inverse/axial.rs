//! The axial derivative of intensity from a whole focal stack.
//!
//! A pair of images gives `∂I/∂z ≈ (I_d − I_-d)/2d`: with small d it drowns in noise, with large d it is not the derivative any more.
//! A polynomial in z fitted to each pixel of a stack (Waller et al., 2010) has both: its slope in focus is a linear functional of the
//! samples, the same for every pixel, so that the fit is one weighted sum of the images.

use super::fresnel::DefocusPair;
use crate::data::{FocalStack, Plane};
use crate::{Error, Result};

/// The order of the polynomials behind the paper's brightfield truths (section 4.2.2).
pub const AXIAL_ORDER: usize = 20;

/// The weights `w` with which `Σ w_i f(z_i)` is the slope at `z = 0` of the polynomial of order `order` that fits `f` best (least
/// squares) at `positions`; in one over the unit of the positions.
///
/// Independent noise of standard deviation s in the samples becomes noise of `s·|w|` in the slope, `|w|` the Euclidean norm. Order 20
/// at the paper's 41 positions 2 µm apart gives 0.17 µm⁻¹, half of what the two images at ±2 µm alone have, 0.35 µm⁻¹.
///
/// The basis is orthonormal on the positions and built as Krylov vectors (Arnoldi with every vector orthogonalised twice), not from
/// powers of z: powers up to 20 are dependent in double precision.
///
/// # Errors
/// [`Error::Input`] if there are not more positions than the order, they are not finite or not all different, or the order is 0.
pub fn slope_weights(positions: &[f64], order: usize) -> Result<Vec<f64>> {
    let count = positions.len();
    if order == 0 || count <= order {
        return Err(Error::input(format!(
            "a polynomial of order {order} through {count} images; a slope needs order 1 at least, and one more image than the order"
        )));
    }
    let mut sorted = positions.to_vec();
    sorted.sort_by(f64::total_cmp);
    if !positions.iter().all(|z| z.is_finite()) || sorted.windows(2).any(|w| w[0] == w[1]) {
        return Err(Error::input(format!("positions {positions:?}; they must be finite and all different")));
    }
    // Powers of the largest distance leave the basis as it is, and numbers of order 1.
    let scale = positions.iter().fold(0.0f64, |m, z| m.max(z.abs()));
    let nodes: Vec<f64> = positions.iter().map(|z| z / scale).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();

    // Each polynomial: its values on the nodes (orthonormal), its value and slope at 0.
    let first = 1.0 / (count as f64).sqrt();
    let mut basis: Vec<(Vec<f64>, f64, f64)> = vec![(vec![first; count], first, 0.0)];
    for k in 0..order {
        let (values, value, _) = &basis[k];
        // u·p has value 0 and slope p(0) at u = 0.
        let (mut next, mut at, mut slope): (Vec<f64>, f64, f64) =
            (values.iter().zip(&nodes).map(|(p, u)| p * u).collect(), 0.0, *value);
        for (values, value, derivative) in [&basis[..], &basis[..]].concat() {
            let along = dot(&next, &values);
            next.iter_mut().zip(&values).for_each(|(n, v)| *n -= along * v);
            at -= along * value;
            slope -= along * derivative;
        }
        let norm = dot(&next, &next).sqrt();
        next.iter_mut().for_each(|n| *n /= norm);
        basis.push((next, at / norm, slope / norm));
    }
    Ok((0..count).map(|i| basis.iter().map(|(values, _, slope)| slope * values[i]).sum::<f64>() / scale).collect())
}

/// `∂I/∂z` in focus, per µm, by a polynomial of order `order` fitted to every pixel; see [`slope_weights`].
///
/// # Errors
/// Those of [`slope_weights`]: too few images for the order.
pub fn axial_derivative(stack: &FocalStack, order: usize) -> Result<Plane> {
    let weights = slope_weights(&stack.positions_um(), order)?;
    let mut sums = vec![0.0f64; stack.in_focus().values().len()];
    for (plane, weight) in stack.planes().iter().zip(&weights) {
        sums.iter_mut().zip(plane.values()).for_each(|(sum, v)| *sum += weight * f64::from(*v));
    }
    let focus = stack.in_focus();
    Plane::new(focus.height(), focus.width(), sums.into_iter().map(|sum| sum as f32).collect())
}

/// The two-shot measurement in a stack: its images at `±d`, d in µm.
///
/// # Errors
/// Those of [`FocalStack::pair`] and [`DefocusPair::new`].
pub fn stack_pair(stack: &FocalStack, d: f64) -> Result<DefocusPair> {
    let [plus, minus] = stack.pair(d)?;
    DefocusPair::new(plus.clone(), minus.clone())
}

/// The pair `I₀ ± d·∂I/∂z` that a linear world would show at `±d` µm, from the fitted derivative: phase retrieval from it, which
/// divides the difference by 2d, sees the derivative of the whole stack. This is what the paper's truths are computed from.
///
/// # Errors
/// [`Error::Input`] if `d` is not positive and finite; those of [`axial_derivative`].
pub fn derivative_pair(stack: &FocalStack, order: usize, d: f64) -> Result<DefocusPair> {
    if !(d.is_finite() && d > 0.0) {
        return Err(Error::input(format!("a pair at ±{d} µm; it must be a positive, finite length")));
    }
    let derivative = axial_derivative(stack, order)?;
    let focus = stack.in_focus();
    let at =
        |d: f64| Plane::from_fn(focus.height(), focus.width(), |y, x| focus.at(y, x) + d as f32 * derivative.at(y, x));
    DefocusPair::new(at(d), at(-d))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn norm(weights: &[f64]) -> f64 {
        weights.iter().map(|w| w * w).sum::<f64>().sqrt()
    }

    /// The paper's positions: 2k µm, k from −20 to 20.
    fn positions() -> Vec<f64> {
        (-20..=20).map(|k| 2.0 * f64::from(k)).collect()
    }

    #[test]
    fn polynomials_are_differentiated_exactly() {
        for (positions, order) in [
            (positions(), AXIAL_ORDER),
            (positions(), 1),
            (positions()[..21].to_vec(), AXIAL_ORDER),
            (vec![-1.0, 0.5, 0.0, 3.0, -2.5, 1.0], 4),
        ] {
            let weights = slope_weights(&positions, order).unwrap();
            let scale = positions.iter().fold(0.0f64, |m, z| m.max(z.abs()));
            for power in 0..=order as i32 {
                // (z/scale)^power has slope 1/scale at 0 if the power is one, else none.
                let slope: f64 = weights.iter().zip(&positions).map(|(w, z)| w * (z / scale).powi(power)).sum();
                let expected = if power == 1 { 1.0 / scale } else { 0.0 };
                // Rounding of samples up to 1 under these weights.
                let bound = 1e-13 * weights.iter().map(|w| w.abs()).sum::<f64>();
                assert!((slope - expected).abs() < bound, "order {order}, z^{power}: {slope}, expected {expected}");
            }
        }
    }

    #[test]
    fn the_fit_is_least_squares() {
        // Any sample that no polynomial of the order can show (orthogonal to all of them on the positions) adds nothing: weights
        // are a polynomial themselves. Order 2, five nodes: (1, −4, 6, −4, 1) and (−1, 2, 0, −2, 1) are orthogonal to all.
        let weights = slope_weights(&[-2.0, -1.0, 0.0, 1.0, 2.0], 2).unwrap();
        for (weight, expected) in weights.iter().zip([-0.2, -0.1, 0.0, 0.1, 0.2]) {
            assert!((weight - expected).abs() < 1e-15, "{weights:?}");
        }
    }

    #[test]
    fn the_noise_gain_is_as_documented() {
        let gain = |order| norm(&slope_weights(&positions(), order).unwrap());
        assert!((gain(AXIAL_ORDER) - 0.174).abs() < 0.0005, "{}", gain(AXIAL_ORDER));
        assert!((norm(&slope_weights(&[-2.0, 0.0, 2.0], 2).unwrap()) - 0.125f64.sqrt()).abs() < 1e-15);
        // Noise grows with the order, never falls.
        assert!((2..=40).all(|order| gain(order) >= gain(order - 1) * (1.0 - 1e-9)));
    }

    #[test]
    fn too_few_images_for_the_order_are_refused() {
        let message = slope_weights(&positions()[..20], AXIAL_ORDER).unwrap_err().to_string();
        assert!(message.contains("order 20 through 20 images"), "{message}");
        assert!(slope_weights(&[-1.0, 0.0, 1.0], 0).is_err());
        assert!(slope_weights(&[-1.0, 0.0, 0.0, 1.0], 1).is_err());
        assert!(slope_weights(&[-1.0, f64::NAN, 1.0], 1).is_err());
    }

    #[test]
    fn a_stack_gives_its_derivative_and_its_pairs() {
        // I = 1 + a z + b z² − c z³ in every pixel.
        let slope = |y: usize, x: usize| 0.01 * (y as f64 - 2.0) + 0.003 * x as f64;
        let planes = positions()
            .into_iter()
            .map(|z| Plane::from_fn(5, 6, |y, x| (1.0 + slope(y, x) * z + 1e-4 * z * z - 1e-6 * z * z * z) as f32));
        let stack = FocalStack::new(planes.collect(), 2.0, None).unwrap();
        let derivative = axial_derivative(&stack, AXIAL_ORDER).unwrap();
        let pair = derivative_pair(&stack, AXIAL_ORDER, 2.0).unwrap();
        for (y, x) in (0..5).flat_map(|y| (0..6).map(move |x| (y, x))) {
            // f32's rounding of samples around 1, half a unit in 2²⁴, under weights of norm 0.17: more than four standard deviations.
            assert!((f64::from(derivative.at(y, x)) - slope(y, x)).abs() < 2e-7);
            let seen = (pair.plus().at(y, x) - pair.minus().at(y, x)) / 4.0;
            assert!((f64::from(seen) - slope(y, x)).abs() < 3e-7);
        }
        assert_eq!(stack_pair(&stack, 4.0).unwrap().plus(), &stack.planes()[22]);
        assert!(stack_pair(&stack, 100.0).is_err());
        assert!(derivative_pair(&stack, AXIAL_ORDER, 0.0).is_err());
        assert!(axial_derivative(&stack, 41).is_err());
    }
}
