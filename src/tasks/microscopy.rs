//! Microscopy: from a widefield image to what structured illumination would show, measured (BioSR) or simulated; or from any coarse image to
//! the fine one that lies beside it.

use std::path::PathBuf;

use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

use super::Pairs;
use super::kept::Kept;
use crate::config::{MicroscopySection, MicroscopySource, TrainConfig};
use crate::data::{Acquisition, CellSplit, ImagePair, ResolutionPair, Split, Structure, list_biosr, list_image_pairs};
use crate::inverse::{Microscope, SIGNAL_LEVELS, Scene, Specimen};
use crate::{Error, Result};

/// The pairs of a configuration on one side of the split; simulated ones are `side × side` fine pixels.
///
/// # Errors
/// Those of [`BiosrPairs::open`], [`SimulatedPairs::new`] and [`FolderPairs::open`].
pub fn open(config: &TrainConfig, split: Split, side: usize) -> Result<Box<dyn Pairs>> {
    let section = &config.microscopy;
    Ok(match section.source {
        MicroscopySource::Biosr => Box::new(BiosrPairs::open(section, split)?),
        MicroscopySource::Simulated => Box::new(SimulatedPairs::new(section, split, side, config.training.seed)?),
        MicroscopySource::Folder => Box::new(FolderPairs::open(section, split)?),
    })
}

/// Whether two numbers have no common divisor but 1.
fn coprime(a: usize, b: usize) -> bool {
    if b == 0 { a == 1 } else { coprime(b, a % b) }
}

/// The set BioSR: every cell of a split at every level of signal.
pub struct BiosrPairs {
    acquisitions: Vec<Acquisition>,
    kept: Kept,
}

impl BiosrPairs {
    /// Lists the files of a structure. What is held out are the cells for tests; those for validation are on neither side.
    ///
    /// # Errors
    /// Those of [`list_biosr`]; [`Error::File`] if no level of signal is in the section's range.
    pub fn open(section: &MicroscopySection, split: Split) -> Result<Self> {
        let list = |split| list_biosr(&section.folder, section.structure, split);
        let mut acquisitions = match split {
            Split::Train => list(CellSplit::Train)?,
            Split::HeldOut => list(CellSplit::Test)?,
            Split::All => [list(CellSplit::Train)?, list(CellSplit::Test)?].concat(),
        };
        let (first, last) = (section.first_level, section.last_level);
        acquisitions.retain(|a| a.level >= first && last.is_none_or(|last| a.level <= last));
        if acquisitions.is_empty() {
            let to = last.map_or("and up".into(), |last| format!("to {last}"));
            return Err(Error::file(&section.folder, format!("holds no images of signal levels {first} {to}")));
        }
        Ok(Self { kept: Kept::new(acquisitions.len()), acquisitions })
    }

    fn acquisition(&self, number: u64) -> Result<&Acquisition> {
        usize::try_from(number).ok().and_then(|i| self.acquisitions.get(i)).ok_or_else(|| {
            Error::input(format!("image {number} of a set; there are {}, numbered from 0", self.acquisitions.len()))
        })
    }
}

impl Pairs for BiosrPairs {
    fn count(&self) -> Option<u64> {
        Some(self.acquisitions.len() as u64)
    }

    fn pair(&self, number: u64) -> Result<ResolutionPair> {
        let acquisition = self.acquisition(number)?;
        self.kept.get(number as usize, || acquisition.read())
    }

    /// Evenly spaced over the cells, and over the levels of signal whatever the ratio of both numbers.
    fn selection(&self, count: u64) -> Vec<u64> {
        let cells: Vec<usize> = self.acquisitions.chunk_by(|a, b| a.cell == b.cell).map(<[_]>::len).collect();
        let (all, levels) = (self.acquisitions.len(), cells[0]);
        let count = all.min(usize::try_from(count).unwrap_or(all));
        // Levels by turns, about seven tenths of them on, so that a few images have low and high ones and a round has each once.
        let steps = (1..=levels).filter(|&step| coprime(step, levels));
        let step = steps.min_by_key(|&step| (10 * step).abs_diff(7 * levels)).unwrap_or(1);
        // Where cells differ in levels an image may be met twice; then the next that was not.
        let mut free = vec![true; all];
        let mut image = |i: usize| {
            let wanted = (i * cells.len() / count) * levels + i * step % levels;
            let number = (wanted..all).chain(0..all).find(|&n| free[n]).unwrap_or_default();
            free[number] = false;
            number as u64
        };
        (0..count).map(&mut image).collect()
    }

    /// Its cell.
    fn specimen(&self, number: u64) -> u64 {
        self.acquisition(number).map_or(number, |a| a.cell as u64)
    }

