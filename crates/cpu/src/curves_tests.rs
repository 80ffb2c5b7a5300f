//! GELU and softmax, native and portable, against the reference implementation.

use cappy::reference;

use crate::native::{gelu, gelu_tanh, softmax};
use crate::portable;

#[test]
fn both_gelus_are_the_references_exact_and_by_tanh() {
    type Pair = [fn(&mut [f32]); 2];
    let exact: Pair = [gelu, portable::gelu];
    let by_tanh: Pair = [gelu_tanh, portable::gelu_tanh];
    type OfOne = fn(f32) -> f32;
    let both: [(Pair, OfOne); 2] = [(exact, reference::gelu), (by_tanh, reference::gelu_tanh)];
    let x: Vec<f32> = (-7003..7000).map(|i| i as f32 / 1000.0).collect();
    for (gelu, reference) in both.into_iter().flat_map(|(pair, of)| pair.map(|gelu| (gelu, of))) {
        let mut got = x.clone();
        gelu(&mut got);
        for (x, got) in x.iter().zip(got) {
            let error = (got - reference(*x)).abs();
            assert!(error <= 1.5e-6, "gelu({x}) is {got}");
        }
        let mut odd = [f32::NAN, f32::INFINITY, -1e30];
        gelu(&mut odd);
        assert!(odd[0].is_nan() && odd[1] == f32::INFINITY && odd[2].abs() < 1e24, "{odd:?}");
    }
}

#[test]
fn both_softmaxes_are_right_and_keep_what_is_no_number() {
    for softmax in [softmax, portable::softmax] {
        for width in [1, 3, 8, 131] {
            let x: Vec<f32> = (0..3 * width).map(|i| (i * 37 % 101) as f32 * 0.7 - 35.0).collect();
            let mut got = x.clone();
            softmax(&mut got, width, 0.25);
            for (x, got) in x.chunks(width).zip(got.chunks(width)) {
                let powers = x.iter().map(|x| (f64::from(*x) * 0.25).exp());
                let all: f64 = powers.clone().sum();
                for (power, got) in powers.zip(got) {
                    let error = (power / all - f64::from(*got)).abs();
                    assert!(error <= 3e-7, "{width}: {got} for {}", power / all);
                }
            }
        }
        let mut far = [0.0, -1e30, f32::NEG_INFINITY];
        softmax(&mut far, 3, 1.0);
        assert!(far[0] == 1.0 && far[1] < 1e-30 && far[2] < 1e-30, "{far:?}");
        for bad in [f32::NAN, f32::INFINITY] {
            let mut x = [0.0, 1.0, bad, 2.0, 3.0];
            softmax(&mut x, 5, 1.0);
            assert!(x.iter().any(|x| x.is_nan()), "{bad}: {x:?}");
        }
    }
}

#[test]
fn the_portable_softmax_makes_no_subnormal_numbers_with_which_processors_are_slow() {
    let mut row: Vec<f32> = (0..4096).map(|i| -0.03 * i as f32).chain([-1e30; 64]).collect();
    let width = row.len();
    portable::softmax(&mut row, width, 1.0);
    let subnormal = row.iter().filter(|share| share.is_subnormal()).count();
    assert_eq!(subnormal, 0);
    assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5);
}
