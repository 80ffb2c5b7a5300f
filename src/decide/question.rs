//! Questions about a state, as people write them in JSON.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::content::{Content, in_order};
use crate::error::{Error, ErrorKind, Result};

/// The fewest and the most options of a choice, and levels of a score.
const OPTIONS: std::ops::RangeInclusive<usize> = 2..=256;

/// A state, and what is asked about it.
///
/// ```
/// use cappy::decide::Decision;
/// let decision = Decision::from_json(r#"{
///     "state": { "message": "I was charged twice." },
///     "questions": {
///         "team": { "type": "choice", "instructions": "Which team should handle this?",
///                   "criteria": { "billing": "Payments and refunds", "support": null } },
///         "refund": { "type": "boolean", "instructions": "Does the customer ask for money back?" }
///     }
/// }"#)?;
/// assert_eq!(decision.questions.len(), 2);
/// # Ok::<(), cappy::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// What the questions are about.
    pub state: Content,
    /// The questions by their names, in the order given.
    pub questions: Vec<(String, Question)>,
}

/// A question. Fields of other names are errors when it is read from JSON.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub enum Question {
    /// Which of several options?
    Choice {
        /// The question. Without one, the rendering's [`super::Rendering::unasked`].
        #[serde(default)]
        instructions: Option<Content>,
        /// 2 to 256 options by name, with descriptions or `null`.
        #[serde(deserialize_with = "entries")]
        criteria: Vec<(String, Option<Content>)>,
    },
    /// How much, on ordered levels? The answer is the mean level by probability.
    Score {
        /// The question.
        #[serde(default)]
        instructions: Option<Content>,
        /// 2 to 256 levels from the lowest on; `null` is called by its number, from 0.
        criteria: Vec<Option<Content>>,
    },
    /// Yes or no?
    Boolean {
        /// The question. It may be missing where `criteria` has a description.
        #[serde(default)]
        instructions: Option<Content>,
        /// What yes and no mean.
        #[serde(default)]
        criteria: Option<YesNo>,
    },
}

/// What the two answers to a boolean question mean.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct YesNo {
    /// What yes means.
    pub r#true: Option<Content>,
    /// What no means.
    pub r#false: Option<Content>,
}

impl Decision {
    /// Reads `{"state": …, "questions": {…}}`; other fields are left alone.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] naming the question and the field at fault.
    pub fn from_json(json: &str) -> Result<Decision> {
        let refuse = |at: &str, what: String| Error::new(ErrorKind::Input, at, what);
        let parse =
            |at: &str, error: &serde_json::Error| refuse(at, crate::lines::json_fault(error));
        // serde would take an array for an object's fields in order.
        if !json.trim_start().starts_with('{') {
            return Err(refuse("decision", "is not a JSON object".into()));
        }
        // What is no JSON at all is said with its column, before anything is said of fields.
        let checked: serde_json::Result<IgnoredAny> = serde_json::from_str(json);
        checked.map_err(|error| parse("decision", &error))?;
        let fields: Fields =
            serde_json::from_str(json).map_err(|error| parse("decision", &error))?;
        fields.decision()
    }

    /// Whether every question can be answered.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] naming the question and what it lacks.
    pub fn check(&self) -> Result<()> {
        if self.questions.is_empty() {
            return Err(Error::new(ErrorKind::Input, "questions", "are none"));
        }
        self.questions
            .iter()
            .try_for_each(|(name, question)| question.check(&format!("questions.{name}")))
    }
}

impl Question {
    fn check(&self, at: &str) -> Result<()> {
        let refuse = |field: &str, what: String| {
            Err(Error::new(ErrorKind::Input, format!("{at}.{field}"), what))
        };
        match self {
            Question::Choice { criteria, .. } if !OPTIONS.contains(&criteria.len()) => {
                refuse("criteria", format!("has {}; a choice has 2 to 256 options", criteria.len()))
            }
            Question::Score { criteria, .. } if !OPTIONS.contains(&criteria.len()) => {
                refuse("criteria", format!("has {}; a score has 2 to 256 levels", criteria.len()))
            }
            Question::Boolean { instructions: None, criteria }
                if criteria.as_ref().is_none_or(|c| c.r#true.is_none() && c.r#false.is_none()) =>
            {
                refuse("instructions", "is missing, and criteria describes neither answer".into())
            }
            _ => Ok(()),
        }
    }

    /// What is asked.
    pub(super) fn instructions(&self) -> Option<&Content> {
        match self {
            Question::Choice { instructions, .. }
            | Question::Score { instructions, .. }
            | Question::Boolean { instructions, .. } => instructions.as_ref(),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Fields {
    state: Option<Content>,
    questions: Option<Entries<Question>>,
}

impl Fields {
    pub(super) fn decision(self) -> Result<Decision> {
        let missing = |field: &str, what: &str| Error::new(ErrorKind::Input, field, what);
        let state = self.state.ok_or_else(|| missing("state", "is missing"))?;
        let questions = self.questions.ok_or_else(|| missing("questions", "are missing"))?.0;
        let decision = Decision { state, questions };
        decision.check()?;
        Ok(decision)
    }
}

/// An object with its entries in order.
struct Entries<V>(Vec<(String, V)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Entries<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Object<V> {
            type Value = Entries<V>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Entries<V>, A::Error> {
                in_order(map).map(Entries)
            }
        }
        deserializer.deserialize_map(Object(PhantomData))
    }
}

fn entries<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<(String, Option<Content>)>, D::Error> {
    Entries::deserialize(deserializer).map(|entries| entries.0)
}
