//! What other networks than the U-Net need, by values that can be had by hand; the kernels' own tests have the references.

use cvdm::data::Plane;
use cvdm::kernels::conv2d::Conv2d;
use cvdm::metrics;
use cvdm::tensor::Shape;

use super::harness::{random, wide};
use super::{array, check, dimensions, image, op, reference, rounding};

#[test]
fn activations_without_a_choice() {
    let (x, g) = (array(&[3], &[-1.0, 0.0, 2.0]), array(&[3], &[1.0, 2.0, -3.0]));
    let sigmoid = |v: f64| 1.0 / (1.0 + (-v).exp());
    // Φ(1), Φ(2) and the density there, from a table.
    let (below, above, at_1, at_2) = (0.158_655_253_9, 0.977_249_868_1, 0.241_970_724_5, 0.053_990_966_5);
    let swish = |v: f64| sigmoid(v) * (1.0 + v * sigmoid(-v));
    let table = [
        ("relu", [0.0, 0.0, 2.0], [0.0, 0.0, -3.0]),
        ("gelu", [-below, 0.0, 2.0 * above], [below - at_1, 1.0, -3.0 * (above + 2.0 * at_2)]),
        ("swish", [-sigmoid(-1.0), 0.0, 2.0 * sigmoid(2.0)], [swish(-1.0), 1.0, -3.0 * swish(2.0)]),
    ];
    for (name, y, gx) in table {
        let got = op(name, &[("input", &x), ("grad", &g)], &[]).unwrap();
        check(name, &got["y"], &[3], &y, 1e-7);
        check(name, &got["gx"], &[3], &gx, 4e-7);
    }
}

#[test]
fn conv2d_with_sigmoid_and_relu() {
    let (xs, spec) = (Shape::new(1, 3, 4, 8), Conv2d::same(3));
    let (x, w, g) = (random(xs, 1, -1.0, 1.0), random(spec.weight(3, 2), 2, -1.0, 1.0), Shape::new(1, 2, 4, 8));
    let before = reference::forward(spec, xs, g, &wide(&x.values), &wide(&w.values));
    let g = random(g, 3, -1.0, 1.0);
    let sigmoid = |v: f64| 1.0 / (1.0 + (-v).exp());
    for name in ["sigmoid", "relu"] {
        let value = |v: f64| if name == "relu" { v.max(0.0) } else { sigmoid(v) };
        let slope = |v: f64| if name == "relu" { f64::from(v > 0.0) } else { sigmoid(v) * sigmoid(-v) };
        let settings = ["--padding", "1", "--activation", name];
        let got =
            op("conv2d", &[("input", &image(&x)), ("weight", &image(&w)), ("grad", &image(&g))], &settings).unwrap();
        let want: Vec<f64> = before.iter().map(|&v| value(v)).collect();
        check(name, &got["y"], &[1, 2, 4, 8], &want, rounding(27));
        let through: Vec<f64> = before.iter().zip(&g.values).map(|(&v, &g)| f64::from(g) * slope(v)).collect();
        let gx = reference::grad_input(spec, xs, g.shape, &through, &wide(&w.values));
        check(name, &got["gx"], &[1, 3, 4, 8], &gx, rounding(18));
    }
}

#[test]
fn group_norm_of_one_group_a_channel_is_instance_norm() {
    let x = array(&[1, 2, 2, 2], &[1.0, 3.0, -2.0, 0.5, 4.0, 4.0, 7.0, -1.0]);
    let (w, b) = (array(&[2], &[0.5, 2.0]), array(&[2], &[1.0, -1.0]));
    let g = array(&[1, 2, 2, 2], &[1.0, -1.0, 0.5, 2.0, 0.0, 3.0, 1.0, -2.0]);
    let arrays = [("input", &x), ("weight", &w), ("bias", &b), ("grad", &g)];
    let groups = op("group_norm", &arrays, &["--groups", "2"]).unwrap();
    let channels = op("instance_norm", &arrays, &[]).unwrap();
    for name in ["y", "gx", "gw", "gb"] {
        let want: Vec<f64> = channels[name].1.iter().map(|&v| f64::from(v)).collect();
        check(name, &groups[name], &channels[name].0, &want, 1e-6);
    }
    let plain = op("group_norm", &[("input", &array(&[1, 2, 1, 1], &[1.0, 3.0]))], &["--epsilon", "1e-9"]).unwrap();
    check("one group", &plain["y"], &[1, 2, 1, 1], &[-1.0, 1.0], 1e-6);
}

