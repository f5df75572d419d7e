//! Focal stacks: brightfield images at many distances from focus, and the reference phase behind them.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::cases::{View, views};
use crate::data::{FocalStack, Plane, is_image, photograph_centre, photographs_of};
use crate::evaluate::{HL60_OPTICS, classical, field_pair};
use crate::inverse::{
    AXIAL_ORDER, DefocusPair, FresnelSetup, NoiseLaw, add_noise, derivative_pair, photograph_phase, stack_pair,
};
use crate::reconstruct::SETUP_TOLERANCE;
use crate::repro::Session;
use crate::{Error, Result};

/// Images of a simulated stack on either side of focus: the paper's are 41 in all.
const EITHER_SIDE: usize = 20;
/// Their noise, stack by stack, in units of the incident intensity: with little, two images are as good as all of them.
const NOISES: [f32; 3] = [0.02, 0.05, 0.1];

/// `optics.toml`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Optics {
    wavelength_um: f64,
    pixel_um: f64,
    spacing_um: f64,
    /// Number of the image in focus, from 0; the middle one if none is given.
    focus: Option<usize>,
}

/// A stack, and what it is compared with.
pub struct Stack {
    /// What it is called.
    pub name: String,
    /// The pair that methods are given.
    pub pair: DefocusPair,
    /// How that was measured.
    pub setup: FresnelSetup,
    /// The paper's truth: US-TIE of the axial derivative that a polynomial fitted to every pixel has in focus.
    pub reference: Plane,
    /// The phase that was simulated, if it was.
    pub phase: Option<Plane>,
}

impl Stack {
    /// The pair at `±d`, the multiple of the spacing whose `a` is nearest to the trained one.
    fn new(
        name: String,
        stack: &FocalStack,
        optics: Optics,
        trained: &FresnelSetup,
        phase: Option<Plane>,
    ) -> Result<Self> {
        let Optics { wavelength_um, pixel_um, spacing_um, .. } = optics;
        let of_one = FresnelSetup::new(wavelength_um, pixel_um, spacing_um)?.parameter_a();
        let steps = (trained.parameter_a() / of_one).round().max(1.0);
        let setup = FresnelSetup::new(wavelength_um, pixel_um, steps * spacing_um)?;
        let off = setup.parameter_a() / trained.parameter_a() - 1.0;
        if off.abs() > SETUP_TOLERANCE {
            return Err(Error::input(format!(
                "the stack {name}: the distances {spacing_um} µm apart that come nearest to λ·d/px² = {:.1}, at which the models are \
                 trained, are ±{:.2} µm with {:.1}; a finer stack or another pixel is needed, so that they differ by {:.0} % at most",
                trained.parameter_a(),
                setup.defocus_um(),
                setup.parameter_a(),
                100.0 * SETUP_TOLERANCE
            )));
        }
        let pair = stack_pair(stack, setup.defocus_um())?;
        let fitted = derivative_pair(stack, AXIAL_ORDER, setup.defocus_um())?;
        // A constant is free: the medium has phase 0, and nothing less.
        let (reference, _) = classical(&fitted, &setup, true)?;
        let low = reference.min_max().0;
        let reference = reference.map(|v| v - low);
        Ok(Self { name, pair, setup, reference, phase })
    }
}

/// The stacks of a reproduction: those that were given, or simulated ones of the measured cell, or of photographs.
///
/// # Errors
/// [`Error::File`] if a stack cannot be read; [`Error::Input`] if its optics do not fit, or if all photographs are too small.
pub fn stacks(session: &Session, trained: &FresnelSetup) -> Result<Vec<Stack>> {
    let (numbers, data) = (&session.numbers, &session.data);
    if let Some(folder) = &data.stacks {
        return read(folder, trained);
    }
    if let Some(file) = &data.field {
        let simulate = |(View { number, phase, amplitude }, noise): (View, f32)| {
            let name = format!("HL60, view {number}, noise {noise}");
            simulated(name, &phase, &amplitude, HL60_OPTICS, trained, noise, number as u64)
        };
        return views(file, numbers.stacks)?.into_iter().zip(NOISES.into_iter().cycle()).map(simulate).collect();
    }
    let photographs = data.photographs()?;
    let files = photographs_of(&photographs.test, photographs.test_split)?;
    of_photographs(&files, trained, numbers.phase.test_size, numbers.stacks)
}

