//! A step size that is halved whenever the loss stops falling.

use serde::{Deserialize, Serialize};

/// Weight of a new loss in the smoothed one: ten logged losses are remembered.
const NEW: f32 = 0.1;
/// A loss has fallen if it is lower by more than this fraction.
const THRESHOLD: f32 = 1e-4;

/// What was seen so far. Part of a checkpoint, so that a resumed run halves where the uninterrupted one does.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
pub struct Plateau {
    /// The smoothed loss, and the lowest that it has been; none before the first loss. In single precision, which JSON keeps bit
    /// for bit.
    smoothed: Option<[f32; 2]>,
    /// Losses since it was lowest, or since the last halving.
    waited: u64,
    /// Halvings so far.
    halvings: u32,
}

impl Plateau {
    /// Takes the next loss. After `patience` losses in a row that have not lowered the smoothed one, the step size is halved.
    pub fn see(&mut self, loss: f32, patience: u64) {
        let Some([smoothed, lowest]) = self.smoothed else {
            self.smoothed = Some([loss; 2]);
            return;
        };
        let smoothed = smoothed + NEW * (loss - smoothed);
        let fell = smoothed < lowest - THRESHOLD * lowest.abs();
        self.smoothed = Some([smoothed, if fell { smoothed } else { lowest }]);
        self.waited = if fell { 0 } else { self.waited + 1 };
        if self.waited >= patience {
            (self.waited, self.halvings) = (0, self.halvings + 1);
        }
    }

    /// What the step size is multiplied by.
    pub fn factor(&self) -> f64 {
        0.5f64.powi(self.halvings.min(1000) as i32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_halves_when_the_loss_stays_and_not_while_it_falls() {
        let mut plateau = Plateau::default();
        for i in 0..200 {
            plateau.see(10.0 * 0.98f32.powi(i), 5);
        }
        assert_eq!(plateau.factor(), 1.0);
        // The smoothed loss still falls towards this one for a while; after that, every fifth loss halves.
        (0..100).for_each(|_| plateau.see(0.2, 5));
        let before = plateau.factor();
        (0..10).for_each(|_| plateau.see(0.2, 5));
        assert_eq!(plateau.factor(), before / 4.0);
        // Noise around a falling mean is no plateau.
        let mut noisy = Plateau::default();
        (0..100).for_each(|i| noisy.see(5.0 - 0.04 * i as f32 + if i % 2 == 0 { 0.2 } else { -0.2 }, 5));
        assert_eq!(noisy.factor(), 1.0);
    }

    #[test]
    fn what_is_written_is_read_bit_for_bit() {
        let mut plateau = Plateau::default();
        for i in 0..50 {
            plateau.see(1.0 / (3.0 + i as f32), 4);
            let text = serde_json::to_string(&plateau).unwrap();
            assert_eq!(serde_json::from_str::<Plateau>(&text).unwrap(), plateau, "{text}");
        }
    }
}