#[test]
fn channels_and_their_values() {
    let (x, s) = (array(&[1, 2, 1, 2], &[1.0, 2.0, 3.0, 5.0]), array(&[1, 2, 1, 1], &[10.0, -1.0]));
    let g = array(&[1, 2, 1, 2], &[1.0, 2.0, 3.0, 4.0]);
    let got = op("plane_mean", &[("input", &x), ("grad", &s)], &[]).unwrap();
    assert_eq!(got["y"], array(&[1, 2, 1, 1], &[1.5, 4.0]));
    assert_eq!(got["gx"].1, [5.0, 5.0, -0.5, -0.5]);
    let got = op("plane_add", &[("input", &x), ("values", &s), ("grad", &g)], &[]).unwrap();
    assert_eq!((&got["y"].1[..], &got["gs"].1[..]), (&[11.0, 12.0, 2.0, 4.0][..], &[3.0, 7.0][..]));
    assert_eq!(got["gx"], g);
    let got = op("plane_multiply", &[("input", &x), ("values", &s), ("grad", &g)], &[]).unwrap();
    assert_eq!((&got["y"].1[..], &got["gs"].1[..]), (&[10.0, 20.0, -3.0, -5.0][..], &[5.0, 29.0][..]));
    assert_eq!(got["gx"].1, [10.0, 20.0, -3.0, -4.0]);
    let got = op("scale", &[("input", &x), ("grad", &g)], &["--factor", "2", "--shift", "-1"]).unwrap();
    assert_eq!((&got["y"].1[..], &got["gx"].1[..]), (&[1.0, 3.0, 5.0, 9.0][..], &[2.0, 4.0, 6.0, 8.0][..]));
}

