//! The paper's data sets in their own formats, as small folders of the same layout.

#[path = "harness/files.rs"]
mod files;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cvdm::data::*;
use files::{write_mrc, write_picture};

fn write_text(path: &Path, text: &str) {
    write_atomically(path, |file| file.write_all(text.as_bytes())).unwrap();
}

fn disjoint<T: Ord + std::fmt::Debug>(sides: &[BTreeSet<T>]) {
    for (i, side) in sides.iter().enumerate() {
        assert!(!side.is_empty(), "side {i} is empty");
        assert!(sides[..i].iter().all(|other| side.is_disjoint(other)), "side {i} shares files with another");
    }
}

#[test]
fn files_of_the_reference_implementation_are_read() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels-tests/fixtures/mrc");
    let cases = [
        ("i8", MrcMode::I8, -60.0),
        ("i16", MrcMode::I16, -60.0),
        ("i16-big-endian", MrcMode::I16, -60.0),
        ("f32", MrcMode::F32, -59.5),
        ("f32-extended", MrcMode::F32, -59.5),
        ("f16", MrcMode::F16, -59.5),
        ("u16", MrcMode::U16, 0.0),
        ("u16-priism", MrcMode::U16, 0.0),
    ];
    for (name, mode, first) in cases {
        let mut file = MrcFile::open(fixtures.join(format!("{name}.mrc"))).unwrap();
        assert_eq!((file.sections(), file.height(), file.width(), file.mode()), (2, 4, 5, mode), "{name}");
        let voxel = file.voxel_um();
        assert!(voxel[..2].iter().all(|v| (v.unwrap() - 0.0626).abs() < 1e-7), "{name}: {voxel:?}");
        for z in 0..2 {
            let expected = Plane::from_fn(4, 5, |y, x| first + (100 * z + 10 * y + x) as f32);
            assert_eq!(file.section(z).unwrap(), expected, "{name}");
        }
    }
    assert_eq!(std::fs::read_dir(&fixtures).unwrap().count(), cases.len(), "a fixture without a case");
}

/// Cells of a structure in its own layout, frames of 8 × 6 pixels, three levels.
fn write_biosr(root: &Path, structure: Structure, cells: &[u32]) {
    let factor = if structure == Structure::FActinNonlinear { 3 } else { 2 };
    for cell in cells {
        let cell = root.join(structure.folder()).join(format!("Cell_{cell:03}"));
        // Frames whose mean over the three is 10 y + x.
        let frames = |z: usize, y: usize, x: usize| (10 * y + x + 7 * z) as u16 + 1 - 7 * (z == 2) as u16;
        let truth = |_: usize, y: usize, x: usize| (10 * (y / factor) + x / factor) as u16;
        let fine = [1, 8 * factor, 6 * factor];
        for level in 1..=3 {
            let raw = format!("RawSIMData_level_{level:02}.mrc");
            if structure == Structure::Er {
                write_mrc(&cell.join("RawSIMData").join(raw), [3, 8, 6], frames);
                write_mrc(&cell.join(format!("GTSIM/GTSIM_level_{level:02}.mrc")), fine, truth);
                write_mrc(&cell.join(format!("RawGTSIMData/RawGTSIMData_level_{level:02}.mrc")), [3, 8, 6], frames);
            } else {
                write_mrc(&cell.join(raw), [3, 8, 6], frames);
            }
        }
        match structure {
            Structure::Er => {}
            Structure::FActinNonlinear => {
                write_mrc(&cell.join("SIM_gt_a.mrc"), fine, truth);
                write_mrc(&cell.join("SIM_gt_b.mrc"), fine, |_, _, _| 1);
            }
            _ => {
                write_mrc(&cell.join("SIM_gt.mrc"), fine, truth);
                write_mrc(&cell.join("RawSIMData_gt.mrc"), [3, 8, 6], frames);
            }
        }
    }
}