    fn name(&self, number: u64) -> String {
        let name = |a: &Acquisition| format!("{} {}, level {}", a.structure.folder(), a.cell, a.level);
        self.acquisition(number).map_or_else(|_| format!("image {number}"), name)
    }

    fn describe(&self) -> String {
        format!("{} images of BioSR", self.acquisitions.len())
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> = self.acquisitions.iter().flat_map(|a| [a.frames.clone(), a.truth.clone()]).collect();
        files.sort();
        files.dedup();
        files
    }
}

/// Drawn specimens: another one for every number, at a level of signal that the number decides.
pub struct SimulatedPairs {
    specimen: Specimen,
    microscope: Microscope,
    side: usize,
    levels: [u32; 2],
    seed: u64,
    held_out: bool,
}

impl SimulatedPairs {
    /// Specimens of `side × side` fine pixels. Those to train on hang on the run's seed, those held out are the same for every run
    /// and none that can be trained on; both sides together make no sense here.
    ///
    /// # Errors
    /// [`Error::Input`] for both sides together, and for a structure that cannot be drawn.
    pub fn new(section: &MicroscopySection, split: Split, side: usize, seed: u64) -> Result<Self> {
        let specimen = match section.structure {
            Structure::Ccps => Specimen::Pits,
            Structure::Er => Specimen::Reticulum,
            Structure::Microtubules => Specimen::Microtubules,
            Structure::FActin => Specimen::Actin,
            Structure::FActinNonlinear => {
                return Err(Error::input("there is no simulation of non-linear structured illumination"));
            }
        };
        if split == Split::All {
            return Err(Error::input("simulated specimens are drawn for training or held out, not both at once"));
        }
        let held_out = split == Split::HeldOut;
        Ok(Self {
            specimen,
            microscope: Microscope::default(),
            side,
            levels: [section.first_level, section.last_level.unwrap_or(SIGNAL_LEVELS)],
            seed: if held_out { 0 } else { seed },
            held_out,
        })
    }

    /// The seed of a specimen and its level of signal. The seed's lowest bit is the side of the split.
    fn draw(&self, number: u64) -> (u64, u32) {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(number);
        let seed = random.random::<u64>() & !1 | u64::from(self.held_out);
        (seed, random.random_range(self.levels[0]..=self.levels[1]))
    }
}

impl Pairs for SimulatedPairs {
    fn count(&self) -> Option<u64> {
        None
    }

    fn pair(&self, number: u64) -> Result<ResolutionPair> {
        let (seed, level) = self.draw(number);
        Scene::draw(self.specimen, &self.microscope, self.side, seed)?.pair(level, seed)
    }

    fn name(&self, number: u64) -> String {
        format!("{} {number}, level {}", self.specimen.name(), self.draw(number).1)
    }

    fn describe(&self) -> String {
        format!("drawn {}", self.specimen.name())
    }

    fn files(&self) -> Vec<PathBuf> {
        Vec::new()
    }
}

/// Images of one's own.
pub struct FolderPairs {
    pairs: Vec<ImagePair>,
    factor: usize,
    kept: Kept,
}

impl FolderPairs {
    /// Lists the pairs of a side of the split.
    ///
    /// # Errors
    /// Those of [`list_image_pairs`].
    pub fn open(section: &MicroscopySection, split: Split) -> Result<Self> {
        let pairs = list_image_pairs(&section.folder, split)?;
        Ok(Self { kept: Kept::new(pairs.len()), pairs, factor: section.factor() })
    }

    fn files_of(&self, number: u64) -> Result<(usize, &ImagePair)> {
        let found = usize::try_from(number).ok().and_then(|i| Some((i, self.pairs.get(i)?)));
        found.ok_or_else(|| {
            Error::input(format!("image {number} of a folder; there are {}, numbered from 0", self.pairs.len()))
        })
    }
}

impl Pairs for FolderPairs {
    fn count(&self) -> Option<u64> {
        Some(self.pairs.len() as u64)
    }

    fn pair(&self, number: u64) -> Result<ResolutionPair> {
        let (place, files) = self.files_of(number)?;
        let pair = self.kept.get(place, || files.read())?;
        if pair.factor() == self.factor {
            return Ok(pair);
        }
        let problem = format!(
            "has {} pixels along a side to one of {}; microscopy.factor = {}",
            pair.factor(),
            files.coarse.display(),
            self.factor
        );
        Err(Error::file(&files.fine, problem))
    }

    fn name(&self, number: u64) -> String {
        let name = self.files_of(number).ok().and_then(|(_, files)| files.coarse.file_stem());
        name.map_or_else(|| format!("image {number}"), |n| n.to_string_lossy().into_owned())
    }

    fn describe(&self) -> String {
        format!("{} pairs of images", self.pairs.len())
    }

