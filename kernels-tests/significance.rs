//! Paired tests over images against SciPy (`fixtures/metrics.py`), and against values known by hand.

use cvdm::Error;
use cvdm::metrics::{paired_t_test, wilcoxon_signed_rank};
use serde_json::Value;

fn cases() -> Vec<Value> {
    let fixture: Value = serde_json::from_str(include_str!("fixtures/metrics.json")).unwrap();
    fixture["significance"].as_array().unwrap().clone()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn assert_close(what: &str, got: f64, expected: f64, relative: f64) {
    let error = (got / expected - 1.0).abs();
    assert!(got == expected || error <= relative, "{what}: {got}, not {expected}: off by {error:e} of it");
}

#[test]
fn p_values_are_those_of_scipy() {
    let (mut exact, mut approximate, mut tested) = (0, 0, 0);
    for case in cases() {
        let name = case["name"].as_str().unwrap();
        let (a, b) = (numbers(&case["a"]), numbers(&case["b"]));
        let ranks = wilcoxon_signed_rank(&a, &b).unwrap();
        // Sums of multiples of a half: exact.
        assert_eq!(ranks.positive.min(ranks.negative), case["statistic"].as_f64().unwrap(), "{name}");
        assert_eq!(ranks.exact, case["exact"].as_bool().unwrap(), "{name}");
        // Counts are whole numbers and their sum is divided once. statrs writes erfc's constants with ten digits.
        let tolerance = if ranks.exact { 1e-15 } else { 1e-10 };
        assert_close(name, ranks.p_value, case["wilcoxon_p"].as_f64().unwrap(), tolerance);
        *if ranks.exact { &mut exact } else { &mut approximate } += 1;
        if let Some(t) = case["t"].as_f64() {
            let test = paired_t_test(&a, &b).unwrap();
            // Differences of scores near 30 carry 1e-16 · 30 each.
            assert_close(name, test.t, t, 1e-12);
            assert_eq!(Some(test.degrees_of_freedom), case["df"].as_f64(), "{name}");
            // In the far tail an error of t counts about t² times.
            assert_close(name, test.p_value, case["t_p"].as_f64().unwrap(), 1e-12 * (1.0 + t * t));
            tested += 1;
        }
    }
    assert_eq!((exact, approximate, tested), (6, 3, 8));
}

#[test]
fn exact_p_values_are_counted() {
    // Of the 8 assignments of signs to ranks 1, 2, 3 the sums 0 and 6 come once each, 1 and 5 too.
    let test = |d: [f64; 3]| wilcoxon_signed_rank(&d, &[0.0; 3]).unwrap();
    let all = test([1.0, 2.0, 3.0]);
    assert_eq!((all.positive, all.negative, all.pairs, all.p_value), (6.0, 0.0, 3, 0.25));
    assert_eq!(test([-1.0, 2.0, 3.0]).p_value, 0.5);
    assert_eq!(test([1.0, 2.0, -3.0]).p_value, 1.0);
    // Three equal differences share rank 2: sums 0, 2, 4, 6 come 1, 3, 3, 1 times.
    assert_eq!(test([7.0; 3]).p_value, 0.25);
    assert_eq!(test([7.0, 7.0, -7.0]).p_value, 1.0);
}

#[test]
fn the_order_of_methods_changes_the_sign_alone() {
    for case in cases() {
        let (a, b) = (numbers(&case["a"]), numbers(&case["b"]));
        let [there, back] = [wilcoxon_signed_rank(&a, &b), wilcoxon_signed_rank(&b, &a)].map(Result::unwrap);
        assert_eq!((there.positive, there.negative), (back.negative, back.positive));
        assert_eq!(there.p_value, back.p_value);
        if a.len() > 1 {
            let [there, back] = [paired_t_test(&a, &b), paired_t_test(&b, &a)].map(Result::unwrap);
            assert_eq!((there.t, there.p_value), (-back.t, back.p_value));
        }
    }
}

#[test]
fn equal_methods_are_no_better_than_each_other() {
    let same = [1.0, 2.5, -3.0];
    let test = wilcoxon_signed_rank(&same, &same).unwrap();
    assert_eq!((test.positive, test.negative, test.pairs, test.p_value), (0.0, 0.0, 0, 1.0));
    // Pairs that are equal change nothing.
    let longer = wilcoxon_signed_rank(&[4.0, 1.0, 2.0, 9.0], &[4.0, 0.0, 4.0, 9.0]).unwrap();
    assert_eq!(longer, wilcoxon_signed_rank(&[1.0, 2.0], &[0.0, 4.0]).unwrap());
}

#[test]
fn what_cannot_be_tested_is_refused() {
    assert!(matches!(wilcoxon_signed_rank(&[1.0, 2.0], &[1.0]), Err(Error::Shape(_))));
    assert!(matches!(wilcoxon_signed_rank(&[], &[]), Err(Error::Input(_))));
    assert!(matches!(wilcoxon_signed_rank(&[f64::NAN], &[1.0]), Err(Error::Input(_))));
    assert!(matches!(paired_t_test(&[1.0, 2.0], &[1.0]), Err(Error::Shape(_))));
    assert!(matches!(paired_t_test(&[1.0], &[2.0]), Err(Error::Input(_))));
    assert!(matches!(paired_t_test(&[1.0, f64::INFINITY], &[2.0, 2.0]), Err(Error::Input(_))));
    // No scatter: exactly none, and none but rounding's.
    assert!(matches!(paired_t_test(&[1.0, 2.0], &[1.0, 2.0]), Err(Error::Input(_))));
    assert!(matches!(paired_t_test(&[0.3, 0.6, 0.1], &[0.2, 0.5, 0.0]), Err(Error::Input(_))));
}
