//! Pairs packed end to end: no padding is stored or computed.

use crate::tokenizer::Encoded;

/// Some pairs, packed, as plain data.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// (word id, position id, token type) of every token.
    pub ids: Vec<[u32; 3]>,
    /// Where each sequence begins, and at last where the last one ends: `[pairs + 1]`.
    pub cu_seqlens: Vec<u32>,
}

impl Batch {
    /// Packs `pairs` in their order.
    pub fn new(pairs: &[Encoded]) -> Batch {
        let mut batch = Batch { ids: Vec::new(), cu_seqlens: vec![0] };
        for pair in pairs {
            let ids = pair.ids.iter().zip(&pair.position_ids).zip(&pair.type_ids);
            batch.ids.extend(ids.map(|((&id, &position), &kind)| [id, position, kind]));
            batch.cu_seqlens.push(batch.ids.len() as u32);
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
        self.cu_seqlens.len() - 1
    }

    /// The tokens of each pair.
    pub fn lengths(&self) -> impl Iterator<Item = usize> {
        self.cu_seqlens.windows(2).map(|ends| (ends[1] - ends[0]) as usize)
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
    fn pairs_lie_end_to_end_without_padding() {
        let batch = Batch::new(&[encoded(17), encoded(4), encoded(32)]);
        assert_eq!(batch.cu_seqlens, [0, 17, 21, 53]);
        assert_eq!((batch.tokens(), batch.pairs()), (53, 3));
        assert!(batch.lengths().eq([17, 4, 32]));
        assert_eq!((batch.ids[16], batch.ids[18]), ([16, 18, 1], [1, 3, 0]));
        assert!(Batch::is_full(1, 11, 10) && !Batch::is_full(0, 11, 10));
    }
}
