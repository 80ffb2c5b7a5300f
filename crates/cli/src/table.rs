//! Rankings, decisions and explanations as people read them.

use std::fmt::Write;
use std::io::{self, IsTerminal};

use cappy::Ranked;
use cappy::decide::{Answer, Decided};
use cappy::explain::Explanation;
use console::Term;
use unicode_width::UnicodeWidthChar;

/// Cells that a bar for the score 1 takes.
const BAR: usize = 20;
/// Cells before the candidate: rank, score, bar, and the gaps between them.
const BEFORE: usize = 4 + 2 + 7 + 2 + BAR + 2;
/// A terminal narrower than this many cells for the candidate wraps instead.
const LEAST: usize = 12;

/// How to write the table.
pub struct Style {
    /// Cells of a line; `None`: lines are not cut.
    pub width: Option<usize>,
    /// Whether bars are coloured.
    pub colour: bool,
}

impl Style {
    /// Cut and coloured on a terminal, plain and whole in a file or pipe.
    pub fn of_stdout() -> Style {
        if !io::stdout().is_terminal() {
            return Style { width: None, colour: false };
        }
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let width = Term::stdout().size_checked().map(|(_rows, columns)| usize::from(columns));
        Style { width, colour: !no_colour }
    }

    /// A line for each candidate, and a note when the model did not see all of them.
    pub fn ranking(&self, ranked: &[Ranked]) -> String {
        let mut out = String::new();
        let (before, after) = if self.colour { ("\x1b[32m", "\x1b[0m") } else { ("", "") };
        let room = self.width.map(|width| width.saturating_sub(BEFORE).max(LEAST));
        for row in ranked {
            let _ = writeln!(
                out,
                "{:>4}  {:>7.4}  {before}{}{after}  {}",
                row.rank,
                row.score,
                bar(row.score),
                cut(&row.text, room)
            );
        }
        let cut_ones: Vec<&Ranked> = ranked.iter().filter(|row| row.truncated > 0).collect();
        if let [only] = cut_ones[..] {
            let _ = writeln!(
                out,
                "note: the pair of rank {} is longer than the model reads, {} tokens were cut",
                only.rank, only.truncated
            );
        } else if !cut_ones.is_empty() {
            let most = cut_ones.iter().map(|row| row.truncated).max().unwrap_or_default();
            let _ = writeln!(
                out,
                "note: {} of {} pairs are longer than the model reads, up to {most} tokens were cut",
                cut_ones.len(),
                ranked.len()
            );
        }
        out
    }

    /// The score, and a line for each unit: its effect, a bar as long as its share of the largest effect,
    /// `+` for what raises the score and `-` for what lowers it, and the unit.
    pub fn explanation(&self, explained: &Explanation) -> String {
        let mut out = format!("score {:.4}\n", explained.score);
        let largest = explained.units.iter().map(|unit| unit.effect.abs()).fold(0.0, f32::max);
        let room = self.width.map(|width| width.saturating_sub(BEFORE).max(LEAST));
        for unit in &explained.units {
            let share = if largest > 0.0 { unit.effect.abs() / largest } else { 0.0 };
            let colour = if unit.effect < 0.0 { "\x1b[33m" } else { "\x1b[34m" };
            let (before, after) = if self.colour { (colour, "\x1b[0m") } else { ("", "") };
            let (bar, text) = (bar(share), cut(&unit.text, room));
            let _ = writeln!(out, "{:>+13.4}  {before}{bar}{after}  {text}", unit.effect);
        }
        if explained.truncated > 0 {
            let _ = writeln!(
                out,
                "note: the pair is longer than the model reads, {} tokens were cut",
                explained.truncated
            );
        }
        out
    }
}

/// The answers of a decision: a line for each question, and below it one for each option, most probable first.
pub fn decided(decided: &Decided) -> String {
    let mut out = String::new();
    for (name, answer) in &decided.answers {
        let (said, mut options) = match answer {
            Answer::Choice { choice, probabilities } => (choice.clone(), probabilities.clone()),
            Answer::Score { score, probabilities } => {
                (format!("{score:.2}"), probabilities.clone())
            }
            Answer::Boolean { probability } => {
                let said = if *probability >= 0.5 { "yes" } else { "no" };
                (
                    said.to_owned(),
                    vec![("yes".into(), *probability), ("no".into(), 1.0 - probability)],
                )
            }
        };
        if matches!(answer, Answer::Choice { .. }) {
            options.sort_by(|a, b| b.1.total_cmp(&a.1));
        }
        let _ = writeln!(out, "{}: {}", cut(name, None), cut(&said, None));
        for (option, probability) in options {
            let _ = writeln!(
                out,
                "  {:>5.1}%  {}  {}",
                100.0 * probability,
                bar(probability as f32),
                cut(&option, None)
            );
        }
    }
    if decided.truncated > 0 {
        let _ = writeln!(
            out,
            "note: the state is longer than the model reads, up to {} tokens were cut",
            decided.truncated
        );
    }
    out
}

