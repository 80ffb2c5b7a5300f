//! Choose among candidates while they arrive.

use std::future::poll_fn;
use std::pin::pin;

use futures_core::Stream;
use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::scorer::Scorer;

/// When to stop asking for candidates. By default never: all of them are scored.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BestOptions {
    /// A score that is good enough.
    pub enough: Option<f32>,
    /// So many candidates in a row that are no better than the best one before them.
    pub patience: Option<usize>,
    /// The most candidates to score.
    pub at_most: Option<usize>,
}

/// Why no more candidates were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stopped {
    /// One was good enough.
    Enough,
    /// None was better for a while.
    Patience,
    /// As many as allowed were scored.
    AtMost,
    /// There were no more.
    End,
}

/// The best of the candidates that were scored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Best {
    /// Its place among the candidates as they came, from 0.
    pub index: usize,
    /// The raw logit: how correct it is, nominally 0 to 1.
    pub score: f32,
    /// The candidate.
    pub text: String,
    /// Tokens that were cut because the pair was too long.
    pub truncated: usize,
    /// How many candidates were scored.
    pub scored: usize,
    /// Why no more were asked for.
    pub stopped: Stopped,
}

impl Scorer {
    /// Scores candidates as they come, such as the samples of a language model, and stops asking for more when
    /// `options` say so. Of equal scores the earlier candidate is the best. `None` where there was no candidate.
    /// The stream is dropped when the choice is made, which is how its maker learns of it.
    ///
    /// ```
    /// use cappy::{BestOptions, LoadOptions, ModelSource, Scorer};
    /// # fn main() -> cappy::Result<()> { pollster::block_on(async {
    /// let scorer = Scorer::load(ModelSource::Embedded, LoadOptions::default()).await?;
    /// let samples = futures_util::stream::iter(["Woof.", "A dog barks.", "What?"].map(String::from));
    /// let options = BestOptions { at_most: Some(2), ..BestOptions::default() };
    /// let best = scorer.best("Which animal barks?", samples, &options).await?.unwrap();
    /// assert_eq!(best.scored, 2);
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Input`] for an option that can never be met or for a model with several labels, and as
    /// [`Scorer::score`].
    pub async fn best(
        &self,
        instruction: &str,
        candidates: impl Stream<Item = String>,
        options: &BestOptions,
    ) -> Result<Option<Best>> {
        options.check()?;
        self.needs_one_label("choosing the best")?;
        let mut candidates = pin!(candidates);
        let mut best: Option<Best> = None;
        let mut since = 0;
        for index in 0.. {
            let Some(text) = poll_fn(|context| candidates.as_mut().poll_next(context)).await else {
                break;
            };
            let scores = self.score(&[(instruction, &text)]).await?;
            let (score, truncated) = (scores[0].logits[0], scores[0].truncated);
            let scored = index + 1;
            match &mut best {
                Some(best) if score <= best.score => {
                    best.scored = scored;
                    since += 1;
                }
                best => {
                    let stopped = Stopped::End;
                    *best = Some(Best { index, score, text, truncated, scored, stopped });
                    since = 0;
                }
            }
            let Some(best) = &mut best else { continue };
            if let Some(stopped) = options.stopped(best.score, since, scored) {
                best.stopped = stopped;
                break;
            }
        }
        Ok(best)
    }
}

impl BestOptions {
    fn check(&self) -> Result<()> {
        let refuse = |option: &str, what: &str| Err(Error::new(ErrorKind::Input, option, what));
        if self.enough.is_some_and(f32::is_nan) {
            return refuse("enough", "is not a number");
        }
        if self.patience == Some(0) {
            return refuse(
                "patience",
                "is 0; the first candidate would not be compared with any other",
            );
        }
        if self.at_most == Some(0) {
            return refuse("at_most", "is 0; nothing could be chosen");
        }
        Ok(())
    }

    fn stopped(&self, best: f32, since: usize, scored: usize) -> Option<Stopped> {
        if self.enough.is_some_and(|enough| best >= enough) {
            Some(Stopped::Enough)
        } else if self.patience.is_some_and(|patience| since >= patience) {
            Some(Stopped::Patience)
        } else if self.at_most.is_some_and(|most| scored >= most) {
            Some(Stopped::AtMost)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::stream;

    use super::*;
    use crate::{LoadOptions, ModelSource};

    const INSTRUCTION: &str = "Name the animal that barks.";
    const CANDIDATES: [&str; 6] = ["cat", "a dog", "dog", "dog", "sofa", "the dog barks"];

    #[test]
    fn the_best_is_that_of_ranking_and_no_more_is_asked_for_than_needed() {
        pollster::block_on(async {
            let scorer = Scorer::load(ModelSource::Embedded, LoadOptions::default()).await.unwrap();
            let pairs = CANDIDATES.map(|text| (INSTRUCTION, text));
            let scores: Vec<f32> =
                scorer.score(&pairs).await.unwrap().iter().map(|score| score.logits[0]).collect();
            let first_best_of = |count: usize| {
                let top = scores[..count].iter().copied().fold(f32::NEG_INFINITY, f32::max);
                scores.iter().position(|score| *score == top).unwrap()
            };
            let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            // How many candidates there are until none was better three times.
            let patient = {
                let (mut best, mut since, mut count) = (f32::NEG_INFINITY, 0, 0);
                for score in &scores {
                    count += 1;
                    since = if *score > best { 0 } else { since + 1 };
                    best = best.max(*score);
                    if since == 3 {
                        break;
                    }
                }
                (count, if since == 3 { Stopped::Patience } else { Stopped::End })
            };
            let none = BestOptions::default();
            for (options, (count, why)) in [
                (none.clone(), (6, Stopped::End)),
                (BestOptions { at_most: Some(2), ..none.clone() }, (2, Stopped::AtMost)),
                (
                    BestOptions { enough: Some(top), ..none.clone() },
                    (first_best_of(6) + 1, Stopped::Enough),
                ),
                (BestOptions { patience: Some(3), ..none.clone() }, patient),
            ] {
                let asked = Cell::new(0);
                let samples = stream::iter(CANDIDATES.iter().map(|text| {
                    asked.set(asked.get() + 1);
                    text.to_string()
                }));
                let best = scorer.best(INSTRUCTION, samples, &options).await.unwrap().unwrap();
                assert_eq!((best.scored, best.stopped), (count, why), "{options:?}");
                assert_eq!(asked.get(), count, "{options:?}");
                assert_eq!(best.index, first_best_of(count), "{options:?}");
                assert_eq!(best.score, scores[best.index]);
                assert_eq!(best.text, CANDIDATES[best.index]);
            }
            let nothing = scorer.best(INSTRUCTION, stream::empty(), &none).await.unwrap();
            assert_eq!(nothing, None);
        });
    }

    #[test]
    fn options_that_cannot_be_met_are_refused_by_name() {
        let none = BestOptions::default();
        for (options, at_fault) in [
            (BestOptions { enough: Some(f32::NAN), ..none.clone() }, "enough"),
            (BestOptions { patience: Some(0), ..none.clone() }, "patience"),
            (BestOptions { at_most: Some(0), ..none.clone() }, "at_most"),
        ] {
            assert_eq!(options.check().unwrap_err().at_fault(), at_fault);
        }
    }
}
