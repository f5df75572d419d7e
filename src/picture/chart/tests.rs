use super::*;

const BLUE: [u8; 3] = [78, 121, 167];
const ORANGE: [u8; 3] = [242, 142, 44];

/// The colour in the middle of the place where (`x`, `y`) is drawn.
fn color_at(chart: &LineChart, x: f64, y: f64) -> [u8; 3] {
    let plot = chart.plot(&Fonts::load().unwrap());
    let (column, line) = (plot.column(x).unwrap(), plot.line(y).unwrap());
    chart.render().unwrap().get_pixel(column.floor() as u32, line.floor() as u32).0
}

fn near(a: [u8; 3], b: [u8; 3]) -> bool {
    a.iter().zip(b).all(|(&a, b)| a.abs_diff(b) <= 12)
}

fn ramp(name: &str, slope: f64) -> Series {
    Series::new(name, (0..=10).map(|i| (f64::from(i), slope * f64::from(i))))
}

#[test]
fn lines_run_through_their_points_in_their_colours() {
    let chart = LineChart::new("t").series(ramp("up", 1.0)).series(ramp("down", -1.0));
    for x in [3.0, 5.5, 8.0] {
        assert!(near(color_at(&chart, x, x), BLUE), "up at {x}: {:?}", color_at(&chart, x, x));
        assert!(near(color_at(&chart, x, -x), ORANGE), "down at {x}: {:?}", color_at(&chart, x, -x));
    }
    assert!(!near(color_at(&chart, 5.5, 2.3), BLUE) && !near(color_at(&chart, 5.5, 2.3), ORANGE));
}

#[test]
fn log_axes_place_powers_evenly() {
    let powers = Series::new("p", (0..=4).map(|i| (f64::from(i), 10f64.powi(-i))));
    let chart = LineChart::new("t").log_y().series(powers);
    let plot = chart.plot(&Fonts::load().unwrap());
    let lines: Vec<f32> = (0..=4).map(|i| plot.line(10f64.powi(-i)).unwrap()).collect();
    for pair in lines.windows(2) {
        assert!((pair[1] - pair[0] - (lines[4] - lines[0]) / 4.0).abs() < 0.01, "{lines:?}");
    }
    assert!(near(color_at(&chart, 2.5, 10f64.powf(-2.5)), BLUE), "straight in between");
}

#[test]
fn bands_are_pale_and_gaps_are_left() {
    let series = ramp("γ", 1.0).band((0..=10).map(|i| (f64::from(i), f64::from(i) - 3.0, f64::from(i) + 3.0)));
    let chart = LineChart::new("t").series(series);
    let pale = BLUE.map(|c| (255.0 - 0.2 * (255.0 - f32::from(c))) as u8);
    assert!(near(color_at(&chart, 5.5, 7.3), pale), "{:?}", color_at(&chart, 5.5, 7.3));
    assert_eq!(color_at(&chart, 5.5, 9.7), [255; 3]);

    let gap = Series::new("g", [(0.0, 1.0), (1.0, 1.0), (2.0, f64::NAN), (3.0, 1.0), (4.0, 1.0)]);
    let chart = LineChart::new("t").y_range(0.0, 1.9).series(gap);
    assert!(near(color_at(&chart, 0.55, 1.0), BLUE) && near(color_at(&chart, 3.45, 1.0), BLUE));
    assert!(!near(color_at(&chart, 1.55, 1.0), BLUE) && !near(color_at(&chart, 2.45, 1.0), BLUE));
}

#[test]
fn smoothing_shows_both_lines() {
    let noisy = Series::new("L", (0..200).map(|i| (f64::from(i), if i % 2 == 0 { 0.0 } else { 2.0 }))).smoothed(0.98);
    let chart = LineChart::new("t").series(noisy);
    // At a peak of the raw line, where only it passes, and on the average.
    let raw = color_at(&chart, 151.0, 1.99);
    assert!(raw[0] < 250 && raw[0] > BLUE[0] + 40 && raw[2] > raw[0], "the raw line is faint: {raw:?}");
    assert!(near(color_at(&chart, 150.5, 1.0), BLUE), "the average is not: {:?}", color_at(&chart, 150.5, 1.0));
}

