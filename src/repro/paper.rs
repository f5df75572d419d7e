//! The paper's numbers (arXiv 2312.02246v4).

use super::image::model::Model;
use super::phase::methods::{CDDPM, PhaseMethod};
use crate::data::Structure;

/// Table 2(a), and CVDM-simple from table 3: a metric of a method on synthetic HCOCO.
pub fn qpi(method: PhaseMethod, metric: &str) -> Option<f64> {
    let (ms_ssim, mae) = match method {
        PhaseMethod::UsTie => (0.907, 0.110),
        CDDPM => (0.881, 0.134),
        PhaseMethod::CvdmSimple => (0.915, 0.094),
        PhaseMethod::Cvdm => (0.943, 0.073),
        PhaseMethod::Cddpm(_) | PhaseMethod::Regression | PhaseMethod::CvdmWithoutGamma | PhaseMethod::CvdmTied => {
            return None;
        }
    };
    match metric {
        "MS-SSIM" => Some(ms_ssim),
        "MAE" => Some(mae),
        _ => None,
    }
}

/// Table 2(b): MS-SSIM of its three brightfield samples.
pub fn brightfield(method: PhaseMethod) -> Option<[f64; 3]> {
    match method {
        PhaseMethod::UsTie => Some([0.740, 0.625, 0.783]),
        CDDPM => Some([0.863, 0.653, 0.823]),
        PhaseMethod::Cvdm => Some([0.892, 0.742, 0.851]),
        _ => None,
    }
}

/// Table 1: a metric of a method on a structure of BioSR.
pub fn biosr(structure: Structure, model: Model, metric: &str) -> Option<f64> {
    let numbers: [f64; 3] = match (structure, model) {
        (Structure::Ccps, Model::Cvdm) => [0.955, 0.007, 96.0],
        (Structure::Ccps, Model::Cddpm) => [0.952, 0.007, 100.0],
        (Structure::Ccps, Model::Dfcan) => [0.957, 0.006, 107.0],
        (Structure::Er, Model::Cvdm) => [0.934, 0.032, 152.0],
        (Structure::Er, Model::Cddpm) => [0.920, 0.033, 157.0],
        (Structure::Er, Model::Dfcan) => [0.928, 0.033, 165.0],
        (Structure::Microtubules, Model::Cvdm) => [0.887, 0.040, 97.0],
        (Structure::Microtubules, Model::Cddpm) => [0.857, 0.042, 101.0],
        (Structure::Microtubules, Model::Dfcan) => [0.901, 0.033, 127.0],
        (Structure::FActin, Model::Cvdm) => [0.863, 0.043, 98.0],
        (Structure::FActin, Model::Cddpm) => [0.831, 0.049, 104.0],
        (Structure::FActin, Model::Dfcan) => [0.853, 0.049, 151.0],
        _ => return None,
    };
    ["MS-SSIM", "MAE", "resolved distance"].iter().position(|name| *name == metric).map(|i| numbers[i])
}

/// Table 4: super-resolution of ImageNet by 4. SR3's numbers are those of its publication.
pub fn sr(model: Model, metric: &str) -> Option<f64> {
    let (psnr, ssim) = match model {
        Model::Cvdm => (26.38, 0.76),
        Model::Cddpm => (26.40, 0.76),
        _ => return None,
    };
    match metric {
        "PSNR" => Some(psnr),
        "SSIM" => Some(ssim),
        _ => None,
    }
}
