//! How a question about a state becomes pairs that a model scores, and scores become probabilities.

use serde::{Deserialize, Serialize};

use crate::checkpoint::source::{Files, read_all};
use crate::config::{Config, Family};
use crate::error::{Error, ErrorKind, Result};

/// The file beside a model's weights that has its rendering.
pub const FILE: &str = "decide.json";

/// A rendering is much smaller than this.
const MOST_BYTES: u64 = 1 << 20;

/// What scores are divided by before the softmax, for each type of question: a model may be surer of one than of
/// another. In JSON it is an object of these, or one number for all.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "OneOrEach")]
pub struct Temperature {
    /// For choices.
    pub choice: f64,
    /// For scores.
    pub score: f64,
    /// For yes-or-no questions.
    pub boolean: f64,
}

impl From<f64> for Temperature {
    fn from(all: f64) -> Self {
        Temperature { choice: all, score: all, boolean: all }
    }
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "temperature: is neither a number nor an object of choice, score and boolean"
)]
enum OneOrEach {
    One(f64),
    Each(Each),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Each {
    choice: f64,
    score: f64,
    boolean: f64,
}

impl From<OneOrEach> for Temperature {
    fn from(read: OneOrEach) -> Self {
        match read {
            OneOrEach::One(all) => all.into(),
            OneOrEach::Each(Each { choice, score, boolean }) => {
                Temperature { choice, score, boolean }
            }
        }
    }
}

/// How a model is asked. It belongs to the model: the file `decide.json` beside its weights has it as
/// JSON, where fields that are missing are as in [`Rendering::of`].
///
/// ```
/// use cappy::decide::Rendering;
/// let rendering = Rendering { temperature: 0.5.into(), ..Rendering::default() };
/// assert_eq!(rendering.instruction, "Question: {question}\n\n{state}");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rendering {
    /// The pair's instruction, of `{question}` and `{state}`. A pair that is too long loses its end.
    pub instruction: String,
    /// The pair's response, of `{option}` and, where a model reads statements, `{question}`.
    pub response: String,
    /// An option that has a description, of `{name}` and `{description}`. Without one it is its name.
    pub described: String,
    /// The option that stands for true.
    pub yes: String,
    /// The option that stands for false.
    pub no: String,
    /// The question where none is given.
    pub unasked: String,
    /// What scores are divided by before the softmax.
    pub temperature: Temperature,
}

impl Default for Rendering {
    /// What Cappy-like models take, whose scores are about 0 to 1.
    fn default() -> Self {
        Rendering {
            instruction: "Question: {question}\n\n{state}".into(),
            response: "{option}".into(),
            described: "{name}: {description}".into(),
            yes: "yes".into(),
            no: "no".into(),
            unasked: "Which of these is right?".into(),
            temperature: 0.2.into(),
        }
    }
}

impl Rendering {
    /// The rendering of a model without a file of its own. Rerankers have any real number as score, so
    /// their temperature is 1; where labels are those of natural language inference, the state is the
    /// premise and each option makes a statement.
    pub fn of(config: &Config) -> Rendering {
        let cappy = Rendering::default();
        match (config.labels.len(), config.family) {
            (1, Family::Roberta) => cappy,
            (1, _) => Rendering { temperature: 1.0.into(), ..cappy },
            _ => Rendering {
                instruction: "{state}".into(),
                response: "{question} {option}".into(),
                temperature: 1.0.into(),
                ..cappy
            },
        }
    }

    /// The file [`FILE`] of a model's folder, or else [`Rendering::of`].
    ///
    /// # Errors
    /// [`ErrorKind::Config`] naming the file and the field at fault, or what reading it gives.
    pub(crate) async fn read(files: &dyn Files, config: &Config) -> Result<Rendering> {
        match read_all(files, FILE, MOST_BYTES).await? {
            Some(json) => Rendering::from_json(&json, config),
            None => Ok(Rendering::of(config)),
        }
    }

    /// Reads the file's bytes for a model.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] naming the field at fault.
    pub fn from_json(json: &[u8], config: &Config) -> Result<Rendering> {
        let refuse = |what: String| Error::new(ErrorKind::Config, FILE, what);
        let text = crate::lines::text(json).map_err(refuse)?;
        let broken = |error: serde_json::Error| refuse(crate::lines::json_fault(&error));
        let given: serde_json::Value = serde_json::from_str(text).map_err(broken)?;
        let serde_json::Value::Object(given) = given else {
            return Err(refuse("is not a JSON object".into()));
        };
        let serde_json::Value::Object(mut all) =
            serde_json::to_value(Rendering::of(config)).map_err(broken)?
        else {
            return Err(refuse("cannot be written".into()));
        };
        all.extend(given);
        let rendering: Rendering = serde_json::from_value(all.into()).map_err(broken)?;
        rendering.check()?;
        Ok(rendering)
    }

    /// Whether questions can be asked and answered with it.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] naming the field at fault.
    pub fn check(&self) -> Result<()> {
        let refuse = |field: &str, what: &str| {
            Err(Error::new(ErrorKind::Config, format!("{FILE}: {field}"), what))
        };
        if !self.instruction.contains("{state}") {
            return refuse("instruction", "has no {state}");
        }
        if !(self.instruction.contains("{question}") || self.response.contains("{question}")) {
            return refuse("instruction", "has no {question}, and neither has response");
        }
        if !self.response.contains("{option}") {
            return refuse("response", "has no {option}");
        }
        if !self.described.contains("{name}") || !self.described.contains("{description}") {
            return refuse("described", "lacks {name} or {description}");
        }
        if self.yes == self.no {
            return refuse("yes", "is the same as no");
        }
        let Temperature { choice, score, boolean } = self.temperature;
        if ![choice, score, boolean].iter().all(|number| number.is_finite() && *number > 0.0) {
            return refuse("temperature", "is not a number above 0");
        }
        Ok(())
    }
}

/// `template` with each `{name}` replaced by its value. What a value has in braces stays as it is.
pub(crate) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        rest = &rest[open..];
        let found = values.iter().find(|(name, _)| {
            rest[1..].strip_prefix(name).is_some_and(|after| after.starts_with('}'))
        });
        match found {
            Some((name, value)) => {
                out.push_str(value);
                rest = &rest[name.len() + 2..];
            }
            None => {
                out.push('{');
                rest = &rest[1..];
            }
        }
    }
    out + rest
}
