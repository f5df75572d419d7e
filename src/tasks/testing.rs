//! What models of the microscopy and the super-resolution task are tested on.

use super::{Pairs, pairs};
use crate::Result;
use crate::config::TrainConfig;
use crate::data::{Plane, Split};

/// A held-out image with the truth behind it, both in [0, 1], a plane a channel.
#[derive(Debug, Clone, PartialEq)]
pub struct TestImage {
    /// What it shows.
    pub name: String,
    /// The number of the specimen: images of one are no independent ones.
    pub specimen: u64,
    /// As it was measured.
    pub coarse: Vec<Plane>,
    /// What should be found, [`TrainConfig::factor`] times as dense.
    pub truth: Vec<Plane>,
}

/// Up to `count` held-out images that stand for all there are ([`Pairs::selection`]), of each the middle of at most `side × side` fine pixels. The
/// same for every run on the same data.
///
/// # Errors
/// Those of [`pairs`] and of reading or drawing; [`crate::Error::Shape`] if nothing is left of an image.
pub fn test_images(config: &TrainConfig, side: usize, count: usize) -> Result<Vec<TestImage>> {
    let factor = config.factor();
    images_of(&*pairs(config, Split::HeldOut, side / factor * factor)?, factor, side, count)
}

/// The same of any pairs, whose fine images are `factor` times as dense.
///
/// # Errors
/// Those of reading or drawing; [`crate::Error::Shape`] if nothing is left of an image.
pub fn images_of(set: &dyn Pairs, factor: usize, side: usize, count: usize) -> Result<Vec<TestImage>> {
    let image = |number: u64| {
        let pair = set.pair(number)?;
        let middle = |planes: &[Plane], side: usize| {
            let crop = |p: &Plane| {
                let (height, width) = (p.height().min(side), p.width().min(side));
                p.crop((p.height() - height) / 2, (p.width() - width) / 2, height, width)
            };
            planes.iter().map(crop).collect::<Result<Vec<_>>>()
        };
        // The middle of the coarse image decides, so that both show the same.
        let coarse = middle(pair.low(), side / factor)?;
        let (low, high) = (&pair.low()[0], &coarse[0]);
        let corner = [(low.height() - high.height()) / 2, (low.width() - high.width()) / 2].map(|n| n * factor);
        let size = [high.height() * factor, high.width() * factor];
        let truth =
            pair.high().iter().map(|p| p.crop(corner[0], corner[1], size[0], size[1])).collect::<Result<_>>()?;
        Ok(TestImage { name: set.name(number), specimen: set.specimen(number), coarse, truth })
    };
    set.selection(count as u64).into_iter().map(image).collect()
}
