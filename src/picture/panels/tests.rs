use super::*;

/// The pixel that shows the value at row `y`, column `x` of the only panel of `montage`, enlarged by `factor`.
fn pixel_of(montage: &Montage<'_>, y: usize, x: usize, factor: usize) -> [u8; 3] {
    let place = Layout::of(montage).place(0, 0);
    let image = montage.render().unwrap();
    let (column, row) = (place.column + x * factor + factor / 2, place.top + y * factor + factor / 2);
    image.get_pixel(column as u32, row as u32).0
}

fn single<'a>(panel: Panel<'a>) -> Montage<'a> {
    Montage::new().row("", [panel])
}

#[test]
fn values_have_their_colours_and_extremes_clamp() {
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let plane = Plane::new(2, 4, vec![0.0, 1.0, 2.0, 4.0, -9.0, 9.0, nan, -inf]).unwrap();
    for map in [Colormap::Gray, Colormap::Viridis, Colormap::Magma, Colormap::Diverging] {
        let montage = single(Panel::new("p", &plane).range(0.0, 4.0).map(map));
        let expected = [[0.0, 0.25, 0.5, 1.0], [0.0, 1.0, nan, 0.0]];
        for (y, x) in (0..2).flat_map(|y| (0..4).map(move |x| (y, x))) {
            assert_eq!(pixel_of(&montage, y, x, 64), map.rgb(expected[y][x]), "{map:?} at {y}, {x}");
        }
        assert_eq!(pixel_of(&montage, 1, 2, 64), Colormap::MISSING);
    }
}

#[test]
fn every_value_is_a_square_inside_its_frame() {
    let plane = Plane::from_fn(3, 5, |y, x| (y * 5 + x) as f32);
    let montage = single(Panel::new("", &plane).without_bar()).panel_size(20);
    let image = montage.render().unwrap();
    assert_eq!(image.dimensions(), ((20 + 2 * EDGE) as u32, (12 + 2 * EDGE) as u32));
    for (x, y, pixel) in image.enumerate_pixels() {
        let (x, y) = ((x as usize).wrapping_sub(EDGE), (y as usize).wrapping_sub(EDGE));
        let expected = if x < 20 && y < 12 {
            Colormap::Gray.rgb(plane.at(y / 4, x / 4) / 14.0)
        } else if (x < 21 || x == usize::MAX) && (y < 13 || y == usize::MAX) {
            FRAME.rgb
        } else {
            [255; 3]
        };
        assert_eq!(pixel.0, expected, "at {x}, {y}");
    }
}

#[test]
fn zoom_is_whole_and_large_planes_shrink_to_means() {
    let zooms = [(64, 64), (100, 60), (256, 1), (512, 512), (513, 2), (2048, 1024)]
        .map(|(height, width)| zoom(&Plane::from_fn(height, width, |_, _| 0.0), 256));
    use Zoom::{Enlarge, Reduce};
    assert_eq!(zooms, [Enlarge(4), Enlarge(2), Enlarge(1), Enlarge(1), Reduce(2), Reduce(4)]);

    let plane = Plane::new(3, 3, vec![0.0, 2.0, 8.0, 4.0, 6.0, f32::NAN, 1.0, 3.0, 5.0]).unwrap();
    assert_eq!(drawn_size(&plane, 1), (2, 2));
    let mean = |y, x| shown(&plane, Reduce(2), y, x);
    assert_eq!((mean(0, 0), mean(1, 0), mean(1, 1)), (3.0, 2.0, 5.0));
    assert!(mean(0, 1).is_nan(), "a missing value stays visible");
}

#[test]
fn ranges_default_to_what_is_there() {
    let ends = |values: &[f32], map| {
        let plane = Plane::new(1, values.len(), values.to_vec()).unwrap();
        Panel::new("p", &plane).map(map).ends().unwrap()
    };
    assert_eq!(ends(&[2.0, f32::NAN, 5.0, f32::INFINITY], Colormap::Gray), (2.0, 5.0));
    assert_eq!(ends(&[-1.0, 3.0], Colormap::Diverging), (-3.0, 3.0));
    assert_eq!(ends(&[0.0, 0.0], Colormap::Gray), (-0.5, 0.5));
    assert_eq!(ends(&[f32::NAN], Colormap::Gray), (0.0, 1.0));
    let (low, high) = ends(&[10.0, 10.0], Colormap::Viridis);
    assert!((low - 9.0).abs() < 1e-5 && (high - 11.0).abs() < 1e-5, "{low} {high}");
}