    fn files(&self) -> Vec<PathBuf> {
        self.pairs.iter().flat_map(|pair| [pair.coarse.clone(), pair.fine.clone()]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_to_test_on_are_spread_over_cells_and_levels() {
        let set = |cells: u32, levels: u32| BiosrPairs {
            kept: Kept::new(0),
            acquisitions: (0..cells * levels)
                .map(|i| Acquisition {
                    structure: Structure::Ccps,
                    cell: 1 + i / levels,
                    level: 1 + i % levels,
                    frames: PathBuf::new(),
                    truth: PathBuf::new(),
                })
                .collect(),
        };
        for (levels, count) in [(9, 6), (9, 100), (6, 6), (12, 6), (12, 100), (10, 5), (1, 4), (2, 30)] {
            let set = set(15, levels);
            let chosen: Vec<&Acquisition> = set.selection(count).iter().map(|&n| set.acquisition(n).unwrap()).collect();
            let distinct = |of: fn(&Acquisition) -> u32| {
                chosen.iter().map(|a| of(a)).collect::<std::collections::BTreeSet<u32>>().len() as u64
            };
            let expected = count.min(15 * u64::from(levels));
            assert_eq!(chosen.len() as u64, expected);
            assert_eq!(distinct(|a| 100 * a.cell + a.level), expected, "none twice of {levels} levels");
            assert_eq!(distinct(|a| a.level), expected.min(u64::from(levels)));
            assert_eq!(distinct(|a| a.cell), expected.min(15));
        }
        // Low and high levels by turns.
        let nine = set(15, 9);
        let levels: Vec<u32> = nine.selection(6).iter().map(|&n| nine.acquisition(n).unwrap().level).collect();
        assert_eq!(levels, [1, 8, 6, 4, 2, 9]);
        // A cell that lacks levels: all are taken all the same.
        let mut uneven = set(3, 4);
        uneven.acquisitions.truncate(9);
        let mut all = uneven.selection(20);
        all.sort_unstable();
        assert_eq!(all, (0..9).collect::<Vec<u64>>());
    }

    #[test]
    fn every_level_of_a_measured_set_takes_part_unless_keys_say_otherwise() {
        let root = tempfile::tempdir().unwrap();
        for cell in [1, 16] {
            let folder = root.path().join(format!("F-actin/Cell_{cell:03}"));
            std::fs::create_dir_all(&folder).unwrap();
            let frames = (1..=12).map(|level| format!("RawSIMData_level_{level:02}.mrc"));
            for name in frames.chain(["SIM_gt.mrc".into()]) {
                std::fs::write(folder.join(name), "").unwrap();
            }
        }
        let of = |first_level, last_level| {
            let (structure, folder) = (Structure::FActin, root.path().into());
            let section =
                MicroscopySection { structure, folder, first_level, last_level, ..MicroscopySection::default() };
            BiosrPairs::open(&section, Split::Train)
                .map(|set| set.acquisitions.iter().map(|a| a.level).collect::<Vec<_>>())
        };
        assert_eq!(of(1, None).unwrap(), (1..=12).collect::<Vec<_>>());
        assert_eq!(of(11, None).unwrap(), [11, 12]);
        assert_eq!(of(1, Some(2)).unwrap(), [1, 2]);
        assert!(of(13, None).unwrap_err().to_string().contains("levels 13 and up"));
    }

    #[test]
    fn specimens_to_train_on_and_held_out_ones_share_no_seed() {
        let section = MicroscopySection { first_level: 3, last_level: Some(5), ..MicroscopySection::default() };
        let of = |split, run| {
            let pairs = SimulatedPairs::new(&section, split, 32, run).unwrap();
            (0..200).map(|number| pairs.draw(number)).collect::<Vec<_>>()
        };
        let (train, held_out) = (of(Split::Train, 1), of(Split::HeldOut, 1));
        assert!(train.iter().all(|(seed, _)| seed & 1 == 0) && held_out.iter().all(|(seed, _)| seed & 1 == 1));
        assert!((3..=5).all(|level| train.iter().any(|t| t.1 == level)));
        assert!(train.iter().chain(&held_out).all(|t| (3..=5).contains(&t.1)));
        assert_ne!(train, of(Split::Train, 2));
        assert_eq!(held_out, of(Split::HeldOut, 2), "every run is tested on the same");
        // Those that table 1 is tested on at the scale small; docs/reproduction names them.
        let whole = SimulatedPairs::new(&MicroscopySection::default(), Split::HeldOut, 128, 1).unwrap();
        let levels: Vec<u32> = (0..6).map(|number| whole.draw(number).1).collect();
        assert_eq!(levels, [8, 5, 2, 9, 6, 7]);
        let distinct: std::collections::BTreeSet<u64> = train.iter().map(|t| t.0).collect();
        assert_eq!(distinct.len(), train.len());
        assert!(SimulatedPairs::new(&section, Split::All, 32, 1).is_err());
    }
}
