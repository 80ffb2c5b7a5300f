//! Words and sentences of a text, the same as `js/explain/units.ts` finds with `Intl.Segmenter`.

use std::ops::Range;

use serde::Serialize;
use unicode_segmentation::UnicodeSegmentation;

/// What a text is divided into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Words by Unicode's annex 29, which end at dots and colons between letters, too. Punctuation is part of
    /// none. In scripts without spaces, whose words only a dictionary finds, each character is one; so is an emoji.
    Word,
    /// Sentences by the same annex. The end of a line ends one, too.
    Sentence,
}

/// Blocks of scripts whose words no rule finds: Thai, Lao, Myanmar, Khmer, Han, Hiragana and Katakana.
const WITHOUT_SPACES: [(char, char); 13] = [
    ('\u{e00}', '\u{eff}'),
    ('\u{1000}', '\u{109f}'),
    ('\u{1780}', '\u{17ff}'),
    ('\u{19e0}', '\u{19ff}'),
    ('\u{2e80}', '\u{2fdf}'),
    ('\u{3005}', '\u{3007}'),
    ('\u{3021}', '\u{30ff}'),
    ('\u{31f0}', '\u{31ff}'),
    ('\u{3400}', '\u{9fff}'),
    ('\u{a9e0}', '\u{aa7f}'),
    ('\u{f900}', '\u{faff}'),
    ('\u{ff66}', '\u{ff9f}'),
    ('\u{20000}', '\u{3ffff}'),
];

/// Blocks of symbols that carry meaning: arrows to dingbats, and emoji.
const SYMBOLS: [(char, char); 2] = [('\u{2190}', '\u{2bff}'), ('\u{1f000}', '\u{1fbff}')];

/// Dots and colons, which join digits and separate letters.
const DOTS: [char; 7] = ['.', ':', '\u{2024}', '\u{fe52}', '\u{fe55}', '\u{ff0e}', '\u{ff1a}'];

/// The bytes of each unit of `text`, in order, without spaces around it.
pub fn units(text: &str, unit: Unit) -> Vec<Range<usize>> {
    match unit {
        Unit::Sentence => text
            .split_sentence_bound_indices()
            .filter_map(|(start, sentence)| {
                let first = start + sentence.len() - sentence.trim_start().len();
                let sentence = sentence.trim();
                (!sentence.is_empty()).then(|| first..first + sentence.len())
            })
            .collect(),
        Unit::Word => pieces(text).into_iter().flat_map(|piece| words(text, piece)).collect(),
    }
}

/// What stands between two boundaries of words; a run of a script without spaces is one piece.
fn pieces(text: &str) -> Vec<Range<usize>> {
    let mut pieces: Vec<Range<usize>> = Vec::new();
    for (start, piece) in text.split_word_bound_indices() {
        let end = start + piece.len();
        match pieces.last_mut() {
            Some(last) if lacks_spaces(piece) && lacks_spaces(&text[last.clone()]) => {
                last.end = end
            }
            _ => pieces.push(start..end),
        }
    }
    pieces
}

fn lacks_spaces(piece: &str) -> bool {
    piece.chars().any(|c| is_in(&WITHOUT_SPACES, c))
}

/// The words of a piece: one, or none, or each character of a script without spaces.
fn words(text: &str, piece: Range<usize>) -> Vec<Range<usize>> {
    let (from, to) = (piece.start, piece.end);
    let piece = &text[piece];
    let mut parts = Vec::new();
    if lacks_spaces(piece) {
        let characters = piece.grapheme_indices(true);
        parts.extend(characters.map(|(at, c)| from + at..from + at + c.len()));
    } else {
        // Browsers differ in whether a dot or a colon joins letters.
        let mut start = from;
        for (at, c) in piece.char_indices().filter(|(at, c)| separates(piece, *at, *c)) {
            parts.push(start..from + at);
            start = from + at + c.len_utf8();
        }
        parts.push(start..to);
    }
    let has_meaning = |c: char| c.is_alphanumeric() || is_in(&SYMBOLS, c);
    parts.retain(|part| text[part.clone()].contains(has_meaning));
    parts
}

/// Whether the character `c` at `at` is a dot or a colon that does not stand between digits.
fn separates(piece: &str, at: usize, c: char) -> bool {
    let before = piece[..at].chars().next_back();
    let after = piece[at + c.len_utf8()..].chars().next();
    let is_digit = |c: Option<char>| c.is_some_and(char::is_numeric);
    DOTS.contains(&c) && !(is_digit(before) && is_digit(after))
}

fn is_in(blocks: &[(char, char)], c: char) -> bool {
    blocks.iter().any(|(first, last)| (*first..=*last).contains(&c))
}

/// `text` without a unit, and without the spaces after it; at the end, without those before it.
pub fn without(text: &str, unit: &Range<usize>) -> String {
    let (before, after) = (&text[..unit.start], &text[unit.end..]);
    let rest = after.trim_start();
    let before = if rest.len() < after.len() { before } else { before.trim_end() };
    format!("{before}{rest}")
}