/// Simulated stacks of the first `count` photographs that are large enough.
fn of_photographs(files: &[PathBuf], trained: &FresnelSetup, side: usize, count: usize) -> Result<Vec<Stack>> {
    let gray = files.iter().filter_map(|path| photograph_centre(path, side).transpose());
    let simulate = |(i, gray): (usize, Result<Plane>)| {
        let (phase, noise) = (photograph_phase(&gray?), NOISES[i % NOISES.len()]);
        let name = format!("photograph {}, noise {noise}", i + 1);
        let optics = (trained.wavelength_um(), trained.pixel_um());
        simulated(name, &phase, &phase.map(|_| 1.0), optics, trained, noise, i as u64)
    };
    let all = gray.take(count).enumerate().map(simulate).collect::<Result<Vec<_>>>()?;
    if all.is_empty() {
        return Err(Error::input(format!(
            "of {} photographs none is at least {1} × {1} pixels, twice a simulated stack; give larger ones, or measured stacks in a \
             folder brightfield",
            files.len(),
            2 * side
        )));
    }
    Ok(all)
}

/// `folder/optics.toml`, and beside it a TIFF or a folder of numbered images for each stack.
fn read(folder: &Path, trained: &FresnelSetup) -> Result<Vec<Stack>> {
    let file = folder.join("optics.toml");
    let text = std::fs::read_to_string(&file).map_err(|e| {
        Error::file(
            &file,
            format!("cannot be read ({e}); it holds wavelength_um, pixel_um, spacing_um, and focus if it is not the middle image"),
        )
    })?;
    let optics: Optics = toml::from_str(&text).map_err(|e| Error::file(&file, e.to_string().trim_end().to_string()))?;
    let failed = |e: std::io::Error| Error::file(folder, format!("cannot be listed: {e}"));
    let mut paths = std::fs::read_dir(folder)
        .map_err(failed)?
        .map(|e| Ok(e.map_err(failed)?.path()))
        .collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.is_dir() || is_image(path));
    paths.sort();
    if paths.is_empty() {
        return Err(Error::file(
            folder,
            "holds no stacks; each is a TIFF of many pages or a folder of numbered images",
        ));
    }
    let stack = |path: &std::path::PathBuf| {
        let stack = FocalStack::open(path, optics.spacing_um, optics.focus)?;
        let name = path.file_stem().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        Stack::new(name, &stack, optics, trained, None).map_err(|e| Error::file(path, e.to_string()))
    };
    paths.iter().map(stack).collect()
}

/// A stack as a camera would see it, so spaced that its first pair on either side has the `a` of the training.
fn simulated(
    name: String,
    phase: &Plane,
    amplitude: &Plane,
    (wavelength_um, pixel_um): (f64, f64),
    trained: &FresnelSetup,
    noise: f32,
    seed: u64,
) -> Result<Stack> {
    let spacing_um = trained.parameter_a() * pixel_um * pixel_um / wavelength_um;
    let stack = exposed(phase, amplitude, (wavelength_um, pixel_um), spacing_um, noise, seed)?;
    let optics = Optics { wavelength_um, pixel_um, spacing_um, focus: None };
    Stack::new(name, &stack, optics, trained, Some(phase.clone()))
}