#[test]
fn a_range_cuts_lines_at_the_frame() {
    let chart =
        LineChart::new("t").y_range(-1.0, 1.0).series(Series::new("s", [(0.0, -1e30), (0.5, 0.0), (1.0, 1e30)]));
    let [x, y, width, height] = chart.plot(&Fonts::load().unwrap()).frame;
    let image = chart.render().unwrap();
    let outside = image.enumerate_pixels().filter(|(px, py, p)| {
        let (px, py) = (*px as f32, *py as f32);
        // Below the legend, which shows the colour too.
        near(p.0, BLUE) && py > y - 3.0 && !(px >= x && px < x + width && py >= y && py < y + height)
    });
    assert_eq!(outside.count(), 0);
    assert!(near(color_at(&chart, 0.5, 0.0), BLUE));
}

#[test]
fn single_points_are_dots() {
    let chart = LineChart::new("t").series(Series::new("s", [(3.0, 4.0)]));
    assert!(near(color_at(&chart, 3.0, 4.0), BLUE));
}

#[test]
fn sizes_are_as_asked() {
    let chart = |width, height| LineChart::new("t").size(width, height).series(ramp("s", 1.0)).render();
    assert_eq!(chart(640, 400).unwrap().dimensions(), (640, 400));
    assert_eq!(chart(SMALLEST.0, SMALLEST.1).unwrap().dimensions(), (240, 180));
    assert!(chart(239, 400).is_err() && chart(640, 0).is_err() && chart(1_000_000, 400).is_err());
}

#[test]
fn charts_with_nothing_to_draw_are_errors() {
    let fails = |chart: LineChart, word: &str| {
        let message = chart.render().unwrap_err().to_string();
        assert!(message.contains(word), "{message}");
    };
    fails(LineChart::new("bare"), "bare");
    fails(LineChart::new("t").series(ramp("fine", 1.0)).series(Series::new("hollow", [])), "hollow");
    fails(LineChart::new("t").series(Series::new("unknown", [(0.0, f64::NAN)])), "unknown");
    fails(LineChart::new("t").log_y().series(Series::new("negative", [(0.0, -1.0)])), "above zero");
    fails(LineChart::new("t").y_range(1.0, 0.0).series(ramp("s", 1.0)), "y range");
    fails(LineChart::new("t").log_y().y_range(0.0, 1.0).series(ramp("s", 1.0)), "y range");
    fails(LineChart::new("t").series(ramp("s", 1.0).smoothed(1.0)), "smoothing");
}

#[test]
fn thinning_keeps_the_extremes_of_every_column() {
    let points: Vec<(f32, f32)> = (0..10_000).map(|i| (i as f32 / 1000.0, ((i * 7919) % 1013) as f32)).collect();
    let thin = thin_out(&points);
    assert!(thin.len() <= 40, "{}", thin.len());
    for column in points.chunk_by(|a, b| a.0.floor() == b.0.floor()) {
        let extreme = |f: fn(f32, f32) -> f32| column.iter().map(|p| p.1).reduce(f).unwrap();
        let kept: Vec<f32> = thin.iter().filter(|p| p.0.floor() == column[0].0.floor()).map(|p| p.1).collect();
        assert!(kept.contains(&extreme(f32::min)) && kept.contains(&extreme(f32::max)));
        assert!(kept.first() == column.first().map(|p| &p.1) && kept.last() == column.last().map(|p| &p.1));
    }
}

#[test]
fn legends_wrap_within_the_page() {
    let chart =
        (0..8).fold(LineChart::new("t").size(500, 400), |c, i| c.series(ramp(&format!("a long name {i}"), 1.0)));
    let fonts = Fonts::load().unwrap();
    let rows = chart.legend_rows(&fonts);
    assert!(rows.len() > 1 && rows.iter().map(Vec::len).sum::<usize>() == 8);
    assert!(rows.iter().flatten().all(|&(_, x)| (EDGE..500.0 - EDGE - SAMPLE).contains(&x)));
}

#[test]
fn files_hold_what_was_rendered() {
    let chart = LineChart::new("t").x_label("step").y_label("loss").series(ramp("s", 1.0));
    let path = std::env::temp_dir().join(format!("cvdm-chart-{}.png", std::process::id()));
    chart.write_png(&path).unwrap();
    assert_eq!(image::open(&path).unwrap().to_rgb8(), chart.render().unwrap());
    std::fs::remove_file(path).unwrap();
}
