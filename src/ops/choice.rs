//! Which variant of each kernel runs on an adapter.

use super::matmul::{Order, Variant, broadcast, half, lanes};
use super::{attention, layer_norm};
use crate::gpu::FIRST_FLOPS_PER_SECOND;

/// The variants for one adapter, and how much work it may be given at once.
#[derive(Debug, Clone, Copy)]
pub struct Choice {
    /// Of matmul, for matrices with a row a token.
    pub many: &'static Variant,
    /// The same for up to [`Choice::few_rows`] of them; of the same order, so that scores do not
    /// depend on the batch.
    pub few: &'static Variant,
    /// The most rows that `few` is for.
    pub few_rows: usize,
    /// Of matmul, for matrices with a row a pair. Their rows are always computed by this one, so
    /// its order may be another.
    pub pairs: &'static Variant,
    /// Of attention.
    pub attention: &'static attention::Variant,
    /// Multiplications and additions of one dispatch at the most, so that none takes long. Scores
    /// do not depend on it.
    pub most_flops: u64,
    /// Multiplications and additions a second of `many`, as far as is known: how fast forward passes
    /// are expected to be before one has run.
    pub flops_per_second: f64,
}

impl Choice {
    /// What runs everywhere, if slowly: one variant for all.
    pub fn safe() -> Choice {
        Choice::all(&lanes::VARIANT)
    }

    /// One variant for all.
    pub fn all(variant: &'static Variant) -> Choice {
        Choice {
            many: variant,
            few: variant,
            few_rows: 0,
            pairs: variant,
            attention: attention_beside(variant),
            most_flops: u64::MAX,
            flops_per_second: FIRST_FLOPS_PER_SECOND,
        }
    }

    /// The same with variants of the same tiles whose sums are f32 throughout.
    pub fn in_f32(self) -> Choice {
        let Choice { many, few, pairs, .. } = self;
        let [many, few, pairs] = [many, few, pairs].map(half::in_f32);
        Choice { many, few, pairs, ..self }
    }

    /// Whether any of them adds products up in f16.
    pub fn has_f16_sums(&self) -> bool {
        [self.many, self.few, self.pairs].iter().any(|variant| variant.order == Order::Half)
    }

    /// The variant for `rows` tokens.
    pub fn tokens(&self, rows: usize) -> &'static Variant {
        if rows <= self.few_rows { self.few } else { self.many }
    }

    /// The variant of layer norm that goes with them.
    pub fn layer_norm(&self) -> &'static layer_norm::Variant {
        if self.is_software() { &layer_norm::lanes::VARIANT } else { &layer_norm::groups::VARIANT }
    }

    /// Whether any of them reads its input in [`super::blocks`].
    pub fn reads_blocks(&self) -> bool {
        [self.many, self.few, self.pairs].iter().any(|variant| variant.blocks)
    }

    /// Whether these are the variants for software adapters.
    pub fn is_software(&self) -> bool {
        is_software(self.many)
    }

    /// The variants by their names, such as "large, medium up to 384 rows, rows for `<s>`".
    pub fn describe(&self) -> String {
        let mut text = self.many.name.to_owned();
        if self.few_rows > 0 {
            text += &format!(", {} up to {} rows", self.few.name, self.few_rows);
        }
        if self.pairs.name != self.many.name {
            text += &format!(", {} for <s>", self.pairs.name);
        }
        if self.attention.name != attention_beside(self.many).name {
            text += &format!(", attention by {}", self.attention.name);
        }
        text
    }
}

fn is_software(variant: &Variant) -> bool {
    variant.rows == lanes::ROWS && variant.columns == lanes::COLUMNS
}

/// The variant of attention for the same adapters as this one of matmul.
fn attention_beside(variant: &Variant) -> &'static attention::Variant {
    if is_software(variant) {
        &attention::lanes::VARIANT
    } else if variant.name == broadcast::VARIANT.name {
        &attention::shuffle::VARIANT
    } else {
        &attention::tiles::VARIANT
    }
}

#[cfg(test)]
mod tests {
    use super::super::matmul::{large, subgroup};
    use super::*;

    #[test]
    fn kernels_for_one_kind_of_adapter_go_together() {
        for variant in [&lanes::VARIANT, &subgroup::VARIANT] {
            let choice = Choice::all(variant);
            assert_eq!(choice.attention.name, "lanes");
            assert_eq!(choice.layer_norm().kernel.name, "layer_norm lanes");
        }
        let choice = Choice::all(&large::VARIANT);
        assert_eq!(choice.attention.name, "tiles");
        assert_eq!(choice.layer_norm().kernel.name, "layer_norm groups");
        let choice = Choice::all(&broadcast::VARIANT);
        assert_eq!((choice.attention.name, &*choice.describe()), ("shuffle", "broadcast"));
        assert_eq!(choice.layer_norm().kernel.name, "layer_norm groups");
        let choice = Choice { attention: &attention::tiles::VARIANT, ..choice };
        assert_eq!(choice.describe(), "broadcast, attention by tiles");
    }
}
