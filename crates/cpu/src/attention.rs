//! Attention of each sequence over itself.

use super::platform::{self, multiply, softmax};

use super::products::View;

/// How a row of queries, keys or values is made of heads.
#[derive(Clone, Copy)]
pub(super) struct Heads {
    pub count: usize,
    pub size: usize,
}

impl Heads {
    fn width(self) -> usize {
        self.count * self.size
    }
}

/// softmax(q k^T / sqrt(size)) v of sequences of `lengths` tokens: of every token, or of the first
/// of each sequence alone. A row of `qkv` is the heads of q, of k and of v. The result is
/// `[rows, heads]`.
pub(super) fn attention(
    qkv: &[f32],
    heads: Heads,
    lengths: &[usize],
    first_only: bool,
) -> Vec<f32> {
    let rows: usize = if first_only { lengths.len() } else { lengths.iter().sum() };
    let mut context = Vec::with_capacity(rows * heads.width());
    let mut first = 0;
    for &tokens in lengths {
        let qkv = &qkv[first * 3 * heads.width()..][..tokens * 3 * heads.width()];
        let queries = if first_only { 1 } else { tokens };
        // Heads are threads' work, so each has a place of its own: [heads, queries, size].
        let mut by_head = vec![0.0; queries * heads.width()];
        platform::chunks(&mut by_head, queries * heads.size, |head, out| {
            attend(qkv, heads, head, queries, out);
        });
        for query in 0..queries {
            for head in by_head.chunks_exact(queries * heads.size) {
                context.extend_from_slice(&head[query * heads.size..][..heads.size]);
            }
        }
        first += tokens;
    }
    context
}

/// One head of one sequence, for its first `queries` tokens.
fn attend(qkv: &[f32], heads: Heads, head: usize, queries: usize, out: &mut [f32]) {
    let row = 3 * heads.width();
    let tokens = qkv.len() / row;
    let part = |part: usize| &qkv[part * heads.width() + head * heads.size..];
    let size = heads.size;
    let q = View { data: part(0), rows: queries, columns: size, strides: [row, 1] };
    let k_transposed = View { data: part(1), rows: size, columns: tokens, strides: [1, row] };
    let v = View { data: part(2), rows: tokens, columns: size, strides: [row, 1] };

    let mut scores = vec![0.0; queries * tokens];
    multiply(q, k_transposed, &mut scores);
    softmax(&mut scores, tokens, 1.0 / (size as f32).sqrt());
    let weights = View { data: &scores, rows: queries, columns: tokens, strides: [tokens, 1] };
    multiply(weights, v, out);
}
