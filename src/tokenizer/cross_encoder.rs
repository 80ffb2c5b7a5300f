//! What a folder has for sentence-transformers' `CrossEncoder` (version 6) besides the model: a prompt
//! before the instruction, the longest pair, and the function that it applies to the logits.

use serde_json::Value;

use super::Tokenizer;
use crate::checkpoint::source::{Files, MODULES, SETTINGS, TRANSFORMER, read_json};
use crate::config::{Config, function_of_logits};
use crate::error::{Error, ErrorKind, Result};

/// transformers takes a longer one for no limit at all.
const NO_LIMIT: f64 = 1e20;

/// The settings in these files.
#[derive(Debug, Default)]
pub(crate) struct CrossEncoder {
    prompt: String,
    /// In place of the tokenizer's own `model_max_length`.
    max_tokens: Option<usize>,
    /// The name of the function, without its module.
    activation: Option<String>,
}

impl CrossEncoder {
    /// Reads what `files` has of it; `json` is their `config.json`. Where that is of a bare encoder, the
    /// modules behind it have been read. Where `modules.json` is missing, sentence-transformers ignores
    /// the other files.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] naming the file and the field that is broken or not supported.
    pub(crate) async fn read(
        files: &dyn Files,
        json: &[u8],
        config: &Config,
        has_chain: bool,
    ) -> Result<CrossEncoder> {
        let older = function(function_of_logits("config.json", json)?.as_ref());
        let plain = CrossEncoder { activation: older, ..CrossEncoder::default() };
        let Some(modules) = read_json(files, MODULES).await? else { return Ok(plain) };
        let Some(settings) = read_json(files, SETTINGS).await? else { return Ok(plain) };
        if settings["model_type"] != "CrossEncoder" {
            return Ok(plain);
        }
        if !has_chain && modules.as_array().is_none_or(|modules| modules.len() != 1) {
            let class = |module: &Value| {
                let path = module["type"].as_str().unwrap_or("a module without a type");
                path.rsplit('.').next().unwrap_or_default().to_owned()
            };
            let listed: Vec<String> = modules.as_array().into_iter().flatten().map(class).collect();
            let why = format!(
                "lists {}; other modules than one transformer are supported where that is a \
                 ModernBertModel",
                if listed.is_empty() { "none".into() } else { listed.join(", ") }
            );
            return Err(refuse(MODULES, &why));
        }
        let default = if config.labels.len() == 1 { "Sigmoid" } else { "Identity" };
        let transformer = read_json(files, TRANSFORMER).await?.unwrap_or_default();
        Ok(CrossEncoder {
            prompt: prompt(&settings)?,
            max_tokens: max_tokens(&transformer)?,
            activation: function(settings.get("activation_fn"))
                .or(plain.activation)
                .or_else(|| Some(default.into())),
        })
    }

    /// What the output of a model means, for people: [`Config::output`], and what `CrossEncoder`
    /// makes of it.
    pub(crate) fn output(&self, config: &Config) -> String {
        match &self.activation {
            None => config.output().into(),
            Some(function) => {
                let logits = match config.labels.len() {
                    1 => "the relevance, a raw logit: any real number, higher is better",
                    _ => "a raw logit for each label, in their order",
                };
                format!("{logits}; sentence-transformers applies {function} to it")
            }
        }
    }
}

impl Tokenizer {
    /// The same tokenizer, as `CrossEncoder` uses it.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when no pair fits the length that the files allow.
    pub(crate) fn for_cross_encoder(
        mut self,
        settings: &CrossEncoder,
        config: &Config,
    ) -> Result<Tokenizer> {
        self.prompt.clone_from(&settings.prompt);
        if let Some(most) = settings.max_tokens {
            let least = 2 + self.separators;
            if most < least {
                let what = format!("allows {most} tokens, a pair has {least} without texts");
                return Err(refuse(&format!("{TRANSFORMER}: max_seq_length"), &what));
            }
            self.max_tokens = most.min(config.max_tokens());
        }
        Ok(self)
    }
}

/// The prompt that is put before the first text of each pair.
fn prompt(settings: &Value) -> Result<String> {
    let field = "default_prompt_name";
    let refuse = |why: &str| Err(refuse(&format!("{SETTINGS}: {field}"), why));
    let name = match &settings[field] {
        Value::Null => return Ok(String::new()),
        Value::String(name) => name,
        _ => return refuse("is not a text"),
    };
    match settings["prompts"].get(name) {
        Some(Value::String(prompt)) => Ok(prompt.clone()),
        Some(Value::Null) => Ok(String::new()),
        Some(_) => refuse("names a prompt that is not a text"),
        None => refuse("names none of the prompts"),
    }
}

/// The longest pair. Whatever else would change the tokens is refused.
fn max_tokens(transformer: &Value) -> Result<Option<usize>> {
    let refuse = |field: &str, why: &str| Err(refuse(&format!("{TRANSFORMER}: {field}"), why));
    let mut most = &transformer["max_seq_length"];
    for field in ["tokenizer_args", "processor_kwargs"] {
        for (name, value) in transformer[field].as_object().into_iter().flatten() {
            match &name[..] {
                "model_max_length" => most = value,
                _ => return refuse(field, "changes the tokenizer, which is not supported"),
            }
        }
    }
    for field in ["do_lower_case", "processing_kwargs"] {
        match &transformer[field] {
            Value::Null | Value::Bool(false) => {}
            Value::Object(settings) if settings.is_empty() => {}
            _ => return refuse(field, "is set, which is not supported"),
        }
    }
    match most.as_f64() {
        Some(most) if most > NO_LIMIT => Ok(None),
        Some(most) if most >= 0.0 => Ok(Some(most as usize)),
        None if most.is_null() => Ok(None),
        _ => refuse("max_seq_length", "is not a number of tokens"),
    }
}

/// The name of a function of PyTorch; others would have to be executed to be known, and
/// sentence-transformers takes its default for them.
fn function(path: Option<&Value>) -> Option<String> {
    let (_, name) = path?.as_str().filter(|path| path.starts_with("torch."))?.rsplit_once('.')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (name.len() < 100 && name.chars().all(plain)).then(|| name.to_owned())
}

fn refuse(at_fault: &str, why: &str) -> Error {
    Error::new(ErrorKind::Config, at_fault, why)
}

#[cfg(test)]
mod tests;