/// The share `score` of a full bar, in eighths of a cell; below 0 is empty, above 1 is full.
fn bar(score: f32) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (score.clamp(0.0, 1.0) * (BAR * 8) as f32).round() as usize;
    let bar = "█".repeat(eighths / 8) + PARTS[eighths % 8];
    format!("{bar:<BAR$}")
}

/// The text on one line, at most `room` cells wide.
fn cut(text: &str, room: Option<usize>) -> String {
    let mut line = String::new();
    let mut left = room.unwrap_or(usize::MAX);
    let mut rest = text.chars().map(printable).peekable();
    while let Some(c) = rest.next() {
        let cells = c.width().unwrap_or(0);
        // The last cell is kept for the ellipsis, unless the text ends in it.
        let needed = cells + usize::from(rest.peek().is_some());
        if needed > left {
            line.push('…');
            break;
        }
        left -= cells;
        line.push(c);
    }
    line
}

/// The character, or a symbol for it where it would move the cursor, end the line, turn the
/// reading direction or start a terminal command.
pub fn printable(c: char) -> char {
    match c {
        '\n' | '\u{85}' | '\u{2028}' | '\u{2029}' => '⏎',
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\x7f' => '␡',
        '\u{80}'..='\u{9f}' => '\u{fffd}',
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            '\u{fffd}'
        }
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(rank: usize, score: f32, text: &str, truncated: usize) -> Ranked {
        Ranked { rank, index: 0, score, text: text.into(), truncated }
    }

    fn plain(ranked: &[Ranked]) -> String {
        Style { width: None, colour: false }.ranking(ranked)
    }

    #[test]
    fn bars_grow_with_the_score_and_never_leave_their_column() {
        assert_eq!(bar(-0.5), " ".repeat(BAR));
        assert_eq!(bar(1.5), "█".repeat(BAR));
        assert_eq!(bar(0.5), "█".repeat(BAR / 2) + &" ".repeat(BAR / 2));
        assert!(bar(0.51).starts_with(&("█".repeat(BAR / 2) + "▎")));
        assert_eq!(bar(f32::NAN).chars().count(), BAR);
    }

    #[test]
    fn cut_counts_cells() {
        assert_eq!(cut("abcdef", Some(6)), "abcdef");
        assert_eq!(cut("abcdefg", Some(6)), "abcde…");
        assert_eq!(cut("日本語", Some(6)), "日本語");
        assert_eq!(cut("日本語で", Some(6)), "日本…");
        assert_eq!(cut("a\r\nb\u{1b}[2J", None), "a␍⏎b␛[2J");
    }

    #[test]
    fn a_row_is_a_line_of_at_most_the_width() {
        let ranked = [row(1, 0.75, &"long ".repeat(99), 0), row(2, -12.5, "a\nb", 0)];
        let table = Style { width: Some(80), colour: false }.ranking(&ranked);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].chars().count(), 80);
        assert!(lines[0].starts_with("   1   0.7500  ███████████████       long long "));
        assert!(lines[1].starts_with("   2  -12.5000 ") && lines[1].ends_with("a⏎b"));
    }

    #[test]
    fn colour_only_when_asked() {
        let ranked = [row(1, 0.75, "a", 0)];
        assert!(!plain(&ranked).contains('\x1b'));
        let coloured = Style { width: None, colour: true }.ranking(&ranked);
        assert_eq!(coloured.matches('\x1b').count(), 2);
    }

    #[test]
    fn cut_candidates_are_noted() {
        assert!(!plain(&[row(1, 0.5, "a", 0)]).contains("note"));
        let one = plain(&[row(1, 0.5, "a", 0), row(2, 0.4, "b", 7)]);
        assert!(
            one.ends_with("the pair of rank 2 is longer than the model reads, 7 tokens were cut\n")
        );
        let two = plain(&[row(1, 0.5, "a", 3), row(2, 0.4, "b", 7)]);
        assert!(two.contains("note: 2 of 2 pairs are longer than the model reads, up to 7 tokens"));
    }
}
