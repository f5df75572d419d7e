//! The paper's numbers (arXiv 2312.02246v4, tables 2(a) and 3).

use super::methods::{CDDPM, Method};

/// Table 2(a), and CVDM-simple from table 3: a metric of a method on synthetic HCOCO.
pub fn qpi(method: Method, metric: &str) -> Option<f64> {
    let (ms_ssim, mae) = match method {
        Method::UsTie => (0.907, 0.110),
        CDDPM => (0.881, 0.134),
        Method::CvdmSimple => (0.915, 0.094),
        Method::Cvdm => (0.943, 0.073),
        Method::Cddpm(_) | Method::Regression | Method::CvdmWithoutGamma | Method::CvdmTied => return None,
    };
    match metric {
        "MS-SSIM" => Some(ms_ssim),
        "MAE" => Some(mae),
        _ => None,
    }
}
