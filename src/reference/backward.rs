//! The reference implementations of training: gradients and the optimizer's step in plain loops, f64
//! inside and f32 at the ends. The gradient by `x` is called `d_x`.

use super::{activation, erf};
use crate::config::Activation;

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|x| f64::from(*x)).collect()
}

fn narrow(x: &[f64]) -> Vec<f32> {
    x.iter().map(|x| *x as f32).collect()
}

/// The gradient of [`super::attention`] by `qkv`, laid out as it is. `d_out` has a row a token or,
/// with `first_only`, one a sequence, for its first token; the other tokens are no queries then. A query
/// sees the keys at most `window` tokens away, or all.
pub fn attention_backward(
    qkv: &[f32],
    d_out: &[f32],
    heads: usize,
    head_size: usize,
    lengths: &[usize],
    first_only: bool,
    window: Option<usize>,
) -> Vec<f32> {
    let padded = head_size.next_multiple_of(4);
    let width = heads * padded;
    let scale = 1.0 / (head_size as f64).sqrt();
    let (qkv, d_out) = (wide(qkv), wide(d_out));
    let mut d_qkv = vec![0.0; qkv.len()];
    let at = |token: usize, part: usize, head: usize| {
        let begin = token * 3 * width + part * width + head * padded;
        begin..begin + padded
    };
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let add = |to: &mut [f64], weight: f64, x: &[f64]| {
        to.iter_mut().zip(x).for_each(|(to, x)| *to += weight * x);
    };
    let mut first = 0;
    for (sequence, &length) in lengths.iter().enumerate() {
        let (queries, first_row) = if first_only { (1, sequence) } else { (length, first) };
        for (query, head) in (0..queries).flat_map(|q| (0..heads).map(move |head| (q, head))) {
            let d_out = &d_out[(first_row + query) * width + head * padded..][..padded];
            let q = at(first + query, 0, head);
            let reach = window.unwrap_or(length);
            let keys = first + query.saturating_sub(reach)..first + length.min(query + reach + 1);
            let scores: Vec<f64> = keys
                .clone()
                .map(|key| dot(&qkv[q.clone()], &qkv[at(key, 1, head)]) * scale)
                .collect();
            let highest = scores.iter().copied().fold(f64::MIN, f64::max);
            let weights: Vec<f64> = scores.iter().map(|score| (score - highest).exp()).collect();
            let total: f64 = weights.iter().sum();
            let p: Vec<f64> = weights.iter().map(|weight| weight / total).collect();
            let d_p: Vec<f64> =
                keys.clone().map(|key| dot(d_out, &qkv[at(key, 2, head)])).collect();
            let mean = dot(&p, &d_p);
            for ((key, p), d_p) in keys.zip(&p).zip(&d_p) {
                let d_score = p * (d_p - mean) * scale;
                add(&mut d_qkv[q.clone()], d_score, &qkv[at(key, 1, head)]);
                add(&mut d_qkv[at(key, 1, head)], d_score, &qkv[q.clone()]);
                add(&mut d_qkv[at(key, 2, head)], *p, d_out);
            }
        }
        first += length;
    }
    narrow(&d_qkv)
}

/// The gradients of [`super::layer_norm`] by x, gamma and beta.
pub fn layer_norm_backward(x: &[f32], gamma: &[f32], d_y: &[f32], eps: f32) -> [Vec<f32>; 3] {
    let width = gamma.len();
    let (x, gamma, d_y) = (wide(x), wide(gamma), wide(d_y));
    let mean_of = |x: &[f64]| x.iter().sum::<f64>() / width as f64;
    let (mut d_gamma, mut d_beta) = (vec![0.0; width], vec![0.0; width]);
    let mut d_x = Vec::with_capacity(x.len());
    for (x, d_y) in x.chunks_exact(width).zip(d_y.chunks_exact(width)) {
        let mean = mean_of(x);
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
        let scale = 1.0 / (variance + f64::from(eps)).sqrt();
        let normal: Vec<f64> = x.iter().map(|x| (x - mean) * scale).collect();
        let d_normal: Vec<f64> = d_y.iter().zip(&gamma).map(|(d_y, gamma)| d_y * gamma).collect();
        let along: Vec<f64> = d_normal.iter().zip(&normal).map(|(d, normal)| d * normal).collect();
        let (shift, along) = (mean_of(&d_normal), mean_of(&along));
        d_x.extend(
            d_normal.iter().zip(&normal).map(|(d, normal)| scale * (d - shift - normal * along)),
        );
        for column in 0..width {
            d_gamma[column] += d_y[column] * normal[column];
            d_beta[column] += d_y[column];
        }
    }
    [d_x, d_gamma, d_beta].map(|x| narrow(&x))
}

