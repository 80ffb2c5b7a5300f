//! What each word or sentence does to a score, by leaving it out.
//!
//! The effect of a unit is the score minus the score without it. See [`Scorer::explain`] for an example.

mod units;

use std::ops::ControlFlow;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::scorer::{Score, Scorer};

pub use units::Unit;
use units::{units, without};

/// A text with more words than this is explained by sentences, unless words are asked for.
const MANY_WORDS: usize = 64;

/// What to explain, and how finely.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplainOptions {
    /// Words or sentences; by default words where there are at most 64 of them.
    pub unit: Option<Unit>,
    /// The text whose units are left out.
    pub of: Part,
    /// The most units. One pair is scored for each.
    pub at_most: usize,
}

impl Default for ExplainOptions {
    /// Words or sentences of the response, at most 512.
    fn default() -> Self {
        ExplainOptions { unit: None, of: Part::Response, at_most: 512 }
    }
}

/// A text of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The second one.
    Response,
    /// The first one.
    Instruction,
}

/// What each unit of a text does to the score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The raw logit of the whole pair.
    pub score: f32,
    /// Tokens that were cut because the pair was too long. A unit that was cut has no effect of its own.
    pub truncated: usize,
    /// What the units are.
    pub unit: Unit,
    /// The units in the order of the text.
    pub units: Vec<Effect>,
}

/// What a unit does to the score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Effect {
    /// The unit.
    pub text: String,
    /// Where it begins, in bytes of the text.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// The score minus the score without it: above 0 it raises the score.
    pub effect: f32,
}

/// The pairs of an explanation, and how their scores become its effects. [`Scorer::explain`] makes one by itself;
/// what shows progress makes it first, because it knows how many pairs there are.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The whole (instruction, response), and then the same without each unit.
    pub pairs: Vec<(String, String)>,
    unit: Unit,
    /// Units without their effects.
    units: Vec<Effect>,
}

impl Plan {
    /// Divides a text of the pair into units.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] naming the text that has no units, or more than `options` allow.
    pub fn new(instruction: &str, response: &str, options: &ExplainOptions) -> Result<Plan> {
        let (name, text) = match options.of {
            Part::Response => ("response", response),
            Part::Instruction => ("instruction", instruction),
        };
        let refuse = |what: String| Err(Error::new(ErrorKind::Input, name, what));
        let (unit, ranges) = match options.unit {
            Some(unit) => (unit, units(text, unit)),
            None => match units(text, Unit::Word) {
                words if words.len() <= MANY_WORDS => (Unit::Word, words),
                _ => (Unit::Sentence, units(text, Unit::Sentence)),
            },
        };
        if ranges.is_empty() {
            return refuse("has no words".into());
        }
        if ranges.len() > options.at_most {
            let (count, most) = (ranges.len(), options.at_most);
            return refuse(match unit {
                Unit::Word => format!(
                    "has {count} words, and at most {most} are left out one by one; leave out sentences, or allow more"
                ),
                Unit::Sentence => format!(
                    "has {count} sentences, and at most {most} are left out one by one; allow more"
                ),
            });
        }
        let mut pairs = vec![(instruction.to_owned(), response.to_owned())];
        pairs.extend(ranges.iter().map(|range| match options.of {
            Part::Response => (instruction.to_owned(), without(response, range)),
            Part::Instruction => (without(instruction, range), response.to_owned()),
        }));
        let bare = |range: std::ops::Range<usize>| Effect {
            text: text[range.clone()].to_owned(),
            start: range.start,
            end: range.end,
            effect: 0.0,
        };
        Ok(Plan { pairs, unit, units: ranges.into_iter().map(bare).collect() })
    }

    /// The effects, from the scores of [`Plan::pairs`].
    fn explanation(self, scores: &[Score]) -> Explanation {
        let whole = &scores[0];
        let score = whole.logits[0];
        let effects = self.units.into_iter().zip(&scores[1..]);
        let units =
            effects.map(|(unit, rest)| Effect { effect: score - rest.logits[0], ..unit }).collect();
        Explanation { score, truncated: whole.truncated, unit: self.unit, units }
    }
}

