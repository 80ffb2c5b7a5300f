//! The modules that every family has, and the names it has for them.

use super::Family;

/// A module of a classifier, whatever its family calls it. Those of a layer have its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Module {
    Words,
    Positions,
    TokenTypes,
    EmbedNorm,
    Query(usize),
    Key(usize),
    Value(usize),
    AttentionOut(usize),
    AttentionNorm(usize),
    Up(usize),
    Down(usize),
    FfnNorm(usize),
    /// ModernBERT's LayerNorm after the last layer.
    FinalNorm,
    /// The dense layer of the head.
    Dense,
    /// ModernBERT's LayerNorm after that.
    HeadNorm,
    /// The projection from there to the logits.
    Project,
}

impl Module {
    /// What `family` calls it in a checkpoint of the whole classifier, without the `.weight` or
    /// `.bias` of its tensors.
    pub fn name(self, family: Family) -> String {
        if family.is_modernbert() {
            return self.in_modernbert();
        }
        let distilbert = family.is_distilbert();
        let (layer, bert, distil) = match self {
            Module::Words => (None, "embeddings.word_embeddings", ""),
            Module::Positions => (None, "embeddings.position_embeddings", ""),
            Module::TokenTypes => (None, "embeddings.token_type_embeddings", ""),
            Module::EmbedNorm => (None, "embeddings.LayerNorm", ""),
            Module::Query(index) => (Some(index), "attention.self.query", "attention.q_lin"),
            Module::Key(index) => (Some(index), "attention.self.key", "attention.k_lin"),
            Module::Value(index) => (Some(index), "attention.self.value", "attention.v_lin"),
            Module::AttentionOut(i) => (Some(i), "attention.output.dense", "attention.out_lin"),
            Module::AttentionNorm(i) => (Some(i), "attention.output.LayerNorm", "sa_layer_norm"),
            Module::Up(index) => (Some(index), "intermediate.dense", "ffn.lin1"),
            Module::Down(index) => (Some(index), "output.dense", "ffn.lin2"),
            Module::FfnNorm(index) => (Some(index), "output.LayerNorm", "output_layer_norm"),
            Module::Dense if family.is_roberta() => return "classifier.dense".into(),
            Module::Dense if distilbert => return "pre_classifier".into(),
            Module::Dense => (None, "pooler.dense", ""),
            Module::Project if family.is_roberta() => return "classifier.out_proj".into(),
            Module::Project => return "classifier".into(),
            // Other families have none of these.
            Module::FinalNorm => (None, "final_norm", ""),
            Module::HeadNorm => return "head.norm".into(),
        };
        let prefix = family.prefix();
        match layer {
            None => format!("{prefix}{bert}"),
            Some(index) if distilbert => format!("{prefix}transformer.layer.{index}.{distil}"),
            Some(index) => format!("{prefix}encoder.layer.{index}.{bert}"),
        }
    }

    /// What ModernBERT calls it. Queries, keys and values are one matrix.
    fn in_modernbert(self) -> String {
        let (layer, name) = match self {
            Module::Words => (None, "embeddings.tok_embeddings"),
            Module::Positions => (None, "embeddings.position_embeddings"),
            Module::TokenTypes => (None, "embeddings.token_type_embeddings"),
            Module::EmbedNorm => (None, "embeddings.norm"),
            Module::Query(i) | Module::Key(i) | Module::Value(i) => (Some(i), "attn.Wqkv"),
            Module::AttentionOut(i) => (Some(i), "attn.Wo"),
            Module::AttentionNorm(i) => (Some(i), "attn_norm"),
            Module::Up(i) => (Some(i), "mlp.Wi"),
            Module::Down(i) => (Some(i), "mlp.Wo"),
            Module::FfnNorm(i) => (Some(i), "mlp_norm"),
            Module::FinalNorm => (None, "final_norm"),
            Module::Dense => return "head.dense".into(),
            Module::HeadNorm => return "head.norm".into(),
            Module::Project => return "classifier".into(),
        };
        match layer {
            None => format!("model.{name}"),
            Some(index) => format!("model.layers.{index}.{name}"),
        }
    }

    /// The name of its matrix, table or factors; see [`Module::name`].
    pub fn weight(self, family: Family) -> String {
        format!("{}.weight", self.name(family))
    }
}
