//! Tokens that are found in a text as they are written, before it is split into words.
//!
//! They are matched as the `tokenizers` crate matches them: the leftmost first, of those that begin
//! there the longest, and matches do not overlap. The crate's own code takes time that grows with the
//! square of a token's length, and all of `regex` to tell whether a character belongs to a word.

use std::collections::HashMap;
use std::ops::Range;

use super::classes::is_word;

/// No real token is near this many bytes.
pub(super) const LONGEST: usize = 1024;

/// A token that is looked for in texts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Added {
    pub(super) content: String,
    /// The id that a file says it has; without one it gets the vocabulary's or the next free one.
    pub(super) id: Option<u32>,
    /// It does not match inside a word.
    pub(super) single_word: bool,
    /// White space before or after it belongs to it.
    pub(super) lstrip: bool,
    pub(super) rstrip: bool,
    /// It is looked for in the normalized text.
    pub(super) normalized: bool,
    pub(super) special: bool,
    /// It is matched, so that no other token is found there, but then split like any other text.
    pub(super) ignored: bool,
}

impl Added {
    /// A special token with all settings at their defaults.
    pub(super) fn special(content: &str) -> Added {
        Added {
            content: content.into(),
            id: None,
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: false,
            special: true,
            ignored: false,
        }
    }
}

/// A part of a text: a token's id or what is still to be tokenized.
pub(super) type Part = (Option<u32>, Range<usize>);

/// All of a tokenizer's added tokens.
pub(super) struct AddedTokens {
    ids: HashMap<String, u32>,
    plain: Finder,
    normalized: Finder,
}

impl AddedTokens {
    /// Gives ids to `tokens`: `in_vocab`'s, else from `next` on. Those that are normalized are
    /// looked for as `normalize` makes them.
    pub(super) fn new<E>(
        mut tokens: Vec<Added>,
        mut next: u32,
        in_vocab: impl Fn(&str) -> Option<u32>,
        normalize: impl Fn(&str) -> Result<String, E>,
    ) -> Result<AddedTokens, E> {
        let mut ids = HashMap::new();
        for token in &mut tokens {
            let id = ids.get(&token.content).copied().or_else(|| in_vocab(&token.content));
            let id = id.unwrap_or_else(|| {
                next += 1;
                next - 1
            });
            token.id = Some(id);
            ids.insert(token.content.clone(), id);
        }
        // Of two that normalize to the same, special ones come first.
        tokens.sort_by_key(|token| !token.special);
        let (mut normalized, plain): (Vec<_>, _) =
            tokens.into_iter().partition(|token| token.normalized);
        for token in &mut normalized {
            token.content = normalize(&token.content)?;
        }
        Ok(AddedTokens { ids, plain: Finder::new(plain), normalized: Finder::new(normalized) })
    }

    /// The id of the added token with this content.
    pub(super) fn id(&self, content: &str) -> Option<u32> {
        self.ids.get(content).copied()
    }

    /// Splits a text that is not normalized yet.
    pub(super) fn split_plain(&self, text: &str) -> Vec<Part> {
        self.plain.split(text)
    }

    /// Splits a part of it after it was normalized.
    pub(super) fn split_normalized(&self, text: &str) -> Vec<Part> {
        self.normalized.split(text)
    }
}

/// Finds tokens in texts.
struct Finder {
    /// In the order of their contents' bytes, none twice: those that begin alike are neighbours.
    tokens: Vec<Added>,
    /// Whether a token begins with this byte.
    begins: [bool; 256],
}

impl Finder {
    fn new(mut tokens: Vec<Added>) -> Finder {
        let mut begins = [false; 256];
        tokens.sort_by(|a, b| a.content.cmp(&b.content));
        tokens.dedup_by(|second, first| second.content == first.content);
        for byte in tokens.iter().filter_map(|token| token.content.as_bytes().first()) {
            begins[usize::from(*byte)] = true;
        }
        Finder { tokens, begins }
    }

    /// The longest token that `rest` begins with.
    fn longest(&self, rest: &[u8]) -> Option<&Added> {
        let mut alike = &self.tokens[..];
        let mut found = None;
        for depth in 0.. {
            if let Some((first, others)) = alike.split_first()
                && first.content.len() == depth
            {
                (found, alike) = (Some(first), others);
            }
            if alike.len() < 2 {
                return alike
                    .first()
                    .filter(|one| rest.starts_with(one.content.as_bytes()))
                    .or(found);
            }
            let Some(byte) = rest.get(depth) else { break };
            let of = |token: &Added| token.content.as_bytes()[depth];
            let from = alike.partition_point(|token| of(token) < *byte);
            let to = alike.partition_point(|token| of(token) <= *byte);
            alike = &alike[from..to];
        }
        found
    }

    /// Splits `text` into tokens and what is between them.
    fn split(&self, text: &str) -> Vec<Part> {
        let mut parts = Vec::new();
        let (mut at, mut done) = (0, 0);
        while let Some(byte) = text.as_bytes().get(at) {
            let found =
                self.begins[usize::from(*byte)].then(|| self.longest(&text.as_bytes()[at..]));
            let Some(token) = found.flatten() else {
                at += 1;
                continue;
            };
            let (mut start, mut end) = (at, at + token.content.len());
            at = end;
            let (before, after) = (&text[..start], &text[end..]);
            if token.ignored
                || token.single_word
                    && (before.chars().next_back().is_some_and(is_word)
                        || after.chars().next().is_some_and(is_word))
            {
                continue;
            }
            if token.lstrip {
                start = before.trim_end().len().max(done);
            }
            if token.rstrip {
                end += after.len() - after.trim_start().len();
            }
            if done < start {
                parts.push((None, done..start));
            }
            parts.push((token.id, start..end));
            done = end;
        }
        if done < text.len() {
            parts.push((None, done..text.len()));
        }
        parts
    }
}
