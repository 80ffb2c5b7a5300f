//! Answer typed questions about a state, with probabilities.
//!
//! Each option of a question is scored as a response to the rendered state and question, and a softmax
//! over the scores makes probabilities of them. See [`Rendering`] for how a model is asked, and
//! [`Scorer::decide`] for an example.

mod content;
mod probability;
mod question;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::Value;

use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::scorer::{Score, Scorer};

pub use crate::rendering::{FILE, Rendering, Temperature};
pub use content::Content;
pub use probability::probabilities;
pub use question::{Decision, Question, YesNo};

use crate::rendering::fill;

/// The answers to the questions of a [`Decision`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Decided {
    /// An answer for each question by its name, in the questions' order; an object in JSON.
    #[serde(serialize_with = "object")]
    pub answers: Vec<(String, Answer)>,
    /// The most tokens that were cut from a pair because the state is too long; 0 if none were.
    pub truncated: usize,
}

/// The answer to one question.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Answer {
    /// To a choice.
    Choice {
        /// The most probable option; of equal ones the first by name.
        choice: String,
        /// Every option's probability, in the order of the options.
        #[serde(serialize_with = "object")]
        probabilities: Vec<(String, f64)>,
    },
    /// To a score.
    Score {
        /// The mean of the levels' numbers, from 0, by their probabilities.
        score: f64,
        /// Every level's probability by its number.
        #[serde(serialize_with = "object")]
        probabilities: Vec<(String, f64)>,
    },
    /// To a boolean question.
    Boolean {
        /// The probability of yes.
        probability: f64,
    },
}

/// The pairs of a decision, and how their scores become its answers. [`Scorer::decide`] does this for one
/// decision; what scores many of them together uses it directly.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// (instruction, response) of each option of each question, in order.
    pub pairs: Vec<(String, String)>,
    questions: Vec<Planned>,
    temperature: Temperature,
    /// The label whose logit is the score.
    label: usize,
}

#[derive(Debug, Clone, PartialEq)]
struct Planned {
    name: String,
    kind: Kind,
    /// What the options are called in the answer.
    options: Vec<String>,
}

/// The type of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Which of several options?
    Choice,
    /// How much, on ordered levels?
    Score,
    /// Yes or no?
    Boolean,
}

impl Temperature {
    /// That of questions of a type.
    pub fn of(&self, kind: Kind) -> f64 {
        match kind {
            Kind::Choice => self.choice,
            Kind::Score => self.score,
            Kind::Boolean => self.boolean,
        }
    }
}