impl Scorer {
    /// What each word or sentence of a text does to the score of its pair, by leaving it out. All pairs go
    /// through the same batches as other scores do.
    ///
    /// ```
    /// use cappy::explain::ExplainOptions;
    /// use cappy::{LoadOptions, ModelSource, Scorer};
    /// # fn main() -> cappy::Result<()> { pollster::block_on(async {
    /// let scorer = Scorer::load(ModelSource::Embedded, LoadOptions::default()).await?;
    /// let options = ExplainOptions::default();
    /// let explained = scorer.explain("Which animal barks?", "A dog barks.", &options).await?;
    /// let words: Vec<&str> = explained.units.iter().map(|unit| unit.text.as_str()).collect();
    /// assert_eq!(words, ["A", "dog", "barks"]);
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Input`] for a model with several labels, and as [`Plan::new`] and [`Scorer::score`].
    pub async fn explain(
        &self,
        instruction: &str,
        response: &str,
        options: &ExplainOptions,
    ) -> Result<Explanation> {
        let plan = Plan::new(instruction, response, options)?;
        self.explain_each(plan, &mut |_, _| ControlFlow::Continue(())).await
    }

    /// As [`Scorer::explain`], and calls `done` with the index and the score of each pair of `plan`.
    ///
    /// # Errors
    /// As [`Scorer::explain`], and [`ErrorKind::Aborted`] once `done` has returned [`ControlFlow::Break`].
    pub async fn explain_each(
        &self,
        plan: Plan,
        done: &mut dyn FnMut(usize, &Score) -> ControlFlow<()>,
    ) -> Result<Explanation> {
        self.needs_one_label("explaining")?;
        let pairs: Vec<(&str, &str)> = plan.pairs.iter().map(|(a, b)| (&**a, &**b)).collect();
        let mut scores = Vec::with_capacity(pairs.len());
        let mut collect = |index: usize, score: &Score| {
            scores.push(score.clone());
            done(index, score)
        };
        self.score_each(&pairs, &mut collect).await?;
        Ok(plan.explanation(&scores))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::{LoadOptions, ModelSource};

    /// A text, and what both this crate and the package divide it into.
    #[derive(Deserialize)]
    struct Case {
        text: String,
        words: Vec<String>,
        sentences: Vec<String>,
    }

    #[test]
    fn texts_are_divided_as_in_the_package() {
        let json = include_str!("../../tests/fixtures/explain/units.json");
        let cases: Vec<Case> = serde_json::from_str(json).unwrap();
        assert!(cases.len() > 10);
        for Case { text, words, sentences } in cases {
            let of = |unit| -> Vec<&str> {
                units(&text, unit).into_iter().map(|range| &text[range]).collect()
            };
            assert_eq!(of(Unit::Word), words, "{text}");
            assert_eq!(of(Unit::Sentence), sentences, "{text}");
        }
    }

    #[test]
    fn a_unit_is_left_out_with_the_spaces_after_it() {
        for (text, unit, rest) in [
            ("It is Paris.", "is", "It Paris."),
            ("It is Paris.", "Paris", "It is."),
            ("It is Paris", "Paris", "It is"),
            ("It  is\tParis", "It", "is\tParis"),
            ("one", "one", ""),
            ("我喜欢", "喜", "我欢"),
        ] {
            let start = text.find(unit).unwrap();
            assert_eq!(without(text, &(start..start + unit.len())), rest);
        }
    }

    #[test]
    fn effects_are_differences_of_scores() {
        pollster::block_on(async {
            let scorer = Scorer::load(ModelSource::Embedded, LoadOptions::default()).await.unwrap();
            let (question, answer) =
                ("Which animal barks at night?", "The dog barks. The cat sleeps.");
            let options = |unit, of| ExplainOptions { unit: Some(unit), of, at_most: 9 };
            for (unit, of, shorter) in [
                (Unit::Sentence, Part::Response, "The cat sleeps."),
                (Unit::Word, Part::Instruction, "animal barks at night?"),
            ] {
                let explained = scorer.explain(question, answer, &options(unit, of)).await.unwrap();
                let pairs = match of {
                    Part::Response => [(question, answer), (question, shorter)],
                    Part::Instruction => [(question, answer), (shorter, answer)],
                };
                let scores = scorer.score(&pairs).await.unwrap();
                let [whole, rest] = [0, 1].map(|i| scores[i].logits[0]);
                assert_eq!((explained.score, explained.unit), (whole, unit));
                assert_eq!(explained.units[0].effect, whole - rest);
                assert_ne!(explained.units[0].effect, explained.units[1].effect);
            }
        });
    }

    #[test]
    fn long_texts_are_explained_by_sentences_and_too_long_ones_refused() {
        let sentence = "This one has just six words. ";
        let plan = |count: usize, unit, at_most| {
            let options = ExplainOptions { unit, at_most, ..ExplainOptions::default() };
            Plan::new("Talk.", &sentence.repeat(count), &options)
        };
        assert_eq!(plan(10, None, 512).unwrap().unit, Unit::Word);
        assert_eq!(plan(10, None, 512).unwrap().pairs.len(), 61);
        assert_eq!(plan(11, None, 512).unwrap().unit, Unit::Sentence);
        assert_eq!(plan(11, Some(Unit::Word), 512).unwrap().units.len(), 66);
        let error = plan(11, Some(Unit::Word), 65).unwrap_err();
        assert_eq!(error.at_fault(), "response");
        assert!(error.what().starts_with("has 66 words, and at most 65"), "{error}");
        assert!(plan(11, Some(Unit::Sentence), 10).unwrap_err().what().contains("11 sentences"));
        for unit in [None, Some(Unit::Word)] {
            let options = ExplainOptions { unit, ..ExplainOptions::default() };
            assert_eq!(Plan::new("a", " …", &options).unwrap_err().what(), "has no words");
        }
    }
}
