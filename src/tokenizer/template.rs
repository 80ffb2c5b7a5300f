//! How a post-processor lays out a pair.

use std::collections::HashMap;

use serde::Deserialize;

use super::families::OfFamilies;
use crate::config::OtherFamilies;

/// A special token, and its id where the file has it.
pub(super) type Special = (String, Option<u32>);

/// `<s> A </s></s> B </s>` or `[CLS] A [SEP] B [SEP]`.
#[derive(Debug, PartialEq)]
pub(super) struct Template {
    pub(super) cls: Special,
    pub(super) sep: Special,
    /// Whether there are two separators between the texts.
    pub(super) doubled: bool,
    /// The token type of B and its separator; all before is of type 0.
    pub(super) second_type: u32,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
pub(super) enum RawPostProcessor {
    RobertaProcessing(RawEnds),
    BertProcessing(OfFamilies<RawEnds>),
    TemplateProcessing { pair: Vec<RawPiece>, special_tokens: HashMap<String, RawSpecialToken> },
    ByteLevel {},
    Sequence { processors: Vec<RawPostProcessor> },
}

#[derive(Deserialize)]
pub(super) struct RawEnds {
    sep: (String, u32),
    cls: (String, u32),
}

#[derive(Deserialize)]
pub(super) enum RawPiece {
    SpecialToken { id: String, type_id: u32 },
    Sequence { id: String, type_id: u32 },
}

#[derive(Deserialize)]
pub(super) struct RawSpecialToken {
    ids: Vec<u32>,
}

impl RawPiece {
    /// Its token type.
    fn type_id(&self) -> u32 {
        match self {
            RawPiece::SpecialToken { type_id, .. } | RawPiece::Sequence { type_id, .. } => *type_id,
        }
    }
}

fn known((token, id): (String, u32)) -> Special {
    (token, Some(id))
}

/// The layout of a pair, if it is one of those that are known.
pub(super) fn template(raw: RawPostProcessor) -> Result<Template, String> {
    match raw {
        RawPostProcessor::RobertaProcessing(RawEnds { sep, cls }) => {
            Ok(Template { cls: known(cls), sep: known(sep), doubled: true, second_type: 0 })
        }
        RawPostProcessor::BertProcessing(OfFamilies(_, RawEnds { sep, cls })) => {
            Ok(Template { cls: known(cls), sep: known(sep), doubled: false, second_type: 1 })
        }
        RawPostProcessor::TemplateProcessing { pair, special_tokens } => {
            pieces(&pair, &special_tokens)
        }
        RawPostProcessor::ByteLevel {} => Err("has no pair template".into()),
        RawPostProcessor::Sequence { processors } => {
            // ByteLevel as a post-processor changes offsets only.
            let mut templates =
                processors.into_iter().filter(|one| !matches!(one, RawPostProcessor::ByteLevel {}));
            match (templates.next(), templates.next()) {
                (Some(one), None) => template(one),
                _ => Err("has not exactly one pair template".into()),
            }
        }
    }
}

fn pieces(
    pair: &[RawPiece],
    special_tokens: &HashMap<String, RawSpecialToken>,
) -> Result<Template, String> {
    use RawPiece::{Sequence, SpecialToken};
    let wrong = || {
        let bert = if OtherFamilies::BUILT { " or [CLS] A [SEP] B [SEP]" } else { "" };
        format!("does not lay a pair out as <s> A </s></s> B </s>{bert}")
    };
    let [
        SpecialToken { id: cls, .. },
        Sequence { id: first, .. },
        between @ ..,
        Sequence { id: second, .. },
        SpecialToken { id: sep, .. },
    ] = pair
    else {
        return Err(wrong());
    };
    let doubled = between.len() == 2;
    let separates = |piece: &RawPiece| matches!(piece, SpecialToken { id, .. } if id == sep);
    let second_type = pair[pair.len() - 1].type_id();
    let types_fit = pair[..pair.len() - 2].iter().all(|piece| piece.type_id() == 0)
        && pair[pair.len() - 2].type_id() == second_type;
    if first != "A"
        || second != "B"
        || cls == sep
        || !(doubled || OtherFamilies::BUILT && between.len() == 1)
        || !between.iter().all(separates)
        || !types_fit
    {
        return Err(wrong());
    }
    let token = |name: &String| match special_tokens.get(name).map(|t| t.ids.as_slice()) {
        Some([id]) => Ok((name.clone(), Some(*id))),
        _ => Err(format!("has not one id for {name:?}")),
    };
    Ok(Template { cls: token(cls)?, sep: token(sep)?, doubled, second_type })
}
