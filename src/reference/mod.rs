//! The reference implementation of every kernel and of the whole encoder, in plain loops and f32.

pub mod backward;
#[cfg(test)]
mod finite_differences;
pub mod modernbert;
#[cfg(test)]
mod torch_gradients;

use crate::config::{Activation, Config, Module};

/// `a w^T + bias`: a is `[rows, inputs]`, w `[outputs, inputs]`. Sums are f64, so
/// that this is more exact than the kernel.
pub fn matmul(a: &[f32], w: &[f32], bias: &[f32], inputs: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(a.len() / inputs * bias.len());
    for a_row in a.chunks_exact(inputs) {
        for (w_row, bias) in w.chunks_exact(inputs).zip(bias) {
            let products = a_row.iter().zip(w_row).map(|(a, w)| f64::from(*a) * f64::from(*w));
            out.push((products.sum::<f64>() + f64::from(*bias)) as f32);
        }
    }
    out
}

/// x/2 (1 + erf(x / sqrt 2)).
pub fn gelu(x: f32) -> f32 {
    let x = f64::from(x);
    (0.5 * x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2))) as f32
}

/// x/2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).
pub fn gelu_tanh(x: f32) -> f32 {
    let x = f64::from(x);
    let y = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
    (0.5 * x * (1.0 + y.tanh())) as f32
}

/// The activation of a config's feed-forward network.
pub fn activation(of: Activation) -> fn(f32) -> f32 {
    match of {
        Activation::Gelu => gelu,
        Activation::GeluTanh => gelu_tanh,
        Activation::Relu => |x| x.max(0.0),
    }
}

