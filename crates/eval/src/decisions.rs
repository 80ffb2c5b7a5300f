//! How right and how sure decisions are, and the temperature that makes them neither too sure nor too
//! little.

use cappy::decide::probabilities;
use serde::Serialize;

use crate::calibration::{Bin, bins, error};
use crate::plot;

/// A question with a known answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Labelled {
    /// The line that it stands in: questions of one line are fitted together or not at all.
    pub line: usize,
    /// The scores of its options.
    pub scores: Vec<f32>,
    /// The place of the right one.
    pub right: usize,
}

/// What [`calibrate`] finds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibration {
    /// Questions with a known answer.
    pub questions: usize,
    /// The temperature that all of them together give.
    pub temperature: f64,
    /// With the temperature as it was.
    pub before: Quality,
    /// With a temperature that was fitted to the other half of the lines.
    pub after: Quality,
}

/// How good probabilities are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Quality {
    /// The temperature; with two halves, their geometric mean.
    pub temperature: f64,
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

/// Fits a temperature to `questions` by their log loss. `before` is the one in use.
///
/// What is reported of the new temperature is measured on lines that it was not fitted to: the lines
/// are halved, and each half is judged by the other's temperature.
pub fn calibrate(questions: &[Labelled], before: f64) -> Calibration {
    let half = |of: usize| -> Vec<&Labelled> {
        questions.iter().filter(|question| question.line % 2 == of).collect()
    };
    let halves = [half(0), half(1)];
    let [even, odd] = [fit(&halves[0], before), fit(&halves[1], before)];
    let all: Vec<&Labelled> = questions.iter().collect();
    let fitted = |question: &Labelled| if question.line.is_multiple_of(2) { odd } else { even };
    let mut after = quality(&all, fitted);
    after.temperature = (even * odd).sqrt();
    let mut as_it_was = quality(&all, |_| before);
    as_it_was.temperature = before;
    Calibration {
        questions: questions.len(),
        temperature: fit(&all, before),
        before: as_it_was,
        after,
    }
}

/// The temperature with the least log loss; `unfitted` where there is nothing to fit to.
fn fit(questions: &[&Labelled], unfitted: f64) -> f64 {
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

fn quality(questions: &[&Labelled], temperature: impl Fn(&Labelled) -> f64) -> Quality {
    let count = questions.len().max(1) as f64;
    let (mut accuracy, mut log_loss, mut brier) = (0.0, 0.0, 0.0);
    let mut confident = Vec::new();
    for question in questions {
        let at = temperature(question);
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
        temperature: 0.0,
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
        let row = |name: &str, of: &Quality| {
            format!(
                "{name:<8}{:>12.4}{:>9.1}%{:>10.4}{:>8.4}{:>19.4}\n",
                of.temperature,
                100.0 * of.accuracy,
                of.log_loss,
                of.brier,
                of.calibration_error
            )
        };
        format!(
            "{:<8}{:>12}{:>10}{:>10}{:>8}{:>19}\n{}{}\n\
             \"after\" is measured on lines that its temperature was not fitted to: each half of the lines\n\
             is judged by the other's. All {} questions together give the temperature {:.4}.\n",
            "",
            "temperature",
            "accuracy",
            "log loss",
            "Brier",
            "calibration error",
            row("before", &self.before),
            row("after", &self.after),
            self.questions,
            self.temperature
        )
    }

    /// The probability of the chosen option against how often it is right, before and after, as SVG.
    pub fn plot(&self) -> String {
        let note = format!(
            "calibration error {:.3} before (grey line), {:.3} after (blue); grey bars: how many questions",
            self.before.calibration_error, self.after.calibration_error
        );
        let axes = ["mean probability of the chosen option".into(), "share that is right".into()];
        plot::calibration(
            "Calibration of decisions",
            &note,
            axes,
            &self.after.bins,
            Some(&self.before.bins),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Questions whose options were drawn by the softmax of their scores at `temperature`.
    fn drawn(temperature: f64, count: usize) -> Vec<Labelled> {
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
            questions.push(Labelled { line, scores, right });
        }
        questions
    }

    #[test]
    fn the_temperature_of_drawn_answers_is_found_and_calibrates_them() {
        for temperature in [0.05, 0.3, 2.0] {
            let found = calibrate(&drawn(temperature, 4000), 1.0);
            let ratio = found.temperature / temperature;
            assert!((0.8..1.25).contains(&ratio), "{temperature}: {found:?}");
            assert!(found.after.calibration_error < 0.03, "{temperature}: {found:?}");
            assert!(found.after.log_loss <= found.before.log_loss + 1e-3, "{temperature}");
            assert_eq!(found.after.accuracy, found.before.accuracy);
        }
    }

    #[test]
    fn measures_by_hand() {
        let question =
            |line, scores: [f32; 2], right| Labelled { line, scores: scores.into(), right };
        let questions = [question(0, [0.0, 0.0], 1), question(1, [3f32.ln(), 0.0], 0)];
        let before = calibrate(&questions, 1.0).before;
        assert_eq!(before.accuracy, 0.75);
        assert!((before.log_loss - (2f64.ln() + (4.0f64 / 3.0).ln()) / 2.0).abs() < 1e-6);
        assert!((before.brier - (0.5 + 0.125) / 2.0).abs() < 1e-6);
        // 0.5 is right half of the time, 0.75 always.
        assert!((before.calibration_error - 0.125).abs() < 1e-6);
    }

    #[test]
    fn without_questions_the_temperature_stays() {
        assert_eq!(calibrate(&[], 0.7).temperature, 0.7);
    }
}