/// `grad[ids[i]] += d_x[i]`, rows of `width`, but for rows of the id that is left out: the gradient
/// of a gather from a table.
pub fn scatter_rows(
    ids: &[u32],
    left_out: Option<u32>,
    d_x: &[f32],
    width: usize,
    grad: &mut [f32],
) {
    let mut sums = wide(grad);
    for (&id, d_x) in ids.iter().zip(d_x.chunks_exact(width)) {
        if Some(id) != left_out {
            let row = &mut sums[id as usize * width..][..width];
            row.iter_mut().zip(d_x).for_each(|(sum, d_x)| *sum += f64::from(*d_x));
        }
    }
    grad.copy_from_slice(&narrow(&sums));
}

/// The sum of each column of rows of `width`: the gradient of a bias.
pub fn column_sums(d_y: &[f32], width: usize) -> Vec<f32> {
    let mut sums = vec![0.0; width];
    for row in d_y.chunks_exact(width) {
        sums.iter_mut().zip(row).for_each(|(sum, d_y)| *sum += f64::from(*d_y));
    }
    narrow(&sums)
}

/// The gradients of [`super::matmul`], `x w^T + bias`, by x `[rows, inputs]`, w
/// `[outputs, inputs]` and bias `[outputs]`, from `d_y` `[rows, outputs]`.
pub fn linear_backward(x: &[f32], w: &[f32], d_y: &[f32], inputs: usize) -> [Vec<f32>; 3] {
    let outputs = w.len() / inputs;
    let (mut d_x, mut d_w) = (vec![0.0; x.len()], vec![0.0; w.len()]);
    for (row, d_y) in d_y.chunks_exact(outputs).enumerate() {
        for (output, d_y) in d_y.iter().map(|d_y| f64::from(*d_y)).enumerate() {
            for input in 0..inputs {
                d_x[row * inputs + input] += d_y * f64::from(w[output * inputs + input]);
                d_w[output * inputs + input] += d_y * f64::from(x[row * inputs + input]);
            }
        }
    }
    [narrow(&d_x), narrow(&d_w), column_sums(d_y, outputs)]
}

/// The gradient of [`super::gelu`] by its `x`:
/// `d_y ((1 + erf(x / sqrt 2)) / 2 + x exp(-x^2 / 2) / sqrt(2 pi))`.
pub fn gelu_backward(x: &[f32], d_y: &[f32]) -> Vec<f32> {
    let slope = |x: f64| {
        let below = 0.5 * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2));
        below + x * (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt()
    };
    x.iter().zip(d_y).map(|(x, d_y)| (f64::from(*d_y) * slope(f64::from(*x))) as f32).collect()
}

/// The gradient of [`super::gelu_tanh`] by its `x`.
fn gelu_tanh_backward(x: &[f32], d_y: &[f32]) -> Vec<f32> {
    let slope = |x: f64| {
        let factor = (2.0 / std::f64::consts::PI).sqrt();
        let inside = (factor * (x + 0.044715 * x.powi(3))).tanh();
        let along = factor * (1.0 + 3.0 * 0.044715 * x * x);
        0.5 * (1.0 + inside) + 0.5 * x * (1.0 - inside * inside) * along
    };
    x.iter().zip(d_y).map(|(x, d_y)| (f64::from(*d_y) * slope(f64::from(*x))) as f32).collect()
}

/// The gradient of an activation by its `x`. ReLU's at 0 is 0, as PyTorch has it.
pub fn activation_backward(of: Activation, x: &[f32], d_y: &[f32]) -> Vec<f32> {
    match of {
        Activation::Gelu => gelu_backward(x, d_y),
        Activation::GeluTanh => gelu_tanh_backward(x, d_y),
        Activation::Relu => {
            x.iter().zip(d_y).map(|(x, d_y)| if *x > 0.0 { *d_y } else { 0.0 }).collect()
        }
    }
}

/// The gradient of [`super::modernbert::gated`] by its rows, each of `width` inputs and as many gates.
pub fn gated_backward(of: Activation, rows: &[f32], d_y: &[f32], width: usize) -> Vec<f32> {
    let gradient = |(row, d_y): (&[f32], &[f32])| {
        let (x, gate) = row.split_at(width);
        let gated: Vec<f32> = d_y.iter().zip(gate).map(|(d_y, gate)| d_y * gate).collect();
        let d_gate = d_y.iter().zip(x).map(|(d_y, x)| d_y * activation(of)(*x)).collect();
        [activation_backward(of, x, &gated), d_gate].concat()
    };
    rows.chunks_exact(2 * width).zip(d_y.chunks_exact(width)).flat_map(gradient).collect()
}

