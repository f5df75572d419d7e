//! Group norm in `f64`.

#![allow(dead_code, reason = "each test program uses its own part")]

use cvdm::tensor::Shape;

/// Added to the variance.
pub const EPSILON: f32 = 1e-5;

/// Of each channel the mean and inverse deviation of its group.
pub fn statistics(shape: Shape, groups: usize, x: &[f64]) -> Vec<f64> {
    let members = shape.c / groups;
    let stats = |group: &[f64]| {
        let mean = group.iter().sum::<f64>() / group.len() as f64;
        let variance = group.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / group.len() as f64;
        [mean, (variance + f64::from(EPSILON)).sqrt().recip()].repeat(members)
    };
    x.chunks_exact(members * shape.plane()).flat_map(stats).collect()
}

/// Without weight and bias.
pub fn normalized(shape: Shape, groups: usize, x: &[f64]) -> Vec<f64> {
    let stats = statistics(shape, groups, x);
    x.iter().enumerate().map(|(i, v)| (v - stats[i / shape.plane() * 2]) * stats[i / shape.plane() * 2 + 1]).collect()
}

/// With weight and bias.
pub fn forward(shape: Shape, groups: usize, x: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let channel = |i: usize| i / shape.plane() % shape.c;
    normalized(shape, groups, x).iter().enumerate().map(|(i, v)| v * weight[channel(i)] + bias[channel(i)]).collect()
}
