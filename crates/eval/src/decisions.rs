//! How right and how sure decisions are, and the temperatures that make them neither too sure nor too
//! little.

use cappy::decide::{Kind, Temperature, probabilities};
use serde::Serialize;

use crate::calibration::{Bin, bins, error};
use crate::plot;

/// The types of questions, each of which has a temperature of its own.
const KINDS: [Kind; 3] = [Kind::Choice, Kind::Score, Kind::Boolean];

/// A question with a known answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Labelled {
    /// The line that it stands in: questions of one line are fitted together or not at all.
    pub line: usize,
    /// Its type.
    pub kind: Kind,
    /// The scores of its options.
    pub scores: Vec<f32>,
    /// The place of the right one.
    pub right: usize,
}

/// What [`calibrate`] finds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibration {
    /// The temperature of each type that all of its questions together give. A type without questions keeps its own.
    pub temperature: Temperature,
    /// All questions.
    pub all: Compared,
    /// The questions of each type that has any.
    pub types: Vec<(Kind, Compared)>,
}

/// Questions before and after.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// Questions with a known answer.
    pub questions: usize,
    /// With the temperatures as they were.
    pub before: Quality,
    /// With temperatures that were fitted to the other half of the lines.
    pub after: Quality,
}

/// How good probabilities are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Quality {
    /// The share of questions whose most probable option is right; ties are shared.
    pub accuracy: f64,
    /// The mean of -ln p of the right option.
    pub log_loss: f64,
    /// The mean over questions of the summed squares of p - 1 for the right option and p for the others.
    pub brier: f64,
    /// The mean distance of the most probable option's probability from how often it is right, over ten
    /// bins (Guo et al., 2017).
    pub calibration_error: f64,
    /// These bins.
    pub bins: Vec<Bin>,
}

/// Fits a temperature for each type to `questions` by their log loss. `before` is the one in use.
///
/// What is reported of the new temperatures is measured on lines that they were not fitted to: the lines
/// are halved, and each half is judged by the other's temperatures.
pub fn calibrate(questions: &[Labelled], before: Temperature) -> Calibration {
    let half = |of: usize| -> Vec<&Labelled> {
        questions.iter().filter(|question| question.line % 2 == of).collect()
    };
    let [even, odd] = [fit(&half(0), before), fit(&half(1), before)];
    let compared = |of: Vec<&Labelled>| Compared {
        questions: of.len(),
        before: quality(&of, |_| before),
        after: quality(&of, |question| if question.line.is_multiple_of(2) { odd } else { even }),
    };
    let all: Vec<&Labelled> = questions.iter().collect();
    let types = KINDS.iter().map(|kind| (*kind, of_kind(&all, *kind)));
    Calibration {
        temperature: fit(&all, before),
        types: types
            .filter(|(_, questions)| !questions.is_empty())
            .map(|(kind, questions)| (kind, compared(questions)))
            .collect(),
        all: compared(all),
    }
}

fn of_kind<'a>(questions: &[&'a Labelled], kind: Kind) -> Vec<&'a Labelled> {
    questions.iter().copied().filter(|question| question.kind == kind).collect()
}

/// The temperature of each type by its own questions.
fn fit(questions: &[&Labelled], unfitted: Temperature) -> Temperature {
    let of = |kind| fit_one(&of_kind(questions, kind), unfitted.of(kind));
    Temperature { choice: of(Kind::Choice), score: of(Kind::Score), boolean: of(Kind::Boolean) }
}