/// The gradient of the mean of each of `lengths` rows of `width`: all of them get an equal share of `d_y`.
pub fn mean_rows_backward(d_y: &[f32], lengths: &[usize], width: usize) -> Vec<f32> {
    let rows = |(d_y, length): (&[f32], &usize)| {
        let share: Vec<f32> = d_y.iter().map(|d_y| d_y / *length as f32).collect();
        share.repeat(*length)
    };
    d_y.chunks_exact(width).zip(lengths).flat_map(rows).collect()
}

/// The gradient of [`super::modernbert::rotate`] by its `x`: with y the rotation of x, (d_a, d_b) becomes
/// (d_a cos + d_b sin, d_b cos - d_a sin).
pub fn rotate_backward(d_y: &[f32], heads: usize, size: usize, theta: f32) -> Vec<f32> {
    let mut d_x = d_y.to_vec();
    for (position, row) in d_x.chunks_exact_mut(heads * size).enumerate() {
        for head in row.chunks_exact_mut(size) {
            let (first, second) = head.split_at_mut(size / 2);
            for (i, (a, b)) in first.iter_mut().zip(second).enumerate() {
                let frequency = 1.0 / theta.powf(2.0 * i as f32 / size as f32);
                let (sin, cos) = f64::from(position as f32 * frequency).sin_cos();
                let (d_a, d_b) = (f64::from(*a), f64::from(*b));
                *a = (d_a * cos + d_b * sin) as f32;
                *b = (d_b * cos - d_a * sin) as f32;
            }
        }
    }
    d_x
}

/// The gradient of y = tanh(x) by x, from y: `d_y (1 - y^2)`.
pub fn tanh_backward(y: &[f32], d_y: &[f32]) -> Vec<f32> {
    let one = |(y, d_y): (&f32, &f32)| f64::from(*d_y) * (1.0 - f64::from(*y).powi(2));
    y.iter().zip(d_y).map(|pair| one(pair) as f32).collect()
}

/// The mean of `(x - target)^2` and its gradient by x.
pub fn mean_squared_error(x: &[f32], target: &[f32]) -> (f32, Vec<f32>) {
    let count = x.len() as f64;
    let differences: Vec<f64> =
        x.iter().zip(target).map(|(x, target)| f64::from(*x) - f64::from(*target)).collect();
    let loss = differences.iter().map(|difference| difference.powi(2)).sum::<f64>() / count;
    (loss as f32, differences.iter().map(|d| (2.0 * d / count) as f32).collect())
}

/// The norm of all `gradients` together, and by what `torch.nn.utils.clip_grad_norm_` multiplies
/// them so that it is at most `most`.
pub fn clip(gradients: &[&[f32]], most: f32) -> (f32, f32) {
    let squares = gradients.iter().flat_map(|gradient| gradient.iter());
    let norm = squares.map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    (norm as f32, (f64::from(most) / (norm + 1e-6)).min(1.0) as f32)
}

/// The settings of AdamW.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
pub struct AdamW {
    /// How far a step goes.
    pub learning_rate: f32,
    /// How much of the mean gradient a step keeps.
    pub beta1: f32,
    /// How much of the mean squared gradient a step keeps.
    pub beta2: f32,
    /// Added to the root of the mean square.
    pub eps: f32,
    /// The share of a weight, times the learning rate, that a step takes away.
    pub weight_decay: f32,
}

/// Step number `step`, counted from 1, of `torch.optim.AdamW`: changes `weights` and the running
/// means of the gradient and of its square.
pub fn adamw(
    step: i32,
    options: AdamW,
    gradient: &[f32],
    weights: &mut [f32],
    mean: &mut [f32],
    square: &mut [f32],
) {
    let [rate, beta1, beta2, eps, decay] =
        [options.learning_rate, options.beta1, options.beta2, options.eps, options.weight_decay]
            .map(f64::from);
    for (i, gradient) in gradient.iter().map(|x| f64::from(*x)).enumerate() {
        let weight = f64::from(weights[i]) * (1.0 - rate * decay);
        let new_mean = beta1 * f64::from(mean[i]) + (1.0 - beta1) * gradient;
        let new_square = beta2 * f64::from(square[i]) + (1.0 - beta2) * gradient * gradient;
        let root = (new_square / (1.0 - beta2.powi(step))).sqrt();
        let moved = rate * (new_mean / (1.0 - beta1.powi(step))) / (root + eps);
        (weights[i], mean[i], square[i]) =
            ((weight - moved) as f32, new_mean as f32, new_square as f32);
    }
}
