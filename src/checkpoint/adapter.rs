//! Adapters: the little that adaptation changes of a model, in the files of Hugging Face `peft`.
//!
//! `adapter_model.safetensors` holds, for each matrix `W` `[outputs, inputs]` that was adapted, `A`
//! `[r, inputs]` and `B` `[outputs, r]`, and the head's tensors whole (RoBERTa's classifier, BERT's
//! pooler and classifier, or ModernBERT's head and classifier); `adapter_config.json` says r and alpha. The matrix is then `W + alpha / r * B A` (Hu et al.,
//! "LoRA", 2021; with `use_rslora` the square root of r). It is added up while rows are read, so
//! neither the loader nor the GPU knows of adapters.
//!
//! An adapter of the head alone needs no `adapter_config.json`. `peft` cannot load that one.

use serde_json::Value;

use super::source::{Files, read_all};
use super::view::View;
use super::{Checkpoint, Held, names, safetensors, tensor_shapes};
use crate::config::{Config, Module};
use crate::error::{Error, ErrorKind, Result};

/// The file with an adapter's numbers.
pub const ADAPTER_WEIGHTS: &str = "adapter_model.safetensors";
/// The file that says how they are to be used.
pub const ADAPTER_CONFIG: &str = "adapter_config.json";

/// What `peft` puts before the model's own names.
pub(super) const PREFIX: &str = "base_model.model.";
/// The endings of the names of A and B, in place of the matrix's `.weight`.
pub(super) const A: &str = ".lora_A.weight";
pub(super) const B: &str = ".lora_B.weight";

/// What is added to one matrix: `scale * B A`.
pub(super) struct LowRank {
    /// The matrix's name in a checkpoint of the whole classifier.
    pub(super) matrix: String,
    /// The checkpoint's name of A, `[rank, inputs]`.
    pub(super) a: String,
    /// That of B, `[outputs, rank]`.
    pub(super) b: String,
    pub(super) rank: usize,
    pub(super) scale: f32,
}

/// A config larger than this is no config.
const MOST_CONFIG: u64 = 1 << 20;

/// The highest rank; the matrices of any config are smaller.
const MOST_RANK: u64 = 1 << 16;

/// Fields of `adapter_config.json` that are looked at, or have no say in what a trained adapter
/// computes. Any other one must be off: a kind of adapter that nobody knew of here is refused.
const KNOWN: [&str; 21] = [
    "auto_mapping",
    "base_model_name_or_path",
    "bias",
    "ensure_weight_tying",
    "exclude_modules",
    "inference_mode",
    "init_lora_weights",
    "layers_pattern",
    "layers_to_transform",
    "lora_alpha",
    "lora_dropout",
    "megatron_core",
    "modules_to_save",
    "peft_type",
    "peft_version",
    "qalora_group_size",
    "r",
    "revision",
    "target_modules",
    "task_type",
    "use_rslora",
];

pub(super) async fn apply(
    checkpoint: &mut Checkpoint,
    files: &dyn Files,
    config: &Config,
) -> Result<()> {
    if config.family.is_distilbert() {
        let name = config.family.architecture();
        let message = format!("is for the layers of RoBERTa, BERT and ModernBERT; this is {name}");
        return Err(Error::new(ErrorKind::Input, files.describe(), message));
    }
    let Some(source) = files.open(ADAPTER_WEIGHTS).await? else {
        let message = format!("has no {ADAPTER_WEIGHTS}");
        return Err(Error::new(ErrorKind::NotFound, files.describe(), message));
    };
    let json = read_all(files, ADAPTER_CONFIG, MOST_CONFIG).await?;
    let settings = json.map(|json| Settings::parse(&json)).transpose()?;
    let tensors = safetensors::tensors(&*source).await?;
    if tensors.is_empty() {
        return Err(Error::new(ErrorKind::Checkpoint, source.name(), "has no tensors"));
    }
    let adapted = check(source.name(), &tensors, settings.as_ref(), config)?;
    if !checkpoint.low_rank.is_empty() && !adapted.is_empty() {
        let message = "is a second adapter; one can be applied";
        return Err(Error::new(ErrorKind::Input, files.describe(), message));
    }

    checkpoint.low_rank.extend(adapted);
    for (name, mut view) in tensors {
        view.file = checkpoint.sources.len();
        let own = name.strip_prefix(PREFIX).filter(|own| names::is_head(own, config.family));
        checkpoint.tensors.insert(own.unwrap_or(&name).to_owned(), Held::Stored(view));
    }
    checkpoint.file_bytes = checkpoint.file_bytes.saturating_add(source.size());
    checkpoint.sources.push(source);
    Ok(())
}

