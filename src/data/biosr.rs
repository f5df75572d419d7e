//! The BioSR set of paired microscopy images (Qiao et al., 2021).
//!
//! Raw frames of structured illumination, whose mean is the widefield image, and the image reconstructed from better ones:
//! ```text
//! BioSR/CCPs/Cell_001/RawSIMData_level_01.mrc …   SIM_gt.mrc                           also Microtubules, F-actin
//! BioSR/F-actin_Nonlinear/Cell_001/RawSIMData_level_01.mrc …   SIM_gt_a.mrc            (SIM_gt_b.mrc is a preview)
//! BioSR/ER/Cell_001/RawSIMData/RawSIMData_level_01.mrc …   GTSIM/GTSIM_level_01.mrc …  (a truth for each level)
//! ```

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::mrc::MrcFile;
use super::pair::{ResolutionPair, unit_range};
use crate::{Error, Result};

/// What is labelled in a cell; the paper orders the first four by complexity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Structure {
    /// Clathrin-coated pits.
    Ccps,
    /// Endoplasmic reticulum.
    Er,
    /// Microtubules.
    Microtubules,
    /// Actin filaments.
    FActin,
    /// Actin filaments, with a truth from non-linear structured illumination.
    FActinNonlinear,
}

impl Structure {
    /// The paper's four.
    pub const PAPER: [Self; 4] = [Self::Ccps, Self::Er, Self::Microtubules, Self::FActin];

    /// The name of the structure's folder.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Ccps => "CCPs",
            Self::Er => "ER",
            Self::Microtubules => "Microtubules",
            Self::FActin => "F-actin",
            Self::FActinNonlinear => "F-actin_Nonlinear",
        }
    }

    /// Pixel of the true image in µm, as the set's publication gives it; headers of the files are not consistent.
    pub fn pixel_um(self) -> f64 {
        match self {
            Self::FActinNonlinear => 0.0604 / 3.0,
            _ => 0.0626 / 2.0,
        }
    }
}

/// Which cells of a structure. All images of a cell lie on one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellSplit {
    /// All cells but those of the other two.
    Train,
    /// Cells 46 to 50.
    Validation,
    /// Cells 1 to 15.
    Test,
}

impl CellSplit {
    /// The side on which a cell lies.
    pub fn of(cell: u32) -> Self {
        match cell {
            1..=15 => Self::Test,
            46..=50 => Self::Validation,
            _ => Self::Train,
        }
    }
}

/// One cell at one level of signal: the files of a pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acquisition {
    /// What is labelled.
    pub structure: Structure,
    /// The number in the name of the cell's folder.
    pub cell: u32,
    /// The level of signal: 1 is the noisiest.
    pub level: u32,
    /// Raw frames.
    pub frames: PathBuf,
    /// The true image.
    pub truth: PathBuf,
}

/// The acquisitions of a structure, ordered by cell and level. `root` is the set's folder or the structure's own.
///
/// # Errors
/// [`Error::File`] that says which file or folder was expected where: no folder of the structure, no cell of the split, a cell
/// without raw frames, a level without a true image.
pub fn list_biosr(root: &Path, structure: Structure, split: CellSplit) -> Result<Vec<Acquisition>> {
    let name = structure.folder();
    let folder = structure_folder(root, name)?;
    let mut acquisitions = Vec::new();
    for path in entries(&folder)? {
        let cell = file_name(&path).strip_prefix("cell_").and_then(|n| n.parse().ok());
        let Some(cell) = cell.filter(|&cell| path.is_dir() && CellSplit::of(cell) == split) else { continue };
        let levels = levels(&path)?;
        if levels.is_empty() {
            return Err(Error::file(
                &path,
                format!("holds no RawSIMData_level_01.mrc, nor a folder RawSIMData with it. {}", expected(name)),
            ));
        }
        for (level, frames) in levels {
            let truth = truth_of(&path, level).ok_or_else(|| {
                Error::file(&path, format!("holds no true image of level {level}. {}", expected(name)))
            })?;
            acquisitions.push(Acquisition { structure, cell, level, frames, truth });
        }
    }
    acquisitions.sort_by_key(|a| (a.cell, a.level));
    if acquisitions.is_empty() {
        return Err(Error::file(
            &folder,
            format!(
                "holds no cell of the {split:?} split (cells 1 to 15 are for tests, 46 to 50 for validation, all others for \
                 training). {}",
                expected(name)
            ),
        ));
    }
    Ok(acquisitions)
}

