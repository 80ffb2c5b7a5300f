//! Compares the reference implementations of training with torch's own gradients: `tests/golden/gradients.json`, made
//! by `tests/golden/make_gradients.py`.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::backward::{self, AdamW};

/// Torch's numbers are rounded to nine digits, those of the reference implementations to f32.
const TOLERANCE: f32 = 2e-6;

#[track_caller]
fn assert_close(got: &[f32], expected: &[f32], what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (at, (got, expected)) in got.iter().zip(expected).enumerate() {
        let error = (got - expected).abs();
        assert!(
            error <= TOLERANCE * expected.abs().max(1.0),
            "{what}: {got} at {at}, torch has {expected}"
        );
    }
}

/// The cases of one operator; there is at least one.
fn cases<T: DeserializeOwned>(operator: &str) -> Vec<T> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/gradients.json");
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let cases: Vec<T> = serde_json::from_value(golden[operator].clone()).unwrap();
    assert!(!cases.is_empty(), "{operator}");
    cases
}

#[test]
fn attention() {
    #[derive(Deserialize)]
    struct Case {
        heads: usize,
        head_size: usize,
        lengths: Vec<usize>,
        first_only: bool,
        qkv: Vec<f32>,
        d_out: Vec<f32>,
        d_qkv: Vec<f32>,
    }
    for case in cases::<Case>("attention") {
        let Case { heads, head_size, lengths, first_only, qkv, d_out, d_qkv } = case;
        let got = backward::attention_backward(
            &qkv, &d_out, heads, head_size, &lengths, first_only, None,
        );
        assert_close(&got, &d_qkv, "d_qkv");
    }
}

#[test]
fn layer_norm() {
    #[derive(Deserialize)]
    struct Case {
        eps: f32,
        x: Vec<f32>,
        gamma: Vec<f32>,
        d_y: Vec<f32>,
        d_x: Vec<f32>,
        d_gamma: Vec<f32>,
        d_beta: Vec<f32>,
    }
    for case in cases::<Case>("layer_norm") {
        let [d_x, d_gamma, d_beta] =
            backward::layer_norm_backward(&case.x, &case.gamma, &case.d_y, case.eps);
        assert_close(&d_x, &case.d_x, "d_x");
        assert_close(&d_gamma, &case.d_gamma, "d_gamma");
        assert_close(&d_beta, &case.d_beta, "d_beta");
    }
}

#[test]
fn scatter_rows() {
    #[derive(Deserialize)]
    struct Case {
        ids: Vec<u32>,
        left_out: Option<u32>,
        width: usize,
        d_x: Vec<f32>,
        grad: Vec<f32>,
    }
    for case in cases::<Case>("scatter_rows") {
        let mut grad = vec![0.0; case.grad.len()];
        backward::scatter_rows(&case.ids, case.left_out, &case.d_x, case.width, &mut grad);
        assert_close(&grad, &case.grad, "grad");
    }
}

#[test]
fn column_sums() {
    #[derive(Deserialize)]
    struct Case {
        d_y: Vec<f32>,
        sums: Vec<f32>,
    }
    for Case { d_y, sums } in cases("column_sums") {
        assert_close(&backward::column_sums(&d_y, sums.len()), &sums, "sums");
    }
}

#[test]
fn linear() {
    #[derive(Deserialize)]
    struct Case {
        inputs: usize,
        x: Vec<f32>,
        w: Vec<f32>,
        d_y: Vec<f32>,
        d_x: Vec<f32>,
        d_w: Vec<f32>,
        d_bias: Vec<f32>,
    }
    for case in cases::<Case>("linear") {
        let [d_x, d_w, d_bias] =
            backward::linear_backward(&case.x, &case.w, &case.d_y, case.inputs);
        assert_close(&d_x, &case.d_x, "d_x");
        assert_close(&d_w, &case.d_w, "d_w");
        assert_close(&d_bias, &case.d_bias, "d_bias");
    }
}

#[test]
fn gelu_and_tanh() {
    #[derive(Deserialize)]
    struct Case {
        x: Vec<f32>,
        y: Vec<f32>,
        d_y: Vec<f32>,
        d_x: Vec<f32>,
    }
    for Case { x, y, d_y, d_x } in cases("gelu") {
        let forward: Vec<f32> = x.iter().map(|x| super::gelu(*x)).collect();
        assert_close(&forward, &y, "gelu");
        assert_close(&backward::gelu_backward(&x, &d_y), &d_x, "gelu's d_x");
    }
    for Case { y, d_y, d_x, .. } in cases("tanh") {
        assert_close(&backward::tanh_backward(&y, &d_y), &d_x, "tanh's d_x");
    }
}

#[test]
fn mean_squared_error() {
    #[derive(Deserialize)]
    struct Case {
        x: Vec<f32>,
        target: Vec<f32>,
        loss: f32,
        d_x: Vec<f32>,
    }
    for case in cases::<Case>("mean_squared_error") {
        let (loss, d_x) = backward::mean_squared_error(&case.x, &case.target);
        assert_close(&[loss], &[case.loss], "loss");
        assert_close(&d_x, &case.d_x, "d_x");
    }
}

#[test]
fn adamw() {
    #[derive(Deserialize)]
    struct Step {
        gradient: Vec<f32>,
        weights: Vec<f32>,
        mean: Vec<f32>,
        square: Vec<f32>,
    }
    #[derive(Deserialize)]
    struct Case {
        #[serde(flatten)]
        options: AdamW,
        weights: Vec<f32>,
        steps: Vec<Step>,
    }
    for Case { options, mut weights, steps } in cases("adamw") {
        assert_eq!(steps.len(), 3);
        let (mut mean, mut square) = (vec![0.0; weights.len()], vec![0.0; weights.len()]);
        for (step, expected) in (1..).zip(steps) {
            let gradient = &expected.gradient;
            backward::adamw(step, options, gradient, &mut weights, &mut mean, &mut square);
            assert_close(&weights, &expected.weights, "weights");
            assert_close(&mean, &expected.mean, "mean");
            assert_close(&square, &expected.square, "square");
        }
    }
}

#[test]
fn clip() {
    #[derive(Deserialize)]
    struct Case {
        gradients: Vec<Vec<f32>>,
        most: f32,
        norm: f32,
        clipped: Vec<Vec<f32>>,
    }
    for case in cases::<Case>("clip") {
        let gradients: Vec<&[f32]> = case.gradients.iter().map(Vec::as_slice).collect();
        let (norm, factor) = backward::clip(&gradients, case.most);
        assert_close(&[norm], &[case.norm], "norm");
        for (gradient, expected) in gradients.iter().zip(&case.clipped) {
            let clipped: Vec<f32> = gradient.iter().map(|x| x * factor).collect();
            assert_close(&clipped, expected, "clipped");
        }
    }
}