/// Checks every tensor of `file` by name and shape, and gives what is added to which matrix.
fn check(
    file: &str,
    tensors: &[(String, View)],
    settings: Option<&Settings>,
    config: &Config,
) -> Result<Vec<LowRank>> {
    let refuse = |name: &str, what: String| {
        Err(Error::new(ErrorKind::Checkpoint, format!("{file}: {name}"), what))
    };
    let shape_of = |wanted: &str| {
        let found = tensors.iter().find(|(name, _)| name == wanted);
        found.map(|(_, view)| &view.shape[..])
    };
    let (rank, scale) = settings.map_or((0, 0.0), |settings| (settings.rank, settings.scale));
    let mut expected = Vec::new();
    let mut adapted: Vec<LowRank> = Vec::new();
    let layers = names::layers(config.family);
    // To `peft`, BERT's pooler and the first matrix of ModernBERT's head are matrices like those of the layers,
    // unless they are saved whole.
    let pooler = match config.family.is_roberta() {
        true => String::new(),
        false => Module::Dense.weight(config.family),
    };
    for (own, shape) in tensor_shapes(config) {
        let whole = format!("{PREFIX}{own}");
        if names::is_head(&own, config.family) && shape_of(&whole).is_some() {
            expected.push((whole, shape));
            continue;
        }
        let adaptable = own.starts_with(&layers) || own == pooler;
        let part = own.strip_suffix(".weight").filter(|_| adaptable);
        if let (Some(part), &[outputs, inputs]) = (part, &shape[..]) {
            let [a, b] = [A, B].map(|ending| format!("{PREFIX}{part}{ending}"));
            let wanted = settings.is_some_and(|settings| settings.targets(part));
            if wanted || shape_of(&a).or(shape_of(&b)).is_some() {
                expected.push((a.clone(), vec![rank, inputs]));
                expected.push((b.clone(), vec![outputs, rank]));
                adapted.push(LowRank { matrix: own, a, b, rank, scale });
            }
        }
    }
    if settings.is_none() && !adapted.is_empty() {
        let message = format!("is missing; {file} has more than a head");
        return Err(Error::new(ErrorKind::NotFound, ADAPTER_CONFIG, message));
    }
    for (name, expected) in &expected {
        match shape_of(name) {
            Some(shape) if shape == expected => {}
            Some(shape) => {
                return refuse(name, format!("has shape {shape:?}, expected {expected:?}"));
            }
            None => return refuse(name, "is missing".into()),
        }
    }
    // The first by name, so that the message is always the same.
    let foreign = tensors.iter().map(|(name, _)| name);
    match foreign.filter(|name| expected.iter().all(|(known, _)| known != *name)).min() {
        Some(name) => {
            let what = "is no tensor of the head, and no lora_A or lora_B of a matrix in the \
                        encoder; nothing else can be adapted";
            refuse(name, what.into())
        }
        None => Ok(adapted),
    }
}

/// What `adapter_config.json` says.
struct Settings {
    rank: usize,
    scale: f32,
    /// Ends of the names of the modules that are adapted; empty where that is said in another way.
    targets: Vec<String>,
}

impl Settings {
    fn parse(json: &[u8]) -> Result<Settings> {
        // Values are not shown: writing any of them costs the npm package a few kilobytes.
        let refuse = |field: &str, what: &str| {
            Error::new(ErrorKind::Config, format!("{ADAPTER_CONFIG}: {field}"), what)
        };
        let fields: serde_json::Map<String, Value> =
            serde_json::from_slice(json).map_err(|error| {
                let what = format!("is not an adapter's config: {error}");
                Error::new(ErrorKind::Config, ADAPTER_CONFIG, what)
            })?;
        let field = |name: &str| fields.get(name).unwrap_or(&Value::Null);
        for (name, only) in [("peft_type", "LORA"), ("task_type", "SEQ_CLS"), ("bias", "none")] {
            let value = field(name);
            if value != only && (name == "peft_type" || !value.is_null()) {
                return Err(refuse(name, &format!("is not {only:?}, the only one supported")));
            }
        }
        for (name, value) in &fields {
            if !KNOWN.contains(&&name[..]) && !is_off(value) {
                return Err(refuse(name, "is set, which is not supported"));
            }
        }
        // Others, such as "pissa", change the matrix itself, and the files do not tell how.
        let init = field("init_lora_weights");
        if !(init.is_null() || init.is_boolean() || init == "gaussian") {
            return Err(refuse("init_lora_weights", "is one that is not supported"));
        }
        let rank = field("r").as_u64().filter(|rank| (1..=MOST_RANK).contains(rank));
        let rank = rank.ok_or_else(|| refuse("r", "is no whole number from 1 to 65536"))? as usize;
        let alpha = field("lora_alpha").as_f64();
        let alpha = alpha.ok_or_else(|| refuse("lora_alpha", "is no number"))?;
        let root = field("use_rslora") == &Value::Bool(true);
        let divisor = if root { (rank as f64).sqrt() } else { rank as f64 };
        let elsewhere = ["exclude_modules", "layers_to_transform"];
        let targets = match field("target_modules") {
            Value::Array(targets) if elsewhere.iter().all(|name| is_off(field(name))) => {
                targets.iter().filter_map(|target| target.as_str().map(str::to_owned)).collect()
            }
            _ => Vec::new(),
        };
        Ok(Settings { rank, scale: (alpha / divisor) as f32, targets })
    }

    /// Whether the config has the module of this name adapted.
    fn targets(&self, module: &str) -> bool {
        let ends = |target: &String| {
            module
                .strip_suffix(&target[..])
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        self.targets.iter().any(ends)
    }
}

/// Whether a field says nothing or "no".
fn is_off(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
