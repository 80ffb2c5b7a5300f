//! What only ModernBERT's `config.json` says.

use serde::Serialize;
use serde_json::{Map, Value};

use super::activation::Activation;
use super::fields::Fields;
use super::module::Module;
use super::other_families::OtherFamilies;
use crate::error::Result;

/// What only ModernBERT has.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModernBert {
    /// For each layer, how far its attention reaches and by which base its positions rotate.
    pub layers: Vec<Reach>,
    /// What the head reads.
    pub pooling: Pooling,
    /// The function in the head.
    pub head_act: Activation,
    /// Whether the dense layers of attention have biases.
    pub attention_bias: bool,
    /// Whether those of the feed-forward network have.
    pub mlp_bias: bool,
    /// Whether the encoder's LayerNorms have.
    pub norm_bias: bool,
    /// Whether the head's dense layer has.
    pub head_bias: bool,
    /// Whether the head's LayerNorm has. In the class it has one if the encoder's have.
    pub head_norm_bias: bool,
    /// Whether the projection has. In the class it always has.
    pub project_bias: bool,
    #[serde(skip)]
    _families: OtherFamilies,
}

/// The attention of one layer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Reach {
    /// A token attends to so many on either side of it; `None`: to all of them.
    pub window: Option<usize>,
    /// The base of its rotary positions.
    pub theta: f32,
}

/// How many tokens become the one that the head reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// The first token.
    Cls,
    /// The mean of all tokens.
    Mean,
}

/// The head of a bare encoder, from other files than `config.json`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Head {
    pub pooling: Pooling,
    pub act: Activation,
    /// Inputs of the dense layer, which are its outputs and those of the LayerNorm, too.
    pub width: usize,
    pub dense_bias: bool,
    pub project_bias: bool,
    /// What the projection puts out.
    pub outputs: usize,
}

/// What PyTorch's own LayerNorm adds to the variance, which is that of such a head.
pub(super) const HEAD_NORM_EPS: f32 = 1e-5;

impl ModernBert {
    /// Whether this module has a bias.
    pub fn has_bias(&self, module: Module) -> bool {
        match module {
            Module::Words | Module::Positions | Module::TokenTypes => false,
            Module::Query(_) | Module::Key(_) | Module::Value(_) | Module::AttentionOut(_) => {
                self.attention_bias
            }
            Module::Up(_) | Module::Down(_) => self.mlp_bias,
            Module::Dense => self.head_bias,
            Module::Project => self.project_bias,
            Module::HeadNorm => self.head_norm_bias,
            Module::EmbedNorm
            | Module::AttentionNorm(_)
            | Module::FfnNorm(_)
            | Module::FinalNorm => self.norm_bias,
        }
    }

    pub(super) fn read(
        fields: &Fields,
        layers: usize,
        head: Option<&Head>,
        families: OtherFamilies,
    ) -> Result<ModernBert> {
        let flag = |field: &'static str| match fields.get(field)? {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(fields.refuse(field, "is neither true nor false")),
        };
        let norm_bias = flag("norm_bias")?;
        Ok(ModernBert {
            layers: reaches(fields, layers)?,
            pooling: match head {
                Some(head) => head.pooling,
                None => pooling(fields)?,
            },
            head_act: match head {
                Some(head) => head.act,
                None => head_act(fields)?,
            },
            attention_bias: flag("attention_bias")?,
            mlp_bias: flag("mlp_bias")?,
            norm_bias,
            head_bias: match head {
                Some(head) => head.dense_bias,
                None => flag("classifier_bias")?,
            },
            head_norm_bias: head.is_some() || norm_bias,
            project_bias: head.is_none_or(|head| head.project_bias),
            _families: families,
        })
    }
}

fn pooling(fields: &Fields) -> Result<Pooling> {
    match fields.text("classifier_pooling")? {
        None | Some("cls") => Ok(Pooling::Cls),
        Some("mean") => Ok(Pooling::Mean),
        Some(other) => {
            let why = format!("is {other:?}, only \"cls\" and \"mean\" are supported");
            Err(fields.refuse("classifier_pooling", why))
        }
    }
}

fn head_act(fields: &Fields) -> Result<Activation> {
    let named = fields.text("classifier_activation")?.unwrap_or("gelu");
    Activation::named(named).ok_or_else(|| {
        fields.refuse("classifier_activation", format!("is {named:?}, which is not supported"))
    })
}

/// The attention of each layer. `local_attention` counts both sides.
fn reaches(fields: &Fields, layers: usize) -> Result<Vec<Reach>> {
    let whole = fields.whole("local_attention", 1, 1 << 16)?.unwrap_or(128);
    let every = fields.whole("global_attn_every_n_layers", 1, 1 << 10)?.unwrap_or(3);
    let is_global: Vec<bool> = match fields.get("layer_types")? {
        None => (0..layers).map(|layer| layer.is_multiple_of(every)).collect(),
        Some(Value::Array(types)) if types.len() == layers => {
            let kind = |kind: &Value| match kind.as_str() {
                Some("full_attention") => Ok(true),
                Some("sliding_attention") => Ok(false),
                _ => {
                    Err(fields.refuse("layer_types", format!("has {kind}, which is not supported")))
                }
            };
            types.iter().map(kind).collect::<Result<_>>()?
        }
        Some(_) => return Err(fields.refuse("layer_types", "does not name each layer")),
    };
    if fields.get("rope_scaling")?.is_some() {
        return Err(fields.refuse("rope_scaling", "is set, which is not supported"));
    }
    let full = theta(fields, "full_attention", "global_rope_theta", 160_000.0)?;
    let sliding = theta(fields, "sliding_attention", "local_rope_theta", 10_000.0)?;
    Ok(is_global
        .into_iter()
        .map(|is_global| match is_global {
            true => Reach { window: None, theta: full },
            false => Reach { window: Some(whole / 2), theta: sliding },
        })
        .collect())
}

/// The base of rotary positions: in `rope_parameters`, or by the older name.
fn theta(fields: &Fields, kind: &str, older: &'static str, default: f64) -> Result<f32> {
    let field = "rope_parameters";
    let newer = match fields.get(field)? {
        None => None,
        Some(Value::Object(kinds)) => kinds.get(kind).filter(|of| !of.is_null()),
        Some(_) => return Err(fields.refuse(field, "is not an object")),
    };
    let empty = Map::new();
    let newer = match newer {
        None => &empty,
        Some(Value::Object(parameters)) => parameters,
        Some(_) => return Err(fields.refuse(field, format!("has a {kind} that is not an object"))),
    };
    if newer.get("rope_type").is_some_and(|named| named != "default") {
        let why = format!("has {} for {kind}, only \"default\" is supported", newer["rope_type"]);
        return Err(fields.refuse(field, why));
    }
    let (field, value) = match newer.get("rope_theta") {
        Some(value) => (field, Some(value)),
        None => (older, fields.get(older)?),
    };
    match value.map(|value| value.as_f64()) {
        None => Ok(default as f32),
        Some(Some(theta)) if theta > 1.0 && theta < 1e9 => Ok(theta as f32),
        Some(_) => Err(fields.refuse(field, format!("has no base above 1 for {kind}"))),
    }
}
