//! The networks of `benches/shapes`.

use cvdm::{Error, Result};

use super::options::Options;

/// A U-Net's size and what it works on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network {
    pub base: usize,
    pub batch: usize,
    pub size: usize,
}

impl Network {
    /// Values of the first feature map: operations grow with it times `base`.
    fn work(self) -> usize {
        self.base * self.batch * self.size * self.size
    }
}

/// The networks to time, and how many are left out because a software adapter would take too long.
pub fn networks(options: &Options, software: bool) -> Result<(Vec<Network>, usize)> {
    let line = |line: &str| -> Option<Network> {
        let numbers: Vec<usize> = line.split_whitespace().map(|n| n.parse().ok()).collect::<Option<_>>()?;
        let [base, batch, size] = numbers[..] else { return None };
        Some(Network { base, batch, size })
    };
    let text = include_str!("../shapes");
    let all = text.lines().filter(|l| !l.starts_with('#')).map(|l| {
        line(l)
            .ok_or_else(|| Error::input(format!("benches/shapes has the line \"{l}\"; expected base, batch and size")))
    });
    let all: Vec<Network> = all.collect::<Result<_>>()?;
    // As much as base 32 on four images of 64², of which a training step takes half a second.
    let most = if software && !options.all { 32 * 4 * 64 * 64 } else { usize::MAX };
    let chosen: Vec<Network> = all.iter().copied().filter(|n| n.work() <= most).collect();
    let left_out = all.len() - chosen.len();
    Ok((chosen, left_out))
}
