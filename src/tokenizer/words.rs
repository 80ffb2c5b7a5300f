//! What byte-level BPE builds on: GPT-2's words, and the characters that it writes bytes with.

use super::classes::Class;

/// What stays together after an apostrophe.
const CONTRACTIONS: [&str; 7] = ["s", "t", "re", "ve", "m", "ll", "d"];

/// Splits a text as this regular expression does, which matches everywhere:
/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
pub(super) fn words(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let (word, rest) = text.split_at(first(text));
        text = rest;
        (!word.is_empty()).then_some(word)
    })
}

/// The length of the first word.
fn first(text: &str) -> usize {
    if let Some(rest) = text.strip_prefix('\'')
        && let Some(ending) = CONTRACTIONS.iter().find(|ending| rest.starts_with(**ending))
    {
        return 1 + ending.len();
    }
    let space = usize::from(text.starts_with(' '));
    let class = text[space..].chars().next().map(Class::of);
    if let Some(class @ (Class::Letter | Class::Number | Class::Other)) = class {
        return space + run(&text[space..], class);
    }
    // The last of several spaces belongs to the word after them.
    let spaces = run(text, Class::Space);
    match text[..spaces].char_indices().next_back() {
        Some((last, _)) if last > 0 && spaces < text.len() => last,
        _ => spaces,
    }
}

/// How far characters of `class` go.
fn run(text: &str, class: Class) -> usize {
    text.find(|c| Class::of(c) != class).unwrap_or(text.len())
}

/// The character for each byte; a printable one is its own.
pub(super) fn signs() -> [char; 256] {
    let mut others = 256..;
    std::array::from_fn(|byte| match byte {
        0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff => byte as u8 as char,
        _ => others.next().and_then(char::from_u32).unwrap_or_default(),
    })
}
