//! The reference implementation of ModernBERT, from Hugging Face's class.

use super::{activation, layer_norm, matmul};
use crate::config::{Config, ModernBert, Module, Pooling, Reach};

/// `[tokens, heads * size]` with each head's first half and second half rotated into each other by
/// the token's position: (a, b) becomes (a cos - b sin, b cos + a sin), at the angle
/// `position / theta^(2 i / size)` for the pair number i (Su et al., 2021).
pub fn rotate(x: &[f32], heads: usize, size: usize, theta: f32) -> Vec<f32> {
    let mut out = x.to_vec();
    for (position, row) in out.chunks_exact_mut(heads * size).enumerate() {
        for head in row.chunks_exact_mut(size) {
            let (first, second) = head.split_at_mut(size / 2);
            for (i, (a, b)) in first.iter_mut().zip(second).enumerate() {
                // In f32, as PyTorch computes it.
                let frequency = 1.0 / theta.powf(2.0 * i as f32 / size as f32);
                let (sin, cos) = f64::from(position as f32 * frequency).sin_cos();
                let (x, y) = (f64::from(*a), f64::from(*b));
                *a = (x * cos - y * sin) as f32;
                *b = (y * cos + x * sin) as f32;
            }
        }
    }
    out
}

/// softmax(q k^T / sqrt(size)) v of one sequence, where a query sees the keys at most `window`
/// tokens away, or all.
pub fn attention(
    [q, k, v]: [&[f32]; 3],
    heads: usize,
    size: usize,
    window: Option<usize>,
) -> Vec<f32> {
    let width = heads * size;
    let tokens = q.len() / width;
    let at = |x: &[f32], token: usize, head: usize, i: usize| {
        f64::from(x[token * width + head * size + i])
    };
    let mut out = vec![0.0; q.len()];
    for query in 0..tokens {
        let reach = window.unwrap_or(tokens);
        let keys = query.saturating_sub(reach)..tokens.min(query + reach + 1);
        for head in 0..heads {
            let score = |key| {
                let products = (0..size).map(|i| at(q, query, head, i) * at(k, key, head, i));
                products.sum::<f64>() / (size as f64).sqrt()
            };
            let scores: Vec<f64> = keys.clone().map(score).collect();
            let highest = scores.iter().copied().fold(f64::MIN, f64::max);
            let weights: Vec<f64> = scores.iter().map(|score| (score - highest).exp()).collect();
            let total: f64 = weights.iter().sum();
            for i in 0..size {
                let sum: f64 =
                    keys.clone().zip(&weights).map(|(key, w)| w * at(v, key, head, i)).sum();
                out[query * width + head * size + i] = (sum / total) as f32;
            }
        }
    }
    out
}

/// `activation(x) * gate` of rows that are x and then gate, each of `width` numbers.
pub fn gated(rows: &[f32], width: usize, activation: fn(f32) -> f32) -> Vec<f32> {
    let gate = |row: &[f32]| {
        let (x, gate) = row.split_at(width);
        x.iter().zip(gate).map(|(x, gate)| activation(*x) * gate).collect::<Vec<_>>()
    };
    rows.chunks_exact(2 * width).flat_map(gate).collect()
}

/// Logits `[labels]` of one sequence of words. `tensor` gives the numbers of a tensor by its name.
pub(super) fn logits(
    config: &Config,
    of: &ModernBert,
    tensor: &dyn Fn(&str) -> Vec<f32>,
    ids: &[[u32; 3]],
) -> Vec<f32> {
    let (width, heads, size) = (config.hidden_size, config.num_attention_heads, config.head_size());
    let weight = |module: Module| tensor(&module.weight(config.family));
    let bias = |module: Module, has: bool, width: usize| match has {
        true => tensor(&format!("{}.bias", module.name(config.family))),
        false => vec![0.0; width],
    };
    let dense = |module, x: &[f32], [inputs, outputs]: [usize; 2], has_bias| {
        matmul(x, &weight(module), &bias(module, has_bias, outputs), inputs)
    };
    let norm = |module, x: &[f32]| {
        let bias = bias(module, of.has_bias(module), width);
        layer_norm(x, &weight(module), &bias, config.layer_norm_eps)
    };
    let add = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a + b).collect::<Vec<_>>();

    let words = weight(Module::Words);
    let word = |[id, ..]: &[u32; 3]| words[*id as usize * width..][..width].to_vec();
    let mut x = norm(Module::EmbedNorm, &ids.iter().flat_map(word).collect::<Vec<_>>());
    for (layer, Reach { window, theta }) in of.layers.iter().enumerate() {
        let normal = if layer == 0 { x.clone() } else { norm(Module::AttentionNorm(layer), &x) };
        let qkv = dense(Module::Query(layer), &normal, [width, 3 * width], of.attention_bias);
        let part = |part: usize| -> Vec<f32> {
            qkv.chunks_exact(3 * width)
                .flat_map(|row| &row[part * width..][..width])
                .copied()
                .collect()
        };
        let [q, k] = [0, 1].map(|i| rotate(&part(i), heads, size, *theta));
        let context = attention([&q, &k, &part(2)], heads, size, *window);
        let out = Module::AttentionOut(layer);
        x = add(&dense(out, &context, [width, width], of.attention_bias), &x);
        let normal = norm(Module::FfnNorm(layer), &x);
        let inner = config.intermediate_size;
        let up = dense(Module::Up(layer), &normal, [width, 2 * inner], of.mlp_bias);
        let inside = gated(&up, inner, activation(config.hidden_act));
        x = add(&dense(Module::Down(layer), &inside, [inner, width], of.mlp_bias), &x);
    }
    let last = norm(Module::FinalNorm, &x);
    let pooled: Vec<f32> = match of.pooling {
        Pooling::Cls => last[..width].to_vec(),
        Pooling::Mean => {
            let mean = |i| last.iter().skip(i).step_by(width).sum::<f32>() / ids.len() as f32;
            (0..width).map(mean).collect()
        }
    };
    let head = dense(Module::Dense, &pooled, [width, width], of.head_bias);
    let head: Vec<f32> = head.into_iter().map(activation(of.head_act)).collect();
    let head = norm(Module::HeadNorm, &head);
    dense(Module::Project, &head, [width, config.labels.len()], of.project_bias)
}