impl Plan {
    /// Renders `decision` for a model of `config`.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] naming the question that cannot be answered, or the model if it has several
    /// labels of which none is `entailment`; [`ErrorKind::Config`] for a rendering that cannot be used.
    pub fn new(decision: &Decision, rendering: &Rendering, config: &Config) -> Result<Plan> {
        rendering.check()?;
        decision.check()?;
        let label = label_of(config)?;
        let state = decision.state.text();
        let mut plan = Plan {
            pairs: Vec::new(),
            questions: Vec::new(),
            temperature: rendering.temperature,
            label,
        };
        for (name, question) in &decision.questions {
            let asked = question.instructions().map(Content::text);
            let asked = asked.as_deref().unwrap_or(&rendering.unasked);
            let values = [("question", asked), ("state", &state)];
            let instruction = fill(&rendering.instruction, &values);
            let described = |name: &str, description: &Option<Content>| match description {
                None => name.to_owned(),
                Some(text) => {
                    fill(&rendering.described, &[("name", name), ("description", &text.text())])
                }
            };
            let (kind, options): (Kind, Vec<(String, String)>) = match question {
                Question::Choice { criteria, .. } => {
                    let option = |(name, text): &(String, _)| (name.clone(), described(name, text));
                    (Kind::Choice, criteria.iter().map(option).collect())
                }
                Question::Score { criteria, .. } => {
                    let level = |(number, text): (usize, &Option<Content>)| {
                        let number = number.to_string();
                        let text = text.as_ref().map_or_else(|| number.clone(), Content::text);
                        (number, text)
                    };
                    (Kind::Score, criteria.iter().enumerate().map(level).collect())
                }
                Question::Boolean { criteria, .. } => {
                    let means = criteria.clone().unwrap_or_default();
                    let yes = ("true".to_owned(), described(&rendering.yes, &means.r#true));
                    let no = ("false".to_owned(), described(&rendering.no, &means.r#false));
                    (Kind::Boolean, vec![yes, no])
                }
            };
            for (_, option) in &options {
                let response =
                    fill(&rendering.response, &[("question", asked), ("option", option)]);
                plan.pairs.push((instruction.clone(), response));
            }
            let options = options.into_iter().map(|(name, _)| name).collect();
            plan.questions.push(Planned { name: name.clone(), kind, options });
        }
        Ok(plan)
    }

    /// The scores that softmax takes, for each question in order: its type, and the scores of its options.
    /// `scores` are of [`Plan::pairs`].
    pub fn by_question(&self, scores: &[Score]) -> Vec<(Kind, Vec<f32>)> {
        let mut rest = scores.iter().map(|score| score.logits[self.label]);
        let mut of = |q: &Planned| (q.kind, rest.by_ref().take(q.options.len()).collect());
        self.questions.iter().map(&mut of).collect()
    }

    /// The place of the right option of each question, in order, by what `answers` has for its name: the
    /// name of an option, the number of a level, or true or false; `None` where it has nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] naming the question whose answer is none of its options.
    pub fn right(&self, answers: &serde_json::Map<String, Value>) -> Result<Vec<Option<usize>>> {
        if let Some(name) =
            answers.keys().find(|name| self.questions.iter().all(|q| q.name != **name))
        {
            return Err(Error::new(ErrorKind::Input, format!("answers.{name}"), "is no question"));
        }
        let place = |question: &Planned| {
            let Some(answer) = answers.get(&question.name) else { return Ok(None) };
            let said = match (question.kind, answer) {
                (Kind::Choice, Value::String(option)) => option.clone(),
                (Kind::Score, Value::Number(level)) => level.to_string(),
                (Kind::Boolean, Value::Bool(truth)) => truth.to_string(),
                _ => String::new(),
            };
            match question.options.iter().position(|option| *option == said) {
                Some(place) => Ok(Some(place)),
                None => {
                    let at = format!("answers.{}", question.name);
                    let what =
                        format!("is {answer}, which is none of {}", question.options.join(", "));
                    Err(Error::new(ErrorKind::Input, at, what))
                }
            }
        };
        self.questions.iter().map(place).collect()
    }

    /// The answers, from the scores of [`Plan::pairs`].
    pub fn answers(&self, scores: &[Score]) -> Decided {
        let of_questions = self.by_question(scores);
        let answers = self.questions.iter().zip(&of_questions);
        Decided {
            answers: answers
                .map(|(q, (_, s))| (q.name.clone(), q.answer(s, &self.temperature)))
                .collect(),
            truncated: scores.iter().map(|score| score.truncated).max().unwrap_or_default(),
        }
    }

    /// The question whose last pair is the one at `index`, counted from 0.
    fn ends_at(&self, index: usize) -> Option<(usize, usize)> {
        let mut end = 0;
        for (place, question) in self.questions.iter().enumerate() {
            end += question.options.len();
            if end == index + 1 {
                return Some((place, question.options.len()));
            }
        }
        None
    }
}

impl Planned {
    fn answer(&self, scores: &[f32], temperature: &Temperature) -> Answer {
        let shares = probabilities(scores, temperature.of(self.kind));
        let named = || self.options.iter().cloned().zip(shares.iter().copied()).collect();
        match self.kind {
            Kind::Choice => {
                let options = self.options.iter().zip(scores);
                // By name in the order of JavaScript's texts, so that pages choose the same.
                let best = options.max_by(|a, b| {
                    let by_name = || b.0.encode_utf16().cmp(a.0.encode_utf16());
                    a.1.total_cmp(b.1).then_with(by_name)
                });
                let choice = best.map(|(name, _)| name.clone()).unwrap_or_default();
                Answer::Choice { choice, probabilities: named() }
            }
            Kind::Score => {
                let score = shares.iter().enumerate().map(|(level, p)| level as f64 * p).sum();
                Answer::Score { score, probabilities: named() }
            }
            Kind::Boolean => Answer::Boolean { probability: shares[0] },
        }
    }
}

impl Scorer {
    /// Answers the questions of `decision`. `rendering` takes the place of the model's own.
    ///
    /// The order of options and of questions changes no bit of an answer.
    ///
    /// ```
    /// use cappy::decide::{Answer, Decision};
    /// use cappy::{LoadOptions, ModelSource, Scorer};
    /// # fn main() -> cappy::Result<()> { pollster::block_on(async {
    /// let scorer = Scorer::load(ModelSource::Embedded, LoadOptions::default()).await?;
    /// let decision = Decision::from_json(r#"{
    ///     "state": "The parcel arrived broken, and I want my money back.",
    ///     "questions": { "refund": { "type": "boolean", "instructions": "Is a refund asked for?" } }
    /// }"#)?;
    /// let decided = scorer.decide(&decision, None).await?;
    /// assert!(matches!(decided.answers[0].1, Answer::Boolean { probability } if probability <= 1.0));
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// As [`Plan::new`] and [`Scorer::score`].
    pub async fn decide(
        &self,
        decision: &Decision,
        rendering: Option<&Rendering>,
    ) -> Result<Decided> {
        self.decide_each(decision, rendering, &mut |_, _| ControlFlow::Continue(())).await
    }

    /// As [`Scorer::decide`], and calls `done` with each question's name and answer as soon as its pairs
    /// are scored, in the questions' order.
    ///
    /// # Errors
    /// As [`Scorer::decide`], and [`ErrorKind::Aborted`] once `done` has returned [`ControlFlow::Break`].
    pub async fn decide_each(
        &self,
        decision: &Decision,
        rendering: Option<&Rendering>,
        done: &mut dyn FnMut(&str, &Answer) -> ControlFlow<()>,
    ) -> Result<Decided> {
        let plan = Plan::new(decision, rendering.unwrap_or(self.rendering()), &self.info().config)?;
        let pairs: Vec<(&str, &str)> = plan.pairs.iter().map(|(a, b)| (&**a, &**b)).collect();
        let mut scores: Vec<Score> = Vec::with_capacity(pairs.len());
        let mut collect = |index: usize, score: &Score| {
            scores.push(score.clone());
            let Some((place, count)) = plan.ends_at(index) else {
                return ControlFlow::Continue(());
            };
            let last = scores[index + 1 - count..].iter().map(|score| score.logits[plan.label]);
            let question = &plan.questions[place];
            let answer = question.answer(&last.collect::<Vec<_>>(), &plan.temperature);
            done(&question.name, &answer)
        };
        self.score_each(&pairs, &mut collect).await?;
        Ok(plan.answers(&scores))
    }
}

/// Which label's logit says that an option is right.
fn label_of(config: &Config) -> Result<usize> {
    let labels = &config.labels;
    let is_entailment = |label: &String| label.eq_ignore_ascii_case("entailment");
    match labels.len() {
        1 => Ok(0),
        _ => labels.iter().position(is_entailment).ok_or_else(|| {
            let what = format!(
                "has the labels {}; decisions need a model with one output, or with a label `entailment`",
                labels.join(", ")
            );
            Error::new(ErrorKind::Input, "model", what)
        }),
    }
}

/// Pairs as an object of JSON, in their order.
fn object<V: Serialize, S: Serializer>(
    entries: &[(String, V)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(entries.len()))?;
    for (key, value) in entries {
        map.serialize_entry(key, value)?;
    }
    map.end()
}
