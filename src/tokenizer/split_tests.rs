//! Splitting of our own against the `tokenizers` crate and its regular expressions.

use proptest::prelude::*;
use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::Lowercase;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, AddedVocabulary, NormalizerWrapper, OffsetReferential, OffsetType};
use tokenizers::{PreTokenizedString, PreTokenizer};

use super::added::{Added, AddedTokens};
use super::classes::{Class, is_word};
use super::words::{signs, words};

/// The words of a text, in signs, as the crate splits it.
fn by_the_crate(text: &str) -> Vec<String> {
    let mut text = PreTokenizedString::from(text);
    ByteLevel::new(false, true, true).pre_tokenize(&mut text).unwrap();
    let words = text.get_splits(OffsetReferential::Original, OffsetType::None);
    words.into_iter().map(|(word, ..)| word.to_owned()).collect()
}

fn by_us(text: &str) -> Vec<String> {
    let signs = signs();
    words(text).map(|word| word.bytes().map(|byte| signs[usize::from(byte)]).collect()).collect()
}

#[test]
fn every_character_is_of_the_class_that_regular_expressions_have() {
    // Behind these there are private characters alone.
    let all = || ('\0'..'\u{32000}').chain('\u{e0000}'..'\u{e0200}');
    // A letter, a number and a sign stay with what is of their class.
    let text: String = all().map(|c| format!("{c}x{c}1{c}!")).collect();
    assert!(by_us(&text) == by_the_crate(&text));
    assert_eq!((Class::of('\u{2028}'), Class::of('\u{bd}')), (Class::Space, Class::Number));
    let crates = crate_added(&[token("~", |t| Added { single_word: true, ..t })], false);
    for c in all() {
        let text = format!("{c}~");
        let found = crates.extract_and_normalize::<NormalizerWrapper>(None, &text);
        let found = found.get_splits(OffsetReferential::Original, OffsetType::None).len() == 2;
        assert!(c == '~' || found != is_word(c), "{c:?}");
    }
}

fn token(content: &str, change: impl Fn(Added) -> Added) -> Added {
    change(Added::special(content))
}

fn crate_added(tokens: &[Added], leave_special: bool) -> AddedVocabulary {
    let mut added = AddedVocabulary::new();
    let tokens: Vec<_> = tokens
        .iter()
        .map(|token| {
            AddedToken::from(&token.content[..], token.special)
                .single_word(token.single_word)
                .lstrip(token.lstrip)
                .rstrip(token.rstrip)
                .normalized(token.normalized)
        })
        .collect();
    added.add_tokens(&tokens, &BPE::default(), Some(&NormalizerWrapper::Lowercase(Lowercase)));
    added.set_encode_special_tokens(leave_special);
    added
}

/// The parts of a text, each with the id of its token.
fn split_by_the_crate(added: &AddedVocabulary, text: &str) -> Vec<(Option<u32>, String)> {
    let parts = added.extract_and_normalize(Some(&NormalizerWrapper::Lowercase(Lowercase)), text);
    let parts = parts.get_splits(OffsetReferential::Original, OffsetType::None);
    parts
        .into_iter()
        .map(|(part, _, tokens)| (tokens.as_ref().map(|tokens| tokens[0].id), part.to_owned()))
        .collect()
}

fn split_by_us(added: &AddedTokens, text: &str) -> Vec<(Option<u32>, String)> {
    let mut parts = Vec::new();
    for (id, place) in added.split_plain(text) {
        let part = &text[place];
        if id.is_some() {
            parts.push((id, part.to_owned()));
            continue;
        }
        let part = part.to_lowercase();
        for (id, place) in added.split_normalized(&part) {
            parts.push((id, part[place].to_owned()));
        }
    }
    parts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn words_equal_the_crates(
        text in "([ '\\nstrvemld1x!]|\\s|\\PC|.|\\p{L}|\\p{N}|\\p{M}|\u{a0}|\u{3000}){0,40}",
    ) {
        prop_assert_eq!(by_us(&text), by_the_crate(&text));
    }

    #[test]
    fn added_tokens_equal_the_crates(
        tokens in prop::collection::vec(
            ("[aAb<>é ]{1,4}", any::<[bool; 5]>()), 1..8,
        ),
        text in "([aAbB<> \u{e9}\u{c9}_]|\\s|\\PC){0,30}",
        leave_special: bool,
    ) {
        let mut tokens: Vec<_> = tokens
            .into_iter()
            .map(|(content, [single_word, lstrip, rstrip, normalized, special])| {
                let ignored = special && leave_special;
                token(&content, |token| Added {
                    single_word, lstrip, rstrip, normalized, special, ignored, ..token
                })
            })
            .collect();
        // Of two that are written alike, the crate mixes what they are.
        let mut known = std::collections::HashSet::new();
        tokens.retain(|token| known.insert(token.content.clone()));
        let crates = crate_added(&tokens, leave_special);
        let lower = |text: &str| Ok::<_, ()>(text.to_lowercase());
        let ours = AddedTokens::new(tokens, 0, |_| None, lower).unwrap();
        prop_assert_eq!(split_by_us(&ours, &text), split_by_the_crate(&crates, &text));
    }
}