#[test]
fn biosr_is_found_read_and_split_by_cell() {
    let root = tempfile::tempdir().unwrap();
    let all = [&Structure::PAPER[..], &[Structure::FActinNonlinear]].concat();
    for &structure in &all {
        write_biosr(root.path(), structure, &[1, 15, 16, 45, 46, 50, 51]);
        let list = |split| list_biosr(root.path(), structure, split).unwrap();
        let [train, validation, test] = [CellSplit::Train, CellSplit::Validation, CellSplit::Test].map(list);
        let cells = |side: &[Acquisition]| side.iter().map(|a| (a.cell, a.level)).collect::<Vec<_>>();
        let levels = |cells: &[u32]| cells.iter().flat_map(|&c| [1, 2, 3].map(|l| (c, l))).collect::<Vec<_>>();
        assert_eq!(cells(&test), levels(&[1, 15]));
        assert_eq!(cells(&validation), levels(&[46, 50]));
        assert_eq!(cells(&train), levels(&[16, 45, 51]));
        let files = |side: &[Acquisition]| {
            side.iter().flat_map(|a| [a.frames.clone(), a.truth.clone()]).collect::<BTreeSet<PathBuf>>()
        };
        disjoint(&[files(&train), files(&validation), files(&test)]);
        assert!(files(&train).iter().all(|p| !p.to_string_lossy().contains("RawGT") && !p.ends_with("SIM_gt_b.mrc")));

        let pair = train[4].read().unwrap();
        let factor = if structure == Structure::FActinNonlinear { 3 } else { 2 };
        assert_eq!(pair.factor(), factor);
        // Both span 0 to 75 before they are scaled.
        for (y, x) in [(0, 0), (3, 5), (7, 5)] {
            let expected = (10 * y + x) as f32 / 75.0;
            assert!((pair.low()[0].at(y, x) - expected).abs() < 1e-6);
            assert!((pair.high()[0].at(y * factor, x * factor) - expected).abs() < 1e-6);
        }
        let own = root.path().join(structure.folder());
        assert_eq!(list_biosr(&own, structure, CellSplit::Test).unwrap(), test, "the structure's own folder");
        let twice = tempfile::tempdir().unwrap();
        write_biosr(&twice.path().join(structure.folder().to_lowercase()), structure, &[1]);
        assert_eq!(list_biosr(twice.path(), structure, CellSplit::Test).unwrap().len(), 3, "a folder in itself");
    }
    assert_eq!(Structure::FActin.folder(), "F-actin");
}

#[test]
fn what_is_missing_of_biosr_is_named() {
    let root = tempfile::tempdir().unwrap();
    let list = |structure, split| list_biosr(root.path(), structure, split);
    let problem = |structure| list(structure, CellSplit::Test).unwrap_err().to_string();
    let none = problem(Structure::Ccps);
    assert!(none.contains("no folder CCPs") && none.contains("10.6084/m9.figshare.13264793"), "{none}");
    assert!(list_biosr(&root.path().join("none"), Structure::Er, CellSplit::Test).is_err());

    write_biosr(root.path(), Structure::Ccps, &[20]);
    assert!(problem(Structure::Ccps).contains("no cell of the Test split"));
    let cell = root.path().join("ER/Cell_001");
    std::fs::create_dir_all(&cell).unwrap();
    assert!(problem(Structure::Er).contains("no RawSIMData_level_01.mrc"));
    write_mrc(&cell.join("RawSIMData/RawSIMData_level_04.mrc"), [9, 4, 4], |_, _, _| 0);
    let missing = problem(Structure::Er);
    assert!(missing.contains("level 4") && missing.contains("GTSIM/GTSIM_level_01.mrc"), "{missing}");

    // Of a size that is no multiple, and a stack.
    let truth = cell.join("GTSIM/GTSIM_level_04.mrc");
    for (sizes, expected) in [([1, 9, 8], "multiple"), ([2, 8, 8], "2 sections")] {
        write_mrc(&truth, sizes, |_, _, _| 0);
        let error = list(Structure::Er, CellSplit::Test).unwrap()[0].read().unwrap_err().to_string();
        assert!(error.contains("GTSIM_level_04.mrc") && error.contains(expected), "{error}");
    }
}

#[test]
fn hcoco_follows_its_lists_and_keeps_photographs_on_one_side() {
    let collection = tempfile::tempdir().unwrap();
    let root = collection.path().join("HCOCO");
    for i in 1..=40 {
        write_picture(&root.join(format!("real_images/c{i}.jpg")), 30, 40);
        write_picture(&root.join(format!("composite_images/c{i}_9_1.jpg")), 30, 40);
    }
    let list = |at: &Path, split| list_hcoco(at, split);
    let names = |files: Vec<PathBuf>| files.into_iter().collect::<BTreeSet<_>>();
    let sides = |at: &Path| [Split::Train, Split::HeldOut].map(|split| names(list(at, split).unwrap()));
    // Without lists: by hash, of the real photographs alone.
    disjoint(&sides(&root));
    assert_eq!(list(&root, Split::All).unwrap().len(), 40);

    write_text(&root.join("HCOCO_train.txt"), "c1_9_1.jpg\nc1_9_2.jpg\nc2_9_1.jpg\nc3_9_1.jpg\n\n");
    assert!(list(&root, Split::Train).unwrap_err().to_string().contains("stands alone"));
    // A composite of photograph 3 is in the other list too.
    write_text(&root.join("HCOCO_test.txt"), "c3_9_2.jpg\r\nc4_9_1.jpg\r\n");
    let [train, test] = sides(&root);
    let real = |numbers: &[u32]| names(numbers.iter().map(|i| root.join(format!("real_images/c{i}.jpg"))).collect());
    assert_eq!(train, real(&[1, 2]));
    assert_eq!(test, real(&[3, 4]));
    disjoint(&[train, test]);
    assert_eq!(sides(collection.path()), sides(&root), "the collection's folder");

    std::fs::remove_file(root.join("HCOCO_train.txt")).unwrap();
    std::fs::remove_file(root.join("HCOCO_test.txt")).unwrap();
    let whole = "HCOCO/composite_images/c5_9_1.jpg\nHAdobe5k/composite_images/a1_1_1.jpg\n";
    write_text(&collection.path().join("IHD_train.txt"), whole);
    write_text(&collection.path().join("IHD_test.txt"), "HCOCO/composite_images/c6_9_1.jpg\n");
    assert_eq!(sides(&root), [real(&[5]), real(&[6])]);
    write_text(&collection.path().join("IHD_test.txt"), "HCOCO/composite_images/c777_9_1.jpg\n");
    assert!(list(&root, Split::HeldOut).unwrap_err().to_string().contains("c777"));
    let message = list(&root.join("real_images"), Split::All).unwrap_err().to_string();
    assert!(message.contains("no folder real_images") && message.contains("iHarmony4"), "{message}");
}

