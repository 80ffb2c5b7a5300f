//! Attention of each sequence over itself.

use super::buffers::Buffer;
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

/// Queries whose scores are held at once, by one thread.
const QUERIES: usize = 512;

/// The same where each sees only its neighbours: fewer, because they score all keys that any of them sees.
const NEIGHBOURS: usize = 64;

/// What a key that a query does not see scores.
const UNSEEN: f32 = -1e30;

/// softmax(q k^T / sqrt(size)) v of sequences of `lengths` tokens: of every token, or of the first
/// of each sequence alone. A query sees the keys at most `window` tokens away, or all. A row of `qkv`
/// is the heads of q, of k and of v. `context` is `[rows, heads]`.
pub(super) fn attention(
    qkv: &[f32],
    heads: Heads,
    lengths: &[usize],
    first_only: bool,
    window: Option<usize>,
    context: &mut [f32],
) {
    let queries = |tokens: usize| if first_only { 1 } else { tokens };
    let width = heads.width();
    let (mut out_rest, mut qkv_rest) = (context, qkv);
    let mut sequences = Vec::with_capacity(lengths.len());
    for &tokens in lengths {
        let (out, qkv);
        (out, out_rest) = out_rest.split_at_mut(queries(tokens) * width);
        (qkv, qkv_rest) = qkv_rest.split_at(tokens * 3 * width);
        sequences.push((qkv, out));
    }
    platform::each(sequences, |(qkv, out)| {
        // Heads are threads' work, too, so each has a place of its own: [heads, queries, size].
        let mut by_head = Buffer::of(out.len());
        let size = out.len() / heads.count;
        platform::chunks(&mut by_head, size, |head, out| attend(qkv, heads, head, window, out));
        for (query, row) in out.chunks_exact_mut(width).enumerate() {
            for (head, out) in by_head.chunks_exact(size).zip(row.chunks_exact_mut(heads.size)) {
                out.copy_from_slice(&head[query * heads.size..][..heads.size]);
            }
        }
    });
}

/// One head of one sequence, for as many of its first tokens as `out` has room for.
fn attend(qkv: &[f32], heads: Heads, head: usize, window: Option<usize>, out: &mut [f32]) {
    let row = 3 * heads.width();
    let tokens = qkv.len() / row;
    let size = heads.size;
    let part = |part: usize, token: usize| &qkv[token * row + part * heads.width() + head * size..];
    let (block, reach) = window.map_or((QUERIES, tokens), |window| (NEIGHBOURS, window));
    for (index, out) in out.chunks_mut(block * size).enumerate() {
        let (first, queries) = (index * block, out.len() / size);
        let from = first.saturating_sub(reach);
        let keys = tokens.min(first + queries + reach) - from;
        let q = View { data: part(0, first), rows: queries, columns: size, strides: [row, 1] };
        let k_transposed =
            View { data: part(1, from), rows: size, columns: keys, strides: [1, row] };
        let v = View { data: part(2, from), rows: keys, columns: size, strides: [row, 1] };

        let mut scores = Buffer::of(queries * keys);
        multiply(q, k_transposed, &mut scores);
        if window.is_some() {
            for (query, scores) in (first..).zip(scores.chunks_exact_mut(keys)) {
                let (before, rest) =
                    scores.split_at_mut(query.saturating_sub(reach).saturating_sub(from));
                let seen = rest.len().min(query + reach + 1 - from - before.len());
                let unseen = before.iter_mut().chain(&mut rest[seen..]);
                unseen.filter(|score| score.is_finite()).for_each(|score| *score = UNSEEN);
            }
        }
        softmax(&mut scores, keys, 1.0 / (size as f32).sqrt());
        let weights = View { data: &scores, rows: queries, columns: keys, strides: [keys, 1] };
        multiply(weights, v, out);
    }
}