/// The error function by its Maclaurin series, which converges for the arguments that matter;
/// beyond them it is 1 to f32.
fn erf(x: f64) -> f64 {
    if x.abs() > 5.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

/// LayerNorm of each row of `gamma.len()` numbers.
pub fn layer_norm(x: &[f32], gamma: &[f32], beta: &[f32], eps: f32) -> Vec<f32> {
    let width = gamma.len() as f64;
    let mut out = Vec::with_capacity(x.len());
    for row in x.chunks_exact(gamma.len()) {
        let mean = row.iter().map(|x| f64::from(*x)).sum::<f64>() / width;
        let variance = row.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / width;
        let scale = 1.0 / (variance + f64::from(eps)).sqrt();
        for ((x, gamma), beta) in row.iter().zip(gamma).zip(beta) {
            let normal = (f64::from(*x) - mean) * scale;
            out.push((normal * f64::from(*gamma) + f64::from(*beta)) as f32);
        }
    }
    out
}

/// `word[id] + position[id] + token_type[id]` for each (word, position, type).
pub fn embed(
    ids: &[[u32; 3]],
    word: &[f32],
    position: &[f32],
    token_type: &[f32],
    width: usize,
) -> Vec<f32> {
    let row = |table: &[f32], id: u32| table[id as usize * width..][..width].to_vec();
    ids.iter()
        .flat_map(|&[word_id, position_id, type_id]| {
            let (word, position) = (row(word, word_id), row(position, position_id));
            let token_type = row(token_type, type_id);
            (0..width).map(|i| word[i] + position[i] + token_type[i]).collect::<Vec<_>>()
        })
        .collect()
}

/// `x[rows[i]]` one after the other.
pub fn gather_rows(rows: &[u32], x: &[f32], width: usize) -> Vec<f32> {
    rows.iter().flat_map(|&row| &x[row as usize * width..][..width]).copied().collect()
}

/// Rows of `width` in blocks of sixteen, pair by pair: `[rows / 16, width / 2, 16, 2]`. The last row
/// fills up the last block.
pub fn blocks(x: &[f32], width: usize) -> Vec<f32> {
    let rows = x.len() / width;
    let mut out = Vec::new();
    for first in (0..rows).step_by(16) {
        for pair in 0..width / 2 {
            for row in first..first + 16 {
                out.extend(&x[row.min(rows - 1) * width + 2 * pair..][..2]);
            }
        }
    }
    out
}

/// softmax(q k^T / sqrt(head_size)) v for each sequence of `lengths` and each head. A row of `qkv`
/// is the heads of q, k and v, each padded to a multiple of four.
pub fn attention(qkv: &[f32], heads: usize, head_size: usize, lengths: &[usize]) -> Vec<f32> {
    let padded = head_size.next_multiple_of(4);
    let width = heads * padded;
    let at = |token: usize, part: usize, head: usize| {
        &qkv[token * 3 * width + part * width + head * padded..][..padded]
    };
    let dot = |a: &[f32], b: &[f32]| {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>()
    };
    let mut out = vec![0.0; lengths.iter().sum::<usize>() * width];
    let mut first = 0;
    for &length in lengths {
        let tokens = first..first + length;
        for query in tokens.clone() {
            for head in 0..heads {
                let scores: Vec<f64> = tokens
                    .clone()
                    .map(|key| {
                        dot(at(query, 0, head), at(key, 1, head)) / (head_size as f64).sqrt()
                    })
                    .collect();
                let highest = scores.iter().copied().fold(f64::MIN, f64::max);
                let weights: Vec<f64> =
                    scores.iter().map(|score| (score - highest).exp()).collect();
                let total: f64 = weights.iter().sum();
                for column in 0..padded {
                    let sum: f64 = tokens
                        .clone()
                        .zip(&weights)
                        .map(|(key, weight)| weight * f64::from(at(key, 2, head)[column]))
                        .sum();
                    out[query * width + head * padded + column] = (sum / total) as f32;
                }
            }
        }
        first += length;
    }
    out
}

/// The result of `shaders/multiply_add.wgsl`: four equal numbers an invocation.
pub fn multiply_add(invocations: usize, rounds: usize, by: f32) -> Vec<f32> {
    let one = |invocation: usize| {
        let sum: f32 = (0..3)
            .map(|start| {
                (0..4 * rounds).fold((invocation + start) as f32, |x, _| x.mul_add(by, by))
            })
            .sum();
        [sum; 4]
    };
    (0..invocations).flat_map(one).collect()
}

/// The result of `shaders/multiply_add_stored.wgsl`: `rounds` times the product of the first 8 x 4
/// numbers of the invocation's set and the two 4 x 4 after them, rows and both products added up;
/// of the first four rows and the first 4 x 4 where it is not wide.
pub fn multiply_add_stored(
    invocations: usize,
    rounds: usize,
    wide: bool,
    sets: &[Vec<f32>],
) -> Vec<f32> {
    let one = |invocation: usize| {
        let (a, w) = sets[invocation % sets.len()].split_at(32);
        (0..4).map(move |column| {
            let rows = if wide { a } else { &a[..16] };
            let products = rows.iter().enumerate().map(|(i, a)| {
                let at = 4 * (i % 4) + column;
                a * w[at] + if wide { a * w[16 + at] } else { 0.0 }
            });
            products.sum::<f32>() * rounds as f32
        })
    };
    (0..invocations).flat_map(one).collect()
}

/// `x`, and after it the rest of `before`.
pub fn copy(x: &[f32], before: &[f32]) -> Vec<f32> {
    [x, &before[x.len()..]].concat()
}

/// Logits `[labels]` of one sequence of (word, position, type), by the functions above. `tensor`
/// gives the numbers of a tensor by its name, all shapes follow from `config`.
pub fn logits(config: &Config, tensor: &dyn Fn(&str) -> Vec<f32>, ids: &[[u32; 3]]) -> Vec<f32> {
    if let Some(of) = &config.modernbert {
        return modernbert::logits(config, of, tensor, ids);
    }
    let (width, heads) = (config.hidden_size, config.num_attention_heads);
    let weight = |module: Module| tensor(&module.weight(config.family));
    let bias = |module: Module| tensor(&format!("{}.bias", module.name(config.family)));
    let dense = |module, x: &[f32], inputs| matmul(x, &weight(module), &bias(module), inputs);
    let norm =
        |module, x: &[f32]| layer_norm(x, &weight(module), &bias(module), config.layer_norm_eps);
    let add = |a: Vec<f32>, b: &[f32]| a.iter().zip(b).map(|(a, b)| a + b).collect::<Vec<_>>();

    let token_type = match config.type_vocab_size {
        0 => vec![0.0; width],
        _ => weight(Module::TokenTypes),
    };
    let mut x = embed(ids, &weight(Module::Words), &weight(Module::Positions), &token_type, width);
    x = norm(Module::EmbedNorm, &x);
    for layer in 0..config.num_hidden_layers {
        let part = |module: fn(usize) -> Module| dense(module(layer), &x, width);
        let (q, k, v) = (part(Module::Query), part(Module::Key), part(Module::Value));
        let context = self_attention([&q, &k, &v], heads, config.head_size());
        x = add(dense(Module::AttentionOut(layer), &context, width), &x);
        x = norm(Module::AttentionNorm(layer), &x);
        let up = dense(Module::Up(layer), &x, width);
        let inner: Vec<f32> = up.into_iter().map(activation(config.hidden_act)).collect();
        let down = dense(Module::Down(layer), &inner, config.intermediate_size);
        x = norm(Module::FfnNorm(layer), &add(down, &x));
    }
    let between = match config.family.is_distilbert() {
        true => |x: f32| x.max(0.0),
        false => f32::tanh,
    };
    let head: Vec<f32> =
        dense(Module::Dense, &x[..width], width).into_iter().map(between).collect();
    dense(Module::Project, &head, width)
}

/// Attention of one sequence on unpadded q, k and v: packs them as the kernel's rows and unpacks
/// what comes out.
fn self_attention(parts: [&[f32]; 3], heads: usize, head_size: usize) -> Vec<f32> {
    let padded = head_size.next_multiple_of(4);
    let tokens = parts[0].len() / (heads * head_size);
    let mut qkv = Vec::with_capacity(3 * tokens * heads * padded);
    for token in 0..tokens {
        for part in parts {
            for head in part[token * heads * head_size..][..heads * head_size].chunks(head_size) {
                qkv.extend_from_slice(head);
                qkv.resize(qkv.len() + padded - head_size, 0.0);
            }
        }
    }
    let out = attention(&qkv, heads, head_size, &[tokens]);
    out.chunks(padded).flat_map(|head| &head[..head_size]).copied().collect()
}