#[test]
fn sizes() {
    let x = array(&[1, 4, 1, 1], &[1.0, 2.0, 3.0, 4.0]);
    let got =
        op("pixel_shuffle", &[("input", &x), ("grad", &array(&[1, 1, 2, 2], &[5.0, 6.0, 7.0, 8.0]))], &[]).unwrap();
    assert_eq!(
        (&got["y"], &got["gx"].1[..]),
        (&array(&[1, 1, 2, 2], &[1.0, 2.0, 3.0, 4.0]), &[5.0, 6.0, 7.0, 8.0][..])
    );
    let x = array(&[1, 1, 1, 2], &[1.0, 2.0]);
    let g = array(&[1, 1, 2, 4], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    let got = op("upsample", &[("input", &x), ("grad", &g)], &[]).unwrap();
    assert_eq!(got["y"].1, [1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0]);
    assert_eq!(got["gx"].1, [14.0, 22.0]);
    let size = ["--shape", "1,1,2,4"];
    let got = op("resize", &[("input", &x), ("grad", &g)], &size).unwrap();
    check("bilinear", &got["y"], &[1, 1, 2, 4], &[1.0, 1.25, 1.75, 2.0, 1.0, 1.25, 1.75, 2.0], 1e-6);
    check("bilinear, gx", &got["gx"], &[1, 1, 1, 2], &[6.0 + 6.0 + 2.5, 2.0 + 7.5 + 12.0], 1e-5);
    let got = op("resize", &[("input", &x)], &[&size[..], &["--filter", "bicubic"]].concat()).unwrap();
    // At t = 1/4 and 3/4 of the step from 1 to 2: 1 + (w(1-t) + w(2-t)), Keys' weights.
    let step = |t: f64| 1.0 + (1.5 * (1.0 - t).powi(3) - 2.5 * (1.0 - t).powi(2) + 1.0) - 0.5 * (1.0 - t) * t * t;
    check("bicubic, inside", &array(&[2], &got["y"].1[1..3]), &[2], &[step(0.25), step(0.75)], 1e-6);
}

#[test]
fn a_constant_image_has_one_frequency() {
    let x = array(&[1, 1, 2, 3], &[2.0; 6]);
    let got = op("fourier_magnitude", &[("input", &x), ("grad", &x)], &["--power", "1", "--epsilon", "1e-6"]).unwrap();
    check("y", &got["y"], &[1, 1, 2, 3], &[1e-6, 1e-6, 1e-6, 1e-6, 12.0, 1e-6], 4e-6);
    // Away from zero frequency the magnitude is rounding, whose direction means nothing.
    assert_eq!(got["gx"].0, [1, 1, 2, 3]);
}

#[test]
fn attention_and_its_parts() {
    let (a, b) = (array(&[1, 2, 1, 2], &[1.0, 2.0, 3.0, 4.0]), array(&[1, 2, 1, 2], &[5.0, 6.0, 7.0, 8.0]));
    let g = array(&[1, 2, 1, 2], &[1.0, 0.0, 0.0, 1.0]);
    for (transposed, y, gx, gright) in [
        ("none", [19.0, 22.0, 43.0, 50.0], [5.0, 7.0, 6.0, 8.0], [1.0, 3.0, 2.0, 4.0]),
        ("right", [17.0, 23.0, 39.0, 53.0], [5.0, 6.0, 7.0, 8.0], [1.0, 2.0, 3.0, 4.0]),
        ("left", [26.0, 30.0, 38.0, 44.0], [5.0, 6.0, 7.0, 8.0], [1.0, 2.0, 3.0, 4.0]),
    ] {
        let got = op("matmul", &[("input", &a), ("input", &b), ("grad", &g)], &["--transposed", transposed]).unwrap();
        assert_eq!(got["y"], array(&[1, 2, 1, 2], &y), "{transposed}");
        assert_eq!((&got["gx1"].1[..], &got["gx2"].1[..]), (&gx[..], &gright[..]), "{transposed}");
    }
    let x = array(&[1, 1, 1, 2], &[0.0, 3f32.ln()]);
    let got = op("softmax", &[("input", &x), ("grad", &array(&[1, 1, 1, 2], &[1.0, 0.0]))], &[]).unwrap();
    check("softmax", &got["y"], &[1, 1, 1, 2], &[0.25, 0.75], 1e-6);
    check("softmax, gx", &got["gx"], &[1, 1, 1, 2], &[0.1875, -0.1875], 1e-6);
    // Equal keys: every pixel takes the mean of the values, and gives its gradient to all of them.
    let (q, k) = (array(&[1, 1, 1, 2], &[1.0, -2.0]), array(&[1, 1, 1, 2], &[0.5, 0.5]));
    let (v, g) = (array(&[1, 1, 1, 2], &[3.0, 5.0]), array(&[1, 1, 1, 2], &[1.0, 2.0]));
    let got = op("attention", &[("input", &q), ("input", &k), ("input", &v), ("grad", &g)], &[]).unwrap();
    check("attention", &got["y"], &[1, 1, 1, 2], &[4.0, 4.0], 1e-6);
    check("attention, values", &got["gx3"], &[1, 1, 1, 2], &[1.5, 1.5], 1e-6);
    check("attention, queries", &got["gx1"], &[1, 1, 1, 2], &[0.0, 0.0], 1e-6);
    // Softmax' slope is 1/4 times the difference of the values, 2: g · q · (∓1/2).
    check("attention, keys", &got["gx2"], &[1, 1, 1, 2], &[1.5, -1.5], 1e-6);
}

#[test]
fn similarity_is_the_metric_and_its_gradient_the_slope() {
    let shape = Shape::new(1, 1, 14, 17);
    let (a, b) = (random(shape, 1, -1.0, 1.0), random(shape, 2, -1.0, 1.0));
    let mixed: Vec<f32> = a.values.iter().zip(&b.values).map(|(a, b)| 0.3 * a + 0.7 * b).collect();
    let (mixed, b) = (array(&dimensions(shape), &mixed), image(&b));
    let loss = |values: &[f32]| {
        let plane = |values: &[f32]| Plane::new(14, 17, values.iter().map(|v| 0.5 * (v + 1.0)).collect()).unwrap();
        1.0 - metrics::ssim(&plane(values), &plane(&b.1), 1.0).unwrap()
    };
    let arrays = [("input", &mixed), ("input", &b), ("grad", &array(&[1], &[2.0]))];
    let got = op("ssim_loss", &arrays, &["--black", "-1", "--range", "2"]).unwrap();
    check("loss", &got["y"], &[1], &[loss(&mixed.1)], 1e-6);
    // Twice the slope, along the gradient itself: a step of 1e-3, whose third derivative and rounding are below a thousandth.
    let gradient = &got["gx"].1;
    let length = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
    let along = |step: f64| {
        let moved = mixed.1.iter().zip(gradient).map(|(v, g)| v + (step * f64::from(*g) / length) as f32);
        loss(&moved.collect::<Vec<_>>())
    };
    let slope = (along(1e-3) - along(-1e-3)) / 2e-3;
    assert!((2.0 * slope / length - 1.0).abs() < 1e-3, "{slope} and {length}");
    let small = array(&[10, 20], &[0.0; 200]);
    assert!(op("ssim_loss", &[("input", &small), ("input", &small)], &[]).unwrap_err().contains("11 × 11"));
    assert!(op("ssim_loss", &[("input", &b)], &[]).is_err());
}
