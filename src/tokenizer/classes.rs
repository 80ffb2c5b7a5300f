//! Classes of characters as regular expressions have them; build.rs takes them from regex-syntax.

include!(concat!(env!("OUT_DIR"), "/classes.rs"));

/// What GPT-2's pattern makes words of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Space,
    Letter,
    Number,
    Other,
}

impl Class {
    /// The class of `c`: `\s`, `\p{L}`, `\p{N}`, or none of them.
    pub(super) fn of(c: char) -> Class {
        match c {
            'a'..='z' | 'A'..='Z' => Class::Letter,
            _ if c.is_whitespace() => Class::Space,
            _ if contains(LETTERS, c) => Class::Letter,
            _ if contains(NUMBERS, c) => Class::Number,
            _ => Class::Other,
        }
    }
}

/// Whether `c` is in `\w`.
pub(super) fn is_word(c: char) -> bool {
    contains(WORD, c)
}

/// The numbers are where the characters of a class begin and end by turns.
fn contains(class: &[u32], c: char) -> bool {
    class.partition_point(|edge| *edge <= c as u32) % 2 == 1
}
