//! The roofline plot: what each kernel reaches over its operations a byte, under what the adapter can do at best.

use std::collections::BTreeMap;

use cvdm::Result;
use cvdm::picture::{LineChart, Series};
use serde_json::Value;

use super::peaks::Peaks;

/// A kernel's family: what shares a colour. Nine would be more than an eye tells apart.
fn family(shader: &str) -> &'static str {
    match shader.split('.').next().unwrap_or(shader) {
        "conv2d_3x3" => "convolution 3×3",
        "conv2d_3x3_grad_weight" => "its weight gradient",
        name if name.starts_with("conv2d") => "other convolutions",
        name if name.starts_with("conv_transpose2d") => "transposed convolutions",
        name if name.starts_with("instance_norm") => "instance norm",
        _ => "element-wise and the rest",
    }
}

/// Draws the JSON lines of kind "kernel" into `path`.
pub fn write(path: &str, lines: &[Value], peaks: Peaks, title: &str) -> Result<()> {
    let mut families: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    // Where the dispatch decides there is nothing to see.
    for line in lines.iter().filter(|line| line["kind"] == "kernel" && line["limit"] != "dispatch") {
        let number = |key: &str| line[key].as_f64().unwrap_or(0.0);
        // On a shared machine each kernel counts against the limits that were measured beside it.
        let (flops, bytes) = (number("flops"), number("bytes"));
        let gflops = number("gflops") * peaks.gflops / number("peak_gflops").max(f64::MIN_POSITIVE);
        if flops > 0.0 && bytes > 0.0 {
            families.entry(family(line["shader"].as_str().unwrap_or(""))).or_default().push((flops / bytes, gflops));
        }
    }
    let intensities = || families.values().flatten().map(|p| p.0);
    let (low, high) = (intensities().fold(0.1, f64::min), intensities().fold(100.0, f64::max));
    // The corner: where the copy's bytes a second feed all the multiply-adds.
    let corner = peaks.gflops / peaks.gbytes;
    let roof = [low, corner.clamp(low, high), high].map(|x| (x, peaks.gflops.min(x * peaks.gbytes)));
    let chart = LineChart::new(title).x_label("operations a byte").y_label("GFLOP/s").log_x().log_y();
    let chart = chart.series(Series::new("what the adapter can do", roof).dashed());
    let marks = families.into_iter().map(|(name, points)| Series::new(name, points).marked());
    marks.fold(chart, LineChart::series).write_png(path)
}
