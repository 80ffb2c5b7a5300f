//! Pairs packed end to end: no padding is stored or computed.

use crate::ops::attention::{QUERIES, Task};
use crate::tokenizer::Encoded;

/// Some pairs, packed, as plain data.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// (word id, position id, token type) of every token.
    pub ids: Vec<[u32; 3]>,
    /// Where each sequence begins, and at last where the last one ends.
    pub cu_seqlens: Vec<u32>,
    /// Attention of every token.
    pub tasks: Vec<Task>,
    /// Attention of the `<s>` of each pair alone; results go to row 0, 1, 2, ….
    pub first_tasks: Vec<Task>,
}

impl Batch {
    /// Packs `pairs` in their order.
    pub fn new(pairs: &[Encoded]) -> Batch {
        let mut batch = Batch { cu_seqlens: vec![0], ..Batch::default() };
        for (row, pair) in pairs.iter().enumerate() {
            let (first_token, tokens) = (batch.ids.len() as u32, pair.ids.len() as u32);
            let ids = pair.ids.iter().zip(&pair.position_ids).zip(&pair.type_ids);
            batch.ids.extend(ids.map(|((&id, &position), &kind)| [id, position, kind]));
            batch.cu_seqlens.push(first_token + tokens);
            for first_query in (0..tokens).step_by(QUERIES as usize) {
                batch.tasks.push(Task {
                    first_token,
                    tokens,
                    first_query,
                    queries: QUERIES.min(tokens - first_query),
                    out_row: first_token + first_query,
                });
            }
            batch.first_tasks.push(Task {
                first_token,
                tokens,
                first_query: 0,
                queries: 1,
                out_row: row as u32,
            });
        }
        batch
    }

    /// Whether a batch of `pairs` pairs has no room for one more that would make it `tokens` tokens.
    /// The first pair is always taken.
    pub fn is_full(pairs: usize, tokens: usize, budget: usize) -> bool {
        pairs > 0 && tokens > budget
    }

    /// Tokens of all pairs.
    pub fn tokens(&self) -> usize {
        self.ids.len()
    }

    /// How many pairs there are.
    pub fn pairs(&self) -> usize {
        self.first_tasks.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(tokens: usize) -> Encoded {
        Encoded {
            ids: (0..tokens as u32).collect(),
            position_ids: (0..tokens as u32).map(|i| i + 2).collect(),
            type_ids: (0..tokens as u32).map(|i| i / 9).collect(),
            truncated: 0,
        }
    }

    #[test]
    fn every_query_has_one_task() {
        let batch = Batch::new(&[encoded(17), encoded(4), encoded(32)]);
        assert_eq!(batch.cu_seqlens, [0, 17, 21, 53]);
        assert_eq!((batch.tokens(), batch.pairs()), (53, 3));
        let mut covered: Vec<u32> =
            batch.tasks.iter().flat_map(|task| task.out_row..task.out_row + task.queries).collect();
        covered.sort_unstable();
        assert!(covered.into_iter().eq(0..53));
        assert!(batch.first_tasks.iter().map(|task| task.out_row).eq(0..3));
        assert_eq!((batch.ids[16], batch.ids[18]), ([16, 18, 1], [1, 3, 0]));
    }
}