impl Acquisition {
    /// The pair: the mean of all raw frames, and the true image, each scaled to [0, 1] by its own minimum and maximum.
    ///
    /// # Errors
    /// Those of [`MrcFile::open`]; [`Error::File`] if the true image is more than one section, or its size no whole multiple of
    /// the frames'.
    pub fn read(&self) -> Result<ResolutionPair> {
        let mut truth = MrcFile::open(&self.truth)?;
        if truth.sections() != 1 {
            let problem = format!("holds {} sections; a true image is one", truth.sections());
            return Err(Error::file(&self.truth, problem));
        }
        let widefield = MrcFile::open(&self.frames)?.mean()?;
        ResolutionPair::new(vec![unit_range(&widefield)], vec![unit_range(&truth.section(0)?)])
            .map_err(|e| Error::file(&self.truth, e.to_string()))
    }
}

fn expected(name: &str) -> String {
    let files = match name {
        "ER" => "RawSIMData/RawSIMData_level_01.mrc … and GTSIM/GTSIM_level_01.mrc …",
        "F-actin_Nonlinear" => "RawSIMData_level_01.mrc … and SIM_gt_a.mrc",
        _ => "RawSIMData_level_01.mrc … and SIM_gt.mrc",
    };
    format!(
        "Expected is {name}/Cell_001/ with {files}, as unpacked from {name}.zip of the set \"BioSR\" on figshare, doi \
         10.6084/m9.figshare.13264793"
    )
}

/// Lower-case name of a file or folder.
fn file_name(path: &Path) -> String {
    path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default()
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e: std::io::Error| Error::file(folder, format!("cannot be listed: {e}"));
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    Ok(paths)
}

/// The folder with the cells of a structure: `root` itself, or below it by name, once or (as some archives unpack) twice.
fn structure_folder(root: &Path, name: &str) -> Result<PathBuf> {
    let child = |folder: &Path| {
        let wanted = name.to_lowercase();
        Ok(entries(folder)?.into_iter().find(|p| p.is_dir() && file_name(p) == wanted))
    };
    if !root.is_dir() {
        return Err(Error::file(root, format!("is no folder. {}", expected(name))));
    }
    let missing = || Error::file(root, format!("holds no folder {name}. {}", expected(name)));
    let outer = match child(root)? {
        Some(folder) => folder,
        None if file_name(root) == name.to_lowercase() => return Ok(root.to_path_buf()),
        None => return Err(missing()),
    };
    Ok(child(&outer)?.unwrap_or(outer))
}

/// The levels of a cell with the files of their raw frames.
fn levels(cell: &Path) -> Result<Vec<(u32, PathBuf)>> {
    let inner = cell.join("RawSIMData");
    let folder = if inner.is_dir() { &inner } else { cell };
    let level = |path: &Path| {
        let name = file_name(path);
        name.strip_prefix("rawsimdata_level_")?.strip_suffix(".mrc")?.parse().ok()
    };
    Ok(entries(folder)?.into_iter().filter_map(|path| Some((level(&path)?, path))).collect())
}

/// The true image of a level: its own where each level has one, else the cell's. Of two, `SIM_gt_a` is the one to train on.
fn truth_of(cell: &Path, level: u32) -> Option<PathBuf> {
    let own = format!("GTSIM_level_{level:02}.mrc");
    let names = [format!("GTSIM/{own}"), own, "SIM_gt_a.mrc".into(), "SIM_gt_aa.mrc".into(), "SIM_gt.mrc".into()];
    names.iter().map(|name| cell.join(name)).find(|path| path.is_file())
}