/// The images of a simulated stack, all with noise of the same level and each of its own; the one in focus shows the amplitude alone.
fn exposed(
    phase: &Plane,
    amplitude: &Plane,
    (wavelength_um, pixel_um): (f64, f64),
    spacing_um: f64,
    noise: f32,
    seed: u64,
) -> Result<FocalStack> {
    // The number of the pair at a step, 0 in focus.
    let seed = |step: usize| (seed << 8) + step as u64;
    let focus = amplitude.map(|a| a * a);
    let focus = add_noise(&DefocusPair::new(focus.clone(), focus)?, noise, NoiseLaw::default(), seed(0))?;
    let mut planes = vec![focus.plus().clone()];
    for step in 1..=EITHER_SIDE {
        let setup = FresnelSetup::new(wavelength_um, pixel_um, step as f64 * spacing_um)?;
        let pair = field_pair(phase, amplitude, &setup, noise, seed(step))?;
        planes.insert(0, pair.minus().clone());
        planes.push(pair.plus().clone());
    }
    FocalStack::new(planes, spacing_um, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::write_tiff;
    use crate::metrics::mae_aligned;

    fn trained() -> FresnelSetup {
        FresnelSetup::new(0.521, 0.21, 2.0).unwrap()
    }

    fn bump(side: usize) -> Plane {
        let half = side as f32 / 2.0;
        Plane::from_fn(side, side, |y, x| {
            2.0 * (-((y as f32 - half).powi(2) + (x as f32 - half).powi(2)) / (0.04 * (side * side) as f32)).exp()
        })
    }

    #[test]
    fn the_reference_is_close_to_what_was_simulated() {
        let phase = bump(64);
        let stack = simulated("bump".into(), &phase, &phase.map(|_| 1.0), (0.647, 0.139), &trained(), 0.02, 7).unwrap();
        assert!((stack.setup.parameter_a() / trained().parameter_a() - 1.0).abs() < 1e-9);
        assert_eq!(stack.phase.as_ref(), Some(&phase));
        // A smooth object that falls to nothing at the border; noise in the lowest frequencies is what is left.
        let error = mae_aligned(&stack.reference, &phase, 2.0).unwrap();
        assert!(error < 0.05, "{error} of its height");
    }

    #[test]
    fn every_image_of_a_stack_has_noise_of_its_own() {
        let flat = Plane::from_fn(32, 32, |_, _| 1.0);
        let images = |noise, seed| {
            let stack = exposed(&flat.map(|_| 0.0), &flat, (0.521, 0.21), 2.0, noise, seed).unwrap();
            let [plus, minus] = stack.pair(2.0).unwrap();
            [stack.in_focus(), plus, minus].map(Plane::clone)
        };
        for (a, b) in images(0.0, 3).iter().zip(&images(0.0, 4)) {
            assert!(a == b && a.values().iter().all(|v| (v - 1.0).abs() < 1e-4));
        }
        let noisy = images(0.1, 3);
        for image in &noisy {
            // N(ξ, ξ): brighter by ξ, which is also the deviation.
            let mean = image.mean() - 1.0;
            let deviation = image.map(|v| (v - image.mean()).powi(2)).mean().sqrt();
            assert!((mean - 0.1).abs() < 0.015 && (deviation - 0.1).abs() < 0.015, "{mean}, {deviation}");
        }
        assert!(noisy[0] != noisy[1] && noisy[0] != noisy[2] && noisy[0] != images(0.1, 4)[0]);
        assert_eq!(noisy, images(0.1, 3));
    }

    #[test]
    fn photographs_that_are_all_too_small_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("photograph.tif");
        write_tiff(&file, &[&bump(64)]).unwrap();
        let stacks = |side: usize, files: &[PathBuf]| of_photographs(files, &trained(), side, 3);
        assert_eq!(stacks(32, std::slice::from_ref(&file)).unwrap().len(), 1);
        for (files, count) in [(vec![file], "of 1 "), (Vec::new(), "of 0 ")] {
            let message = stacks(33, &files).err().unwrap().to_string();
            assert!(message.starts_with(count) && message.contains("66 × 66"), "{message}");
        }
    }

    #[test]
    fn stacks_are_read_with_their_optics() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        assert!(read(root, &trained()).err().unwrap().to_string().contains("spacing_um"));
        let optics = |spacing: f64| {
            std::fs::write(
                root.join("optics.toml"),
                format!("wavelength_um = 0.521\npixel_um = 0.21\nspacing_um = {spacing}\n"),
            )
            .unwrap();
        };
        optics(1.0);
        assert!(read(root, &trained()).err().unwrap().to_string().contains("holds no stacks"));
        let planes: Vec<Plane> = (0..21).map(|i| bump(32).map(|v| 1.0 + 0.01 * v * (i as f32 - 10.0))).collect();
        write_tiff(root.join("sample.tif"), &planes.iter().collect::<Vec<_>>()).unwrap();
        let stacks = |of: f64| {
            optics(of);
            read(root, &trained())
        };
        // 21 images cannot hold a polynomial of order 20 and its noise; one more than the order is just enough.
        let [stack] = &stacks(1.0).unwrap()[..] else { panic!("one stack was written") };
        assert_eq!((stack.name.as_str(), stack.setup.defocus_um()), ("sample", 2.0));
        assert_eq!(stack.pair.plus(), &planes[12]);
        assert!(stack.phase.is_none());
        // No multiple comes nearer to 2 µm than what reconstruction takes.
        assert_eq!(stacks(0.98).unwrap()[0].setup.defocus_um(), 1.96);
        for spacing in [0.95, 0.9 * 4.0] {
            let message = stacks(spacing).err().unwrap().to_string();
            assert!(message.contains("sample.tif") && message.contains("finer stack"), "{message}");
        }
    }
}
