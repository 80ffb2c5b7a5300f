//! Compares the reference implementations of training with central differences of the operators
//! themselves, in f64.

use super::backward;
use super::{activation, erf};
use crate::config::Activation;

/// Repeatable numbers from -1 to 1, exact in f16 (a Weyl sequence, cut to 1/256).
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    (0..count as u32)
        .map(|i| {
            let mixed =
                (i + 1).wrapping_mul(0x9e37_79b9).wrapping_add(seed.wrapping_mul(0x85eb_ca6b));
            f32::from((mixed ^ (mixed >> 15)) as u8) / 128.0 - 1.0
        })
        .collect()
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|x| f64::from(*x)).collect()
}

/// Compares `got` with the slope of `sum(d_y * forward(x))` along each number of x.
#[track_caller]
fn compare(x: &[f32], d_y: &[f32], got: &[f32], forward: impl Fn(&[f64]) -> Vec<f64>) {
    const STEP: f64 = 1e-5;
    assert_eq!(x.len(), got.len());
    let mut x = wide(x);
    assert_eq!(forward(&x).len(), d_y.len());
    for i in 0..x.len() {
        let middle = x[i];
        let mut at = |place: f64| {
            x[i] = place;
            let y = forward(&x);
            x[i] = middle;
            y.iter().zip(d_y).map(|(y, d_y)| y * f64::from(*d_y)).sum::<f64>()
        };
        let slope = (at(middle + STEP) - at(middle - STEP)) / (2.0 * STEP);
        let error = (f64::from(got[i]) - slope).abs();
        assert!(error <= 1e-6 * slope.abs().max(1.0), "{} at {i}, the slope is {slope}", got[i]);
    }
}

/// softmax(q k^T scale) v of one head of `size` without padding, for the first `queries` tokens, each of which
/// sees the keys at most `window` tokens away.
fn attention(qkv: &[f64], size: usize, queries: usize, window: usize) -> Vec<f64> {
    let part = |token: usize, part: usize| &qkv[(token * 3 + part) * size..][..size];
    let tokens = qkv.len() / (3 * size);
    let mut out = Vec::new();
    for query in 0..queries {
        let scores = (0..tokens).map(|key| {
            let products = part(query, 0).iter().zip(part(key, 1)).map(|(q, k)| q * k);
            let score = (products.sum::<f64>() / (size as f64).sqrt()).exp();
            if query.abs_diff(key) <= window { score } else { 0.0 }
        });
        let scores: Vec<f64> = scores.collect();
        let total: f64 = scores.iter().sum();
        for column in 0..size {
            let sum: f64 = scores.iter().zip(0..).map(|(p, key)| p * part(key, 2)[column]).sum();
            out.push(sum / total);
        }
    }
    out
}

#[test]
fn attention_by_q_k_and_v() {
    let (size, lengths) = (4, [5, 3]);
    for (first_only, window) in [(false, None), (true, None), (false, Some(1)), (true, Some(2))] {
        let qkv = numbers(8 * 3 * size, 1);
        let queries = |length: usize| if first_only { 1 } else { length };
        let d_out = numbers(lengths.into_iter().map(queries).sum::<usize>() * size, 2);
        let got = backward::attention_backward(&qkv, &d_out, 1, size, &lengths, first_only, window);
        let window = window.unwrap_or(usize::MAX);
        compare(&qkv, &d_out, &got, |qkv| {
            let (first, second) = qkv.split_at(lengths[0] * 3 * size);
            let first = attention(first, size, queries(lengths[0]), window);
            [first, attention(second, size, queries(lengths[1]), window)].concat()
        });
    }
}

#[test]
fn layer_norm_by_everything() {
    let (width, eps) = (7, 1e-5);
    let forward = |x: &[f64], gamma: &[f64], beta: &[f64]| -> Vec<f64> {
        x.chunks_exact(width)
            .flat_map(|x| {
                let mean = x.iter().sum::<f64>() / width as f64;
                let squares = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
                let deviation = (squares / width as f64 + f64::from(eps)).sqrt();
                let normal = x.iter().map(move |x| (x - mean) / deviation);
                normal.zip(gamma.iter().zip(beta)).map(|(n, (g, b))| n * g + b).collect::<Vec<_>>()
            })
            .collect()
    };
    let (x, d_y) = (numbers(3 * width, 3), numbers(3 * width, 4));
    let (gamma, beta) = (numbers(width, 5), numbers(width, 6));
    let [d_x, d_gamma, d_beta] = backward::layer_norm_backward(&x, &gamma, &d_y, eps);
    compare(&x, &d_y, &d_x, |x| forward(x, &wide(&gamma), &wide(&beta)));
    compare(&gamma, &d_y, &d_gamma, |gamma| forward(&wide(&x), gamma, &wide(&beta)));
    compare(&beta, &d_y, &d_beta, |beta| forward(&wide(&x), &wide(&gamma), beta));
}

#[test]
fn a_table_by_its_rows() {
    let (ids, width) = ([2_u32, 0, 2, 3], 3);
    let (table, d_x) = (numbers(4 * width, 7), numbers(ids.len() * width, 8));
    let mut grad = vec![0.0; table.len()];
    backward::scatter_rows(&ids, None, &d_x, width, &mut grad);
    compare(&table, &d_x, &grad, |table| {
        ids.iter().flat_map(|&id| table[id as usize * width..][..width].to_vec()).collect()
    });
}

