//! Words and sentences of a text, the same as `js/explain/units.ts` finds with `Intl.Segmenter`.

use std::ops::Range;

use serde::Serialize;
use unicode_segmentation::UnicodeSegmentation;

/// What a text is divided into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Words by Unicode's annex 29. Punctuation is part of none. In scripts without spaces, whose words only a
    /// dictionary finds, each character is one; so is an emoji.
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
        Unit::Word => text.split_word_bound_indices().flat_map(words).collect(),
    }
}

/// The words of a piece between two boundaries: one, or none, or each character of a script without spaces.
fn words((start, piece): (usize, &str)) -> Vec<Range<usize>> {
    if !piece.chars().any(|c| c.is_alphanumeric() || is_in(&SYMBOLS, c)) {
        return Vec::new();
    }
    let all = start..start + piece.len();
    if !piece.chars().any(|c| is_in(&WITHOUT_SPACES, c)) {
        return vec![all];
    }
    let characters = piece.grapheme_indices(true);
    characters.map(|(at, c)| start + at..start + at + c.len()).collect()
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
