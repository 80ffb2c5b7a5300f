//! Order the candidates of one instruction.

use std::ops::ControlFlow;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::scorer::{Score, Scorer};

/// A candidate in its place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ranked {
    /// 1 for the best.
    pub rank: usize,
    /// Its place among the candidates as given, from 0.
    pub index: usize,
    /// The raw logit: how correct it is, nominally 0 to 1.
    pub score: f32,
    /// The candidate.
    pub text: String,
    /// Tokens that were cut because the pair was too long.
    pub truncated: usize,
}

impl Scorer {
    /// The best `top_k` of `candidates` (all of them for `None`), best first. Ties go to the
    /// earlier one.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] for a model with several labels, and as [`Scorer::score`].
    pub async fn rank(
        &self,
        instruction: &str,
        candidates: &[&str],
        top_k: Option<usize>,
    ) -> Result<Vec<Ranked>> {
        self.rank_each(instruction, candidates, top_k, &mut |_, _| ControlFlow::Continue(())).await
    }

    /// As [`Scorer::rank`], and calls `done` with each candidate's index and score as soon as its
    /// batch is finished, in the order given.
    ///
    /// # Errors
    /// As [`Scorer::rank`], and [`ErrorKind::Aborted`] once `done` has returned
    /// [`ControlFlow::Break`].
    pub async fn rank_each(
        &self,
        instruction: &str,
        candidates: &[&str],
        top_k: Option<usize>,
        done: &mut dyn FnMut(usize, &Score) -> ControlFlow<()>,
    ) -> Result<Vec<Ranked>> {
        self.needs_one_label("ranking")?;
        let pairs: Vec<_> = candidates.iter().map(|&response| (instruction, response)).collect();
        let mut scores = Vec::with_capacity(pairs.len());
        let mut collect = |index: usize, score: &Score| {
            scores.push(score.clone());
            done(index, score)
        };
        self.score_each(&pairs, &mut collect).await?;
        Ok(order(candidates, &scores, top_k))
    }

    /// Refuses a model with several labels for `work`, which needs one score for each pair.
    pub(crate) fn needs_one_label(&self, work: &str) -> Result<()> {
        match self.info().config.labels.len() {
            1 => Ok(()),
            labels => Err(Error::new(
                ErrorKind::Input,
                self.info().model.as_str(),
                format!("has {labels} labels; {work} needs a model with one"),
            )),
        }
    }
}

/// Scores have one finite logit each.
fn order(candidates: &[&str], scores: &[Score], top_k: Option<usize>) -> Vec<Ranked> {
    let mut indices: Vec<usize> = (0..scores.len()).collect();
    // A stable sort: ties stay in the order given.
    indices.sort_by(|&a, &b| scores[b].logits[0].total_cmp(&scores[a].logits[0]));
    indices
        .into_iter()
        .take(top_k.unwrap_or(usize::MAX))
        .zip(1..)
        .map(|(index, rank)| Ranked {
            rank,
            index,
            score: scores[index].logits[0],
            text: candidates[index].to_owned(),
            truncated: scores[index].truncated,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn best_first_and_ties_to_the_earlier() {
        let score = |logit| Score { logits: vec![logit], tokens: 5, truncated: 0 };
        let scores = [0.5, 0.9, 0.5, -0.1].map(score);
        let texts = ["a", "b", "c", "d"];
        let order_of = |top_k| {
            order(&texts, &scores, top_k).iter().map(|r| (r.rank, r.index)).collect::<Vec<_>>()
        };
        assert_eq!(order_of(None), [(1, 1), (2, 0), (3, 2), (4, 3)]);
        assert_eq!(order_of(Some(2)), [(1, 1), (2, 0)]);
        assert_eq!(order_of(Some(0)), []);
    }
}