/// The temperature with the least log loss; `unfitted` where there is nothing to fit to.
fn fit_one(questions: &[&Labelled], unfitted: f64) -> f64 {
    if questions.is_empty() {
        return unfitted;
    }
    let loss = |log: f64| -> f64 {
        questions.iter().map(|question| loss_of(question, log.exp())).sum::<f64>()
    };
    // The loss has one minimum in the temperature: golden-section search finds it.
    let ratio = (5f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (1e-3f64.ln(), 1e3f64.ln());
    for _ in 0..80 {
        let (a, b) = (high - ratio * (high - low), low + ratio * (high - low));
        if loss(a) <= loss(b) {
            high = b;
        } else {
            low = a;
        }
    }
    ((low + high) / 2.0).exp()
}

fn loss_of(question: &Labelled, temperature: f64) -> f64 {
    let p = probabilities(&question.scores, temperature)[question.right];
    -p.max(f64::MIN_POSITIVE).ln()
}

fn quality(questions: &[&Labelled], temperature: impl Fn(&Labelled) -> Temperature) -> Quality {
    let count = questions.len().max(1) as f64;
    let (mut accuracy, mut log_loss, mut brier) = (0.0, 0.0, 0.0);
    let mut confident = Vec::new();
    for question in questions {
        let at = temperature(question).of(question.kind);
        let shares = probabilities(&question.scores, at);
        let most = shares.iter().copied().fold(0.0, f64::max);
        let best: Vec<usize> = (0..shares.len()).filter(|i| shares[*i] == most).collect();
        let won = if best.contains(&question.right) { 1.0 / best.len() as f64 } else { 0.0 };
        accuracy += won;
        log_loss += loss_of(question, at);
        brier += shares
            .iter()
            .enumerate()
            .map(|(i, p)| (p - f64::from(u8::from(i == question.right))).powi(2))
            .sum::<f64>();
        confident.push((most, won));
    }
    let bins = bins(confident.into_iter());
    Quality {
        accuracy: accuracy / count,
        log_loss: log_loss / count,
        brier: brier / count,
        calibration_error: error(&bins),
        bins,
    }
}

impl Calibration {
    /// The result as lines of text.
    pub fn table(&self) -> String {
        let mut out = format!(
            "{:<16}{:>10}{:>10}{:>10}{:>8}{:>19}\n",
            "", "questions", "accuracy", "log loss", "Brier", "calibration error"
        );
        let mut rows = |name: &str, of: &Compared| {
            for (when, quality) in [("before", &of.before), ("after", &of.after)] {
                out += &format!(
                    "{:<16}{:>10}{:>9.1}%{:>10.4}{:>8.4}{:>19.4}\n",
                    format!("{name} {when}"),
                    of.questions,
                    100.0 * quality.accuracy,
                    quality.log_loss,
                    quality.brier,
                    quality.calibration_error
                );
            }
        };
        for (kind, compared) in &self.types {
            rows(name_of(*kind), compared);
        }
        rows("all", &self.all);
        let each = KINDS.map(|kind| format!("{} {:.4}", name_of(kind), self.temperature.of(kind)));
        out + &format!(
            "\"after\" is measured on lines that its temperatures were not fitted to: each half of the lines is\n\
             judged by the other's. All lines together give the temperatures {}.\n",
            each.join(", ")
        )
    }

    /// The probability of the chosen option against how often it is right, before and after, as SVG.
    pub fn plot(&self) -> String {
        let note = format!(
            "calibration error {:.3} before (grey line), {:.3} after (blue); grey bars: how many questions",
            self.all.before.calibration_error, self.all.after.calibration_error
        );
        let axes = ["mean probability of the chosen option".into(), "share that is right".into()];
        plot::calibration(
            "Calibration of decisions",
            &note,
            axes,
            &self.all.after.bins,
            Some(&self.all.before.bins),
        )
    }
}

fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Choice => "choice",
        Kind::Score => "score",
        Kind::Boolean => "boolean",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Questions whose options were drawn by the softmax of their scores at `temperature`.
    fn drawn(kind: Kind, temperature: f64, count: usize) -> Vec<Labelled> {
        let mut state = 12345u64;
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        let mut questions = Vec::new();
        for line in 0..count {
            let scores: Vec<f32> = (0..4).map(|_| next() as f32).collect();
            let mut left = next();
            let shares = probabilities(&scores, temperature);
            let right = shares
                .iter()
                .position(|p| {
                    left -= p;
                    left <= 0.0
                })
                .unwrap_or(3);
            questions.push(Labelled { line, kind, scores, right });
        }
        questions
    }

    #[test]
    fn the_temperatures_of_drawn_answers_are_found_and_calibrate_them() {
        let drawn_at = [(Kind::Choice, 0.05), (Kind::Boolean, 0.4)];
        let questions = drawn_at.map(|(kind, temperature)| drawn(kind, temperature, 4000)).concat();
        let found = calibrate(&questions, 0.2.into());
        for (kind, temperature) in drawn_at {
            let ratio = found.temperature.of(kind) / temperature;
            assert!((0.8..1.25).contains(&ratio), "{kind:?}: {found:?}");
        }
        assert_eq!(found.temperature.score, 0.2, "there were no scores to fit to");
        assert_eq!(found.types.len(), 2);
        let Compared { before, after, .. } = &found.all;
        assert!(before.calibration_error > 0.05, "{found:?}");
        assert!(after.calibration_error < 0.03, "{found:?}");
        assert!(after.log_loss < before.log_loss);
        assert_eq!(after.accuracy, before.accuracy);
    }

    #[test]
    fn measures_by_hand() {
        let question = |line, scores: [f32; 2], right| Labelled {
            line,
            kind: Kind::Choice,
            scores: scores.into(),
            right,
        };
        let questions = [question(0, [0.0, 0.0], 1), question(1, [3f32.ln(), 0.0], 0)];
        let before = calibrate(&questions, 1.0.into()).all.before;
        assert_eq!(before.accuracy, 0.75);
        assert!((before.log_loss - (2f64.ln() + (4.0f64 / 3.0).ln()) / 2.0).abs() < 1e-6);
        assert!((before.brier - (0.5 + 0.125) / 2.0).abs() < 1e-6);
        // 0.5 is right half of the time, 0.75 always.
        assert!((before.calibration_error - 0.125).abs() < 1e-6);
    }

    #[test]
    fn without_questions_the_temperatures_stay() {
        assert_eq!(calibrate(&[], 0.7.into()).temperature, 0.7.into());
    }
}