#[test]
fn impossible_montages_are_errors() {
    let plane = Plane::from_fn(4, 4, |y, _| y as f32);
    let ranges = [(1.0, 1.0), (2.0, 1.0), (f32::NAN, 1.0), (0.0, f32::INFINITY)];
    for (low, high) in ranges {
        let error = single(Panel::new("phase", &plane).range(low, high)).render().unwrap_err();
        assert!(matches!(&error, Error::Input(m) if m.contains("phase")), "{low} {high}: {error}");
    }
    assert!(Montage::new().render().is_err());
    assert!(Montage::new().row("empty", []).render().is_err());
    assert!(single(Panel::new("p", &plane)).panel_size(0).render().is_err());
    let many = Montage::new().row("", vec![Panel::new("p", &plane); 100]);
    assert!(matches!(many.render(), Err(Error::Input(m)) if m.contains("pixels")));
}

#[test]
fn rows_may_differ_and_nothing_overlaps() {
    let (small, large) = (Plane::from_fn(16, 16, |y, _| y as f32), Plane::from_fn(24, 48, |_, x| x as f32));
    let montage = Montage::new()
        .title("Everything")
        .panel_size(50)
        .row("one", [Panel::new("a", &small), Panel::new("b", &large), Panel::new("c", &small)])
        .row("", [Panel::new("", &large).without_bar()]);
    let layout = Layout::of(&montage);
    assert_eq!(layout.column_widths, [48, 48, 48]);
    assert_eq!(layout.row_heights, [48, 24]);
    assert_eq!(layout.lefts, [EDGE + ROW_LABEL_WIDTH, EDGE + ROW_LABEL_WIDTH + 68, EDGE + ROW_LABEL_WIDTH + 136]);
    assert_eq!(layout.tops[1] - layout.tops[0], 48 + BAR_GAP + BAR_HEIGHT + BAR_LABELS + GAP);
    let image = montage.render().unwrap();
    assert_eq!(image.dimensions(), (layout.width as u32, layout.height as u32));
    // The edge all around stays white whatever is drawn.
    let (width, height) = image.dimensions();
    let white_edge = image
        .enumerate_pixels()
        .all(|(x, y, p)| (4..width - 4).contains(&x) && (4..height - 4).contains(&y) || p.0 == [255; 3]);
    assert!(white_edge);
}

#[test]
fn the_bar_runs_from_end_to_end() {
    let plane = Plane::from_fn(8, 8, |y, x| (y * x) as f32);
    let montage = single(Panel::new("p", &plane).map(Colormap::Magma)).panel_size(64);
    let place = Layout::of(&montage).place(0, 0);
    let image = montage.render().unwrap();
    let row = (place.top + 64 + BAR_GAP + BAR_HEIGHT / 2) as u32;
    for x in [0, 31, 63] {
        let color = image.get_pixel((place.column + x) as u32, row).0;
        assert_eq!(color, Colormap::Magma.rgb(x as f32 / 63.0), "bar at {x}");
    }
}

#[test]
fn labels_say_where_values_lie_beyond() {
    let plane = Plane::new(1, 2, vec![0.0, 2.0]).unwrap();
    let ink = |high: f32| {
        let image = single(Panel::new("", &plane).range(0.0, high)).render().unwrap();
        let labels = image.height() - (EDGE + BAR_LABELS) as u32;
        let right = image.enumerate_pixels().filter(|&(x, y, p)| y > labels && x > image.width() / 2 && p.0[0] < 200);
        right.count()
    };
    assert!(ink(1.0) > ink(2.0), "“≥ 1” needs more ink than “2”");
}

#[test]
fn files_hold_what_was_rendered() {
    let plane = Plane::from_fn(8, 8, |y, x| (y * x) as f32);
    let montage = single(Panel::new("p", &plane).unit("rad"));
    let path = std::env::temp_dir().join(format!("cvdm-montage-{}.png", std::process::id()));
    montage.write_png(&path).unwrap();
    assert_eq!(image::open(&path).unwrap().to_rgb8(), montage.render().unwrap());
    std::fs::remove_file(path).unwrap();
}