#[test]
fn a_linear_map_by_everything() {
    let (rows, inputs, outputs) = (3, 5, 4);
    let forward = |x: &[f64], w: &[f64], bias: &[f64]| -> Vec<f64> {
        let row = |x: &[f64]| {
            let dot = |w: &[f64]| w.iter().zip(x).map(|(w, x)| w * x).sum::<f64>();
            w.chunks_exact(inputs).zip(bias).map(|(w, bias)| dot(w) + bias).collect::<Vec<_>>()
        };
        x.chunks_exact(inputs).flat_map(row).collect()
    };
    let (x, w) = (numbers(rows * inputs, 9), numbers(outputs * inputs, 10));
    let (bias, d_y) = (numbers(outputs, 11), numbers(rows * outputs, 12));
    let [d_x, d_w, d_bias] = backward::linear_backward(&x, &w, &d_y, inputs);
    compare(&x, &d_y, &d_x, |x| forward(x, &wide(&w), &wide(&bias)));
    compare(&w, &d_y, &d_w, |w| forward(&wide(&x), w, &wide(&bias)));
    compare(&bias, &d_y, &d_bias, |bias| forward(&wide(&x), &wide(&w), bias));
    compare(&bias, &d_y, &backward::column_sums(&d_y, outputs), |bias| {
        forward(&wide(&x), &wide(&w), bias)
    });
}

#[test]
fn activations_and_the_loss() {
    let x: Vec<f32> = numbers(40, 13).iter().map(|x| 3.0 * x).collect();
    let d_y = numbers(40, 14);
    compare(&x, &d_y, &backward::gelu_backward(&x, &d_y), |x| {
        x.iter().map(|x| 0.5 * x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2))).collect()
    });
    let y: Vec<f32> = x.iter().map(|x| x.tanh()).collect();
    compare(&x, &d_y, &backward::tanh_backward(&y, &d_y), |x| x.iter().map(|x| x.tanh()).collect());
    let (_, d_x) = backward::mean_squared_error(&x, &d_y);
    compare(&x, &[1.0], &d_x, |x| {
        let squares = x.iter().zip(&d_y).map(|(x, target)| (x - f64::from(*target)).powi(2));
        vec![squares.sum::<f64>() / 40.0]
    });
}

fn gelu(x: f64) -> f64 {
    0.5 * x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2))
}

fn gelu_tanh(x: f64) -> f64 {
    let inside = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
    0.5 * x * (1.0 + inside.tanh())
}

#[test]
fn gated_activations_by_inputs_and_gates() {
    let width = 5;
    let (x, d_y) = (numbers(3 * 2 * width, 15), numbers(3 * width, 16));
    let x: Vec<f32> = x.iter().map(|x| 3.0 * x).collect();
    for of in [Activation::Gelu, Activation::GeluTanh, Activation::Relu] {
        let function: fn(f64) -> f64 = match of {
            Activation::Gelu => gelu,
            Activation::GeluTanh => gelu_tanh,
            Activation::Relu => |x| x.max(0.0),
        };
        assert!((f64::from(activation(of)(0.7)) - function(0.7)).abs() < 1e-6, "{of:?}");
        let got = backward::gated_backward(of, &x, &d_y, width);
        compare(&x, &d_y, &got, |x| {
            let row = |row: &[f64]| {
                let (x, gate) = row.split_at(width);
                x.iter().zip(gate).map(|(x, gate)| function(*x) * gate).collect::<Vec<_>>()
            };
            x.chunks_exact(2 * width).flat_map(row).collect()
        });
    }
}

#[test]
fn means_of_rows_and_rotations() {
    let (width, lengths) = (3, [4, 1, 2]);
    let (x, d_y) = (numbers(7 * width, 17), numbers(3 * width, 18));
    compare(&x, &d_y, &backward::mean_rows_backward(&d_y, &lengths, width), |x| {
        let mut first = 0;
        let mean = |length: usize| {
            let own = &x[first * width..][..length * width];
            first += length;
            let column = |i: usize| own.iter().skip(i).step_by(width).sum::<f64>() / length as f64;
            (0..width).map(column).collect::<Vec<_>>()
        };
        lengths.into_iter().flat_map(mean).collect()
    });
    let (heads, size, theta) = (2, 6, 10.0);
    let (x, d_y) = (numbers(4 * heads * size, 19), numbers(4 * heads * size, 20));
    compare(&x, &d_y, &backward::rotate_backward(&d_y, heads, size, theta), |x| {
        let head = |(at, head): (usize, &[f64])| {
            let (first, second) = head.split_at(size / 2);
            let rotated = |by: fn(f64, f64, f64, f64) -> f64| {
                let pairs = first.iter().zip(second).enumerate();
                let angle = |i: usize| {
                    f64::from((at / heads) as f32 / theta.powf(2.0 * i as f32 / size as f32))
                };
                pairs
                    .map(|(i, (x, y))| by(*x, *y, angle(i).cos(), angle(i).sin()))
                    .collect::<Vec<_>>()
            };
            let along = rotated(|x, y, cos, sin| x * cos - y * sin);
            [along, rotated(|x, y, cos, sin| y * cos + x * sin)].concat()
        };
        x.chunks_exact(size).enumerate().flat_map(head).collect()
    });
}

#[test]
#[should_panic(expected = "the slope is")]
fn a_wrong_gradient_is_found() {
    compare(&[1.0, 2.0], &[1.0, 1.0], &[2.0, 4.01], |x| x.iter().map(|x| x * x).collect());
}
