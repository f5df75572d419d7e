//! Mean and standard deviation of samples that come in groups.

/// Mean and squared deviations over groups of samples, merged by Chan's formula.
#[derive(Default)]
pub(super) struct Moments {
    count: f64,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    /// Takes a group of `n` samples by its mean and standard deviation.
    pub fn merge(&mut self, n: usize, mean: &[f32], std: &[f32]) {
        let n = n as f64;
        if self.mean.is_empty() {
            self.mean = vec![0.0; mean.len()];
            self.squares = vec![0.0; mean.len()];
        }
        let total = self.count + n;
        for (i, (&m, &s)) in mean.iter().zip(std).enumerate() {
            let delta = f64::from(m) - self.mean[i];
            self.mean[i] += delta * n / total;
            self.squares[i] += f64::from(s).powi(2) * (n - 1.0) + delta * delta * self.count * n / total;
        }
        self.count = total;
    }

    /// Mean and standard deviation of all; 0 of a single one.
    pub fn finish(self) -> (Vec<f32>, Vec<f32>) {
        let divisor = (self.count - 1.0).max(1.0);
        let std = self.squares.iter().map(|s| (s / divisor).sqrt() as f32).collect();
        (self.mean.into_iter().map(|m| m as f32).collect(), std)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_groups_are_the_moments_of_all() {
        let samples = [1.0f32, 4.0, -2.0, 7.0, 3.5];
        let of = |s: &[f32]| {
            let mean = s.iter().sum::<f32>() / s.len() as f32;
            let squares = s.iter().map(|v| (v - mean).powi(2)).sum::<f32>();
            (mean, (squares / (s.len() as f32 - 1.0).max(1.0)).sqrt())
        };
        let mut moments = Moments::default();
        for group in [&samples[..2], &samples[2..3], &samples[3..]] {
            let (mean, std) = of(group);
            moments.merge(group.len(), &[mean], &[std]);
        }
        let (mean, std) = moments.finish();
        let want = of(&samples);
        assert!((mean[0] - want.0).abs() < 1e-6 && (std[0] - want.1).abs() < 1e-6);
    }
}
