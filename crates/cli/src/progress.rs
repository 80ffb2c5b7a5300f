//! Progress on standard error. indicatif draws nothing when that is not a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use cappy::Progress;
use indicatif::{ProgressBar, ProgressStyle};

use crate::output;

const BYTES: &str = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
const PAIRS: &str = "{spinner} {msg} {human_pos} pairs {per_sec} {elapsed}";
const CANDIDATES: &str = "scoring {wide_bar} {human_pos}/{human_len} candidates {eta}";
const PAIRS_OF: &str = "scoring {wide_bar} {human_pos}/{human_len} pairs {per_sec} {eta}";
const STEPS: &str = "learning {wide_bar} {human_pos}/{human_len} steps {eta}, {msg}";
const WORK: &str = "{spinner} {msg} {elapsed}";

/// One bar for each file that is downloaded, then one for the load.
pub struct LoadBar {
    load: &'static str,
    current: Option<(String, ProgressBar)>,
}

impl Default for LoadBar {
    fn default() -> LoadBar {
        LoadBar::called("loading")
    }
}

impl LoadBar {
    /// One whose second bar is called `load`.
    pub fn called(load: &'static str) -> LoadBar {
        LoadBar { load, current: None }
    }

    /// Draws `progress`.
    pub fn show(&mut self, progress: Progress) {
        let (label, bytes, total) = match progress {
            Progress::Download { file, bytes, total } => (file, bytes, total),
            Progress::Load { bytes, total } => (self.load.to_string(), bytes, total),
            // A kind of progress that this version of the command line has no words for.
            _ => return,
        };
        if self.current.as_ref().is_none_or(|(shown, _)| *shown != label) {
            self.finish();
            let bar = ProgressBar::new(total).with_style(style(BYTES)).with_message(label.clone());
            self.current = Some((label, bar));
        }
        if let Some((_, bar)) = &self.current {
            bar.set_length(total);
            bar.set_position(bytes);
        }
    }

    fn finish(&mut self) {
        if let Some((_, bar)) = self.current.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for LoadBar {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Counts scored pairs; their total is not known while they come from a stream.
///
/// When the results themselves go to a terminal they are the progress, and a bar would tear them.
pub fn pairs() -> ClearOnDrop {
    if io::stdout().is_terminal() {
        return ClearOnDrop(ProgressBar::hidden());
    }
    spinner(PAIRS, "scoring")
}

/// Counts scored candidates, of which there are `total`.
pub fn candidates(total: usize) -> ClearOnDrop {
    ClearOnDrop(ProgressBar::new(total as u64).with_style(style(CANDIDATES)))
}

/// Counts scored pairs, of which there are `total`.
pub fn pairs_of(total: usize) -> ClearOnDrop {
    ClearOnDrop(ProgressBar::new(total as u64).with_style(style(PAIRS_OF)))
}

/// Counts training steps, of which there are `total`.
pub fn steps(total: usize) -> ClearOnDrop {
    ClearOnDrop(ProgressBar::new(total as u64).with_style(style(STEPS)))
}

/// Shows that something with no known length is going on.
pub fn work(message: impl Into<String>) -> ClearOnDrop {
    spinner(WORK, message)
}

/// A line on standard error that is no error.
pub fn note(text: &str) {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(io::stderr(), "note: {}", output::one_line(text));
}

fn spinner(template: &str, message: impl Into<String>) -> ClearOnDrop {
    let bar = ProgressBar::new_spinner().with_style(style(template)).with_message(message.into());
    bar.enable_steady_tick(Duration::from_millis(120));
    ClearOnDrop(bar)
}

/// A bar that is gone before anything else is written to the terminal.
pub struct ClearOnDrop(ProgressBar);

impl ClearOnDrop {
    /// Counts `pairs` (or whatever it counts) more.
    pub fn add(&self, pairs: usize) {
        self.0.inc(pairs as u64);
    }

    /// Says what is being done now.
    pub fn say(&self, message: &str) {
        self.0.set_message(message.to_string());
    }
}

impl Drop for ClearOnDrop {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are the constants above; a test parses each of them.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_parse() {
        for template in [BYTES, PAIRS, CANDIDATES, PAIRS_OF, STEPS, WORK] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
