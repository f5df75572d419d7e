//! Arguments, files and folders that do not fit: each is refused with the reason.

use cvdm::data::{read_npy, write_npy};

use super::{Array, array, op, program};

#[test]
fn arguments_that_do_not_fit_are_refused_with_the_reason() {
    let x = array(&[1, 2, 4, 4], &[0.5; 32]);
    let w = array(&[3, 2, 3, 3], &[0.5; 54]);
    let refused = |name: &str, arrays: &[(&str, &Array)], settings: &[&str], reasons: &[&str]| {
        let message = op(name, arrays, settings).expect_err(name);
        assert!(reasons.iter().all(|r| message.contains(r)), "{reasons:?} in: {message}");
    };
    refused("conv2", &[("input", &x)], &[], &["conv2", "similar", "conv2d"]);
    refused("conv2d", &[("input", &x)], &[], &["conv2d needs --weight", "[Cout, Cin, K, K]"]);
    refused("max_pool2d", &[("input", &x)], &["--stride", "2"], &["takes no --stride", "--input"]);
    refused("conv2d", &[("input", &x), ("weight", &array(&[18], &[0.0; 18]))], &[], &["--weight is [18]", "rank 4"]);
    refused(
        "conv2d",
        &[("input", &x), ("weight", &array(&[2, 3, 3, 3], &[0.0; 54]))],
        &[],
        &["3 input channels", "2 channels"],
    );
    refused("conv2d", &[("input", &x), ("weight", &array(&[3, 2, 3, 1], &[0.0; 18]))], &[], &["square"]);
    refused(
        "conv2d",
        &[("input", &x), ("weight", &w), ("bias", &array(&[2], &[0.0; 2]))],
        &[],
        &["--bias is [2]", "[3]"],
    );
    refused("conv2d", &[("input", &x), ("weight", &w), ("grad", &x)], &[], &["--grad is [1, 2, 4, 4]", "[1, 3, 2, 2]"]);
    refused("conv2d", &[("input", &x), ("weight", &array(&[1, 2, 7, 7], &[0.0; 98]))], &[], &["kernel must fit"]);
    refused("conv2d", &[("input", &x), ("weight", &w)], &["--stride", "0"], &["--stride is \"0\"", "from 1"]);
    refused("conv2d", &[("input", &x), ("weight", &w)], &["--activation", "tanh"], &["none, softplus, sigmoid, relu"]);
    refused("conv_transpose2d", &[("input", &x), ("weight", &array(&[2, 1, 4, 4], &[0.0; 32]))], &[], &["2×2 and 3×3"]);
    refused("conv2d", &[("input", &x), ("input", &x), ("weight", &w)], &[], &["one array", "--input"]);
    refused("add", &[("input", &x)], &[], &["two or more"]);
    refused("add", &[("input", &x), ("input", &w)], &[], &["number 2", "[3, 2, 3, 3]"]);
    refused("max_pool2d", &[("input", &array(&[1, 1, 3, 2], &[0.0; 6]))], &[], &["must be even"]);
    refused("schedule", &[("input", &array(&[1], &[0.5])), ("weight", &array(&[7], &[0.5; 7]))], &[], &["3H + 3"]);
    refused("group_norm", &[("input", &x)], &["--groups", "3"], &["3 groups", "divide"]);
    refused("pixel_shuffle", &[("input", &x)], &[], &["divide the channels"]);
    refused("resize", &[("input", &x)], &["--shape", "1,3,8,8"], &["batch and channels"]);
    refused("attention", &[("input", &x), ("input", &x)], &[], &["expected 3 arrays"]);
    refused("matmul", &[("input", &x), ("input", &x)], &[], &["sums of 16 and 2"]);
    refused("philox", &[], &["--shape", "1,2,3"], &["four sizes"]);
    refused("philox", &[], &["--shape", "0,1,2,3"], &["positive"]);
    refused("philox", &[], &["--shape", "70000,70000,70000,70000"], &["2³¹"]);
    refused("adam", &[("input", &x), ("grad", &x)], &["--beta1", "1"], &["[0, 1)"]);

    let mut values = vec![0.0; 32];
    (values[13], values[30]) = (f32::NAN, f32::INFINITY);
    let bad = array(&[1, 2, 4, 4], &values);
    refused("max_pool2d", &[("input", &bad)], &[], &["--input holds 2 values", "NaN", "[0, 0, 3, 1]"]);
    refused("max_pool2d", &[("input", &x), ("grad", &array(&[1, 2, 2, 2], &[f32::NAN; 8]))], &[], &["--grad holds 8"]);
}

#[test]
fn files_and_folders_that_do_not_fit_are_refused_with_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let run = |input: &str, out: &str| {
        let line = ["max_pool2d", "--input", &path(input), "--out", &path(out)].map(String::from);
        let output = program(&line);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    write_npy(path("x.npy"), &[1, 1, 2, 2], &[1.0, 2.0, 3.0, 4.0]).unwrap();
    let whole = std::fs::read(path("x.npy")).unwrap();
    std::fs::write(path("cut.npy"), &whole[..whole.len() - 3]).unwrap();
    std::fs::write(path("text.npy"), "1 2 3").unwrap();
    for (input, out, reason) in [
        ("missing.npy", "out", "missing.npy"),
        ("cut.npy", "out", "13 bytes"),
        ("text.npy", "out", "not a complete .npy file"),
        ("x.npy", "x.npy", "takes a folder"),
        ("x.npy", "x.npy/below", "x.npy"),
    ] {
        let (code, message) = run(input, out);
        assert_eq!(code, Some(1), "{input} to {out}: {message}");
        assert!(message.contains(reason), "{input} to {out}: {message}");
    }
    assert_eq!(std::fs::read(path("x.npy")).unwrap(), whole, "no input is touched");
    assert_eq!(run("x.npy", "new/folder"), (Some(0), String::new()));
    assert_eq!(read_npy(path("new/folder/y.npy")).unwrap().1, [4.0]);
}
