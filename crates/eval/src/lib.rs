//! Measures what a scorer chooses, beside what simpler choices would have been worth.
//!
//! Two protocols, those of the Cappy paper and its published files. *Classification*: the
//! candidates are label texts, and a choice is worth 1 when it is the true label's text.
//! *Selection*: the candidates are what a language model wrote, and a choice is worth its Rouge-L
//! against the references. From there on both are the same: [`Questions`] with candidates that are
//! worth something, scores for them, and a [`Report`].
//!
//! ```
//! use cappy_eval::{Options, PairScore, Questions};
//! let lines = r#"{"dataset_name": "d", "template_name": "t", "example_idx": 0, "instruction": "Is it warm?", "response": "yes", "label": 1}
//! {"dataset_name": "d", "template_name": "t", "example_idx": 0, "instruction": "Is it warm?", "response": "no", "label": 0}
//! "#;
//! let questions = Questions::read_classification([("warm.jsonl", lines.as_bytes())])?;
//! assert_eq!(questions.pairs(), [("Is it warm?", "yes"), ("Is it warm?", "no")]);
//! // A scorer gives these: `cappy_eval::score(&scorer, &questions, vec![], &mut |_| Ok(())).await?`.
//! let scores = [0.9, 0.2].map(|score| PairScore { score, truncated: 0 });
//! let report = questions.report("by hand", &scores, &Options::default())?;
//! assert_eq!(report.means["scorer"], 1.0);
//! assert_eq!(report.means["random"], 0.5);
//! # Ok::<(), cappy::Error>(())
//! ```

mod bootstrap;
mod calibration;
mod classification;
pub mod decisions;
mod kept;
mod lines;
mod plot;
mod questions;
mod report;
mod score;
mod selection;
mod table;
#[cfg(test)]
mod tests;

pub use calibration::Bin;
pub use kept::ScoreFile;
pub use questions::{Protocol, Questions};
pub use report::{Agreement, DatasetReport, Difference, Report};
pub use score::{PairScore, score};

/// How intervals are estimated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Where the bootstrap's random numbers start. The same seed gives the same intervals.
    pub seed: u64,
    /// How often the bootstrap draws; time grows with it.
    pub resamples: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options { seed: 0, resamples: 2000 }
    }
}
