//! The scores of all pairs, going on from those that are there.

use crate::Questions;
use cappy::{Error, ErrorKind, Result};
use cappy::{Score, Scorer};

/// Kept scores are not those of another model where scoring some of them again moves none by
/// more: what rounding may move (other kernels, f16 or f32).
const SAME_MODEL: f32 = 2e-3;

/// So many kept scores are looked at.
const SAMPLES: usize = 16;

/// The score of one of [`Questions::pairs`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairScore {
    /// The raw logit.
    pub score: f32,
    /// Tokens that were cut because the pair was too long.
    pub truncated: usize,
}

impl From<&Score> for PairScore {
    fn from(score: &Score) -> PairScore {
        PairScore { score: score.logits[0], truncated: score.truncated }
    }
}

/// Scores [`Questions::pairs`]. `kept` are the scores of the first of them from an earlier run;
/// `done` gets those of each batch as it is finished, to keep them.
///
/// A pair's score does not depend on the others, so a run that goes on gives what an unbroken one
/// gives, to the bit where the same kernels run.
///
/// # Errors
/// [`ErrorKind::Input`] for a model with several labels and where `kept` are another model's
/// scores; what is wrong with a pair, naming its file and line; what `done` says.
pub async fn score(
    scorer: &Scorer,
    questions: &Questions,
    kept: Vec<PairScore>,
    done: &mut dyn FnMut(&[PairScore]) -> Result<()>,
) -> Result<Vec<PairScore>> {
    let model = &scorer.info().model;
    let labels = scorer.info().config.labels.len();
    let refuse = |why: String| Err(Error::new(ErrorKind::Input, model.as_str(), why));
    if labels != 1 {
        return refuse(format!("has {labels} labels; evaluating needs a model with one"));
    }
    let pairs = questions.pairs();
    let mut scores = kept;
    if scores.len() > pairs.len() {
        return refuse(format!("{} scores for {} pairs", scores.len(), pairs.len()));
    }
    let step = scores.len().div_ceil(SAMPLES).max(1);
    for place in (0..scores.len()).step_by(step) {
        let now =
            scorer.score(&pairs[place..=place]).await.map_err(|e| named(questions, place, e))?;
        let (now, then) = (now[0].logits[0], scores[place].score);
        if !((now - then).abs() <= SAME_MODEL) {
            let at = &questions.pairs.places[place];
            return refuse(format!(
                "gives {now} for {at}, where {then} was kept: that was another model"
            ));
        }
    }
    while scores.len() < pairs.len() {
        let first = scores.len();
        let batch = scorer.score_batch(&pairs, first, &|| false).await;
        let batch = batch.map_err(|error| named(questions, first, error))?;
        scores.extend(batch.iter().map(PairScore::from));
        done(&scores[first..])?;
    }
    Ok(scores)
}

/// The error with file and line, if it is about the pair at `place`.
fn named(questions: &Questions, place: usize, error: Error) -> Error {
    if !matches!(error.kind(), ErrorKind::Input | ErrorKind::NotFinite) {
        return error;
    }
    let at = questions.pairs.places[place].to_string();
    Error::new(error.kind(), at, error.what()).with_source(error)
}