#[test]
fn imagenet_follows_its_folders() {
    let root = tempfile::tempdir().unwrap();
    let message = list_imagenet(root.path(), Split::Train).unwrap_err().to_string();
    assert!(message.contains("n01440764") && message.contains("image-net.org"), "{message}");
    for base in ["", "ILSVRC/Data/CLS-LOC"] {
        let base = root.path().join(base);
        for i in 0..3 {
            // Saved under the set's own extension.
            let write = |name: String| {
                write_picture(&base.join("a.jpg"), 20, 20);
                std::fs::create_dir_all(base.join(&name).parent().unwrap()).unwrap();
                std::fs::rename(base.join("a.jpg"), base.join(name)).unwrap();
            };
            write(format!("train/n0144076{i}/n0144076{i}_{i}.JPEG"));
            write(format!("val/ILSVRC2012_val_0000000{i}.JPEG"));
        }
        let list = |split| list_imagenet(root.path(), split).unwrap().into_iter().collect::<BTreeSet<_>>();
        let (train, held) = (list(Split::Train), list(Split::HeldOut));
        assert_eq!((train.len(), held.len(), list(Split::All).len()), (3, 3, 6));
        assert!(train.iter().all(|p| p.starts_with(base.join("train"))));
        disjoint(&[train, held]);
    }
}

#[test]
fn photographs_become_centres_and_pairs_for_super_resolution() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    write_picture(&path, 90, 120);
    let pair = read_super_resolution(&path, 64, 4).unwrap();
    assert_eq!((pair.factor(), pair.low().len(), pair.low()[0].height(), pair.high()[0].width()), (4, 3, 16, 64));
    // The middle: rows 13 on, columns 28 on.
    assert_eq!(pair.high()[0].at(0, 0), 84.0 / 255.0);
    assert_eq!(pair.high()[1].at(0, 0), 65.0 / 255.0);
    // A ramp stays a ramp: each coarse pixel lies in the middle of four fine ones (the ramp starts again beyond 255 / 5).
    let (low, high) = (&pair.low()[0], &pair.high()[0]);
    assert!((low.at(7, 6) - (high.at(28, 25) + high.at(28, 26)) / 2.0).abs() < 1e-5);
    assert_eq!(read_gray_centre(&path, 64).unwrap().height(), 64);
    // Too small a photograph is enlarged.
    let large = read_super_resolution(&path, 256, 4).unwrap();
    assert_eq!((large.low()[2].width(), large.high()[2].height()), (64, 256));
    assert!(read_super_resolution(&path, 63, 4).is_err());
    // Beyond [0, 1] it would be cut on the way, and beyond that a pair is none.
    let floats = folder.path().join("floats.tif");
    write_tiff(&floats, &[&Plane::from_fn(40, 60, |y, x| (y + x) as f32)]).unwrap();
    for side in [64, 32] {
        let refused = read_super_resolution(&floats, side, 4).unwrap_err().to_string();
        assert!(refused.contains("floats.tif") && refused.contains("scale all to [0, 1]"), "{side}: {refused}");
    }
    assert!(read_gray_centre(&floats, 64).is_err() && read_gray_centre(&floats, 32).is_ok());
    // Gray becomes three equal channels.
    let gray = folder.path().join("gray.png");
    write_png16(&gray, &Plane::from_fn(20, 20, |y, _| y as f32 / 19.0), 0.0, 1.0).unwrap();
    let pair = read_super_resolution(&gray, 16, 4).unwrap();
    assert_eq!(pair.high()[0], pair.high()[2]);
}
