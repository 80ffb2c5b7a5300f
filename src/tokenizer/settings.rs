//! The settings in `tokenizer_config.json` and the older files beside it, as transformers 5 reads them.
//!
//! A tokenizer of a class that it knows is built anew by transformers: the vocabulary comes from
//! `tokenizer.json`, everything else from these files, and what they leave out has the class's
//! default. So it is here, except that a normalizer and a Metaspace of `tokenizer.json` stay where
//! these files do not mention them.

use std::collections::{BTreeMap, HashSet};

use super::added::Added;
use super::parts::{Model, Parts, refuse};
use super::template::Template;
use crate::config::{Config, Family, OtherFamilies};
use crate::error::{Error, Result};
use serde_json::{Map, Value};

pub(super) const FILE: &str = "tokenizer_config.json";
pub(super) const SPECIAL_TOKENS: &str = "special_tokens_map.json";
pub(super) const ADDED_TOKENS: &str = "added_tokens.json";

/// transformers takes a longer `model_max_length`, such as its default of 1e30, for none at all.
const LONGEST: f64 = 1e20;

/// The special tokens that have a name, in the order in which they get ids.
const NAMED: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// transformers' classes of tokenizers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Roberta,
    XlmRoberta(OtherFamilies),
    Bert(OtherFamilies),
    /// `tokenizer.json` is taken as it is.
    Other,
}

/// The contents of these files.
pub(super) struct Settings {
    pub(super) class: Class,
    fields: Map<String, Value>,
    /// The contents of `added_tokens.json`: ids of tokens.
    added: Map<String, Value>,
}

impl Class {
    fn of(name: &str) -> Class {
        match name.strip_suffix("Fast").unwrap_or(name) {
            "RobertaTokenizer" | "BartTokenizer" | "LongformerTokenizer" | "LEDTokenizer" => {
                Class::Roberta
            }
            "XLMRobertaTokenizer" => Class::built(Class::XlmRoberta),
            "BertTokenizer"
            | "DistilBertTokenizer"
            | "ElectraTokenizer"
            | "MobileBertTokenizer"
            | "SqueezeBertTokenizer" => Class::built(Class::Bert),
            _ => Class::Other,
        }
    }

    /// What is taken where `tokenizer_class` is missing.
    fn of_family(family: Family) -> Class {
        match family {
            Family::Roberta => Class::Roberta,
            Family::XlmRoberta => Class::built(Class::XlmRoberta),
            Family::Bert | Family::DistilBert => Class::built(Class::Bert),
            Family::ModernBert => Class::Other,
        }
    }

    /// The class of another family, if this build has it.
    fn built(class: impl Fn(OtherFamilies) -> Class) -> Class {
        OtherFamilies::built().map_or(Class::Other, class)
    }

    /// The named special tokens that the class has unless a file says otherwise.
    fn default(self, name: &str) -> Option<&'static str> {
        let roberta = match name {
            "bos_token" | "cls_token" => "<s>",
            "eos_token" | "sep_token" => "</s>",
            "unk_token" => "<unk>",
            "pad_token" => "<pad>",
            "mask_token" => "<mask>",
            _ => return None,
        };
        match self {
            Class::Other => None,
            Class::Bert(_) => match name {
                "unk_token" => Some("[UNK]"),
                "sep_token" => Some("[SEP]"),
                "pad_token" => Some("[PAD]"),
                "cls_token" => Some("[CLS]"),
                "mask_token" => Some("[MASK]"),
                _ => None,
            },
            _ => Some(roberta),
        }
    }

    /// Whether its tokenizers are of this kind.
    pub(super) fn has(self, model: &Model) -> bool {
        match self {
            Class::Roberta => matches!(model, Model::Bpe(_)),
            Class::XlmRoberta(_) => matches!(model, Model::Unigram(..)),
            Class::Bert(_) => matches!(model, Model::WordPiece(..)),
            Class::Other => true,
        }
    }

    /// Whether the model gets token types, unless a file says otherwise.
    fn has_types(self) -> bool {
        matches!(self, Class::Bert(_))
    }

    /// The names of the tokens that begin a pair and end each text.
    fn template_tokens(self) -> [&'static str; 2] {
        match self {
            Class::XlmRoberta(_) => ["bos_token", "eos_token"],
            _ => ["cls_token", "sep_token"],
        }
    }
}

impl Settings {
    /// Reads `tokenizer_config.json`, if there is one.
    pub(super) fn read(json: Option<&[u8]>, config: &Config) -> Result<Settings> {
        let mut fields = object(FILE, json)?;
        let class = match fields.get("tokenizer_class") {
            Some(Value::String(name)) => Class::of(name),
            _ => Class::of_family(config.family),
        };
        // The older name of the same.
        if !is_set(fields.get("extra_special_tokens"))
            && let Some(extra) = fields.remove("additional_special_tokens")
        {
            fields.insert("extra_special_tokens".into(), extra);
        }
        Ok(Settings { class, fields, added: Map::new() })
    }

    /// Whether `special_tokens_map.json` and `added_tokens.json` are ignored.
    pub(super) fn has_added_tokens(&self) -> bool {
        self.fields.get("added_tokens_decoder").is_some_and(|tokens| !tokens.is_null())
    }

    /// Reads the older files, which count where `tokenizer_config.json` names no added tokens.
    pub(super) fn read_older(
        &mut self,
        special_tokens: Option<&[u8]>,
        added_tokens: Option<&[u8]>,
    ) -> Result<()> {
        self.added = object(ADDED_TOKENS, added_tokens)?;
        for (name, mut value) in object(SPECIAL_TOKENS, special_tokens)? {
            match (&name[..], &mut value) {
                ("extra_special_tokens", Value::Array(more)) => {
                    if let Some(Value::Array(all)) = self.fields.get_mut(&name) {
                        all.append(more);
                        continue;
                    }
                }
                (_, Value::Object(token)) => {
                    token.insert("special".into(), true.into());
                }
                _ => {}
            }
            self.fields.insert(name, value);
        }
        Ok(())
    }

    /// The content of a named special token: what a file says, else the class's default.
    pub(super) fn special(&self, name: &str) -> Option<String> {
        match self.fields.get(name) {
            Some(token) => content_of(token).map(String::from),
            None => self.class.default(name).map(String::from),
        }
    }

    /// How the class lays out a pair.
    pub(super) fn template(&self) -> Template {
        let [cls, sep] =
            self.class.template_tokens().map(|name| (self.special(name).unwrap_or_default(), None));
        let single = self.class.has_types();
        Template { cls, sep, doubled: !single, second_type: single.into() }
    }

    /// Puts into `parts`, of `tokenizer.json` or of files with the vocabulary alone, what the
    /// settings say.
    pub(super) fn apply(&self, parts: &mut Parts) -> Result<()> {
        self.apply_to_model(parts)?;
        if self.class != Class::Other {
            let [cls, sep] = self.class.template_tokens();
            for (name, token) in [(cls, &mut parts.template.cls), (sep, &mut parts.template.sep)] {
                let named = self.fields.get(name).and_then(content_of);
                if let Some(named) = named.filter(|named| *named != token.0) {
                    *token = (named.into(), None);
                }
            }
        }
        parts.added_tokens = self.added_tokens(parts)?;
        if self.flag("split_special_tokens")? == Some(true) {
            parts.added_tokens.iter_mut().for_each(|token| token.ignored = token.special);
        }
        parts.max_tokens = self.max_tokens()?;
        match self.fields.get("truncation_side").map(|side| side.as_str()) {
            None => {}
            Some(Some("left")) => parts.from_the_left = true,
            Some(Some("right")) => parts.from_the_left = false,
            Some(_) => return Err(wrong("truncation_side", "is neither \"left\" nor \"right\"")),
        }
        parts.has_types = match self.fields.get("model_input_names") {
            Some(Value::Array(names)) => names.iter().any(|name| name == "token_type_ids"),
            _ => self.class.has_types(),
        };
        Ok(())
    }

    fn apply_to_model(&self, parts: &mut Parts) -> Result<()> {
        let prefix = self.flag("add_prefix_space")?;
        match (&mut parts.model, self.class) {
            (Model::Bpe(bpe), Class::Roberta) => bpe.add_prefix_space = prefix == Some(true),
            (Model::Unigram(_, unigram), Class::XlmRoberta(_)) => {
                if let Some(prefix) = prefix {
                    unigram.splits.set_prefix(prefix);
                }
            }
            (Model::WordPiece(_, word_piece), Class::Bert(families)) => {
                if let Some(unknown) = self.fields.get("unk_token").and_then(content_of) {
                    word_piece.unk_token = unknown.into();
                }
                let bert = super::normalization::bert(
                    families,
                    self.flag("tokenize_chinese_chars")?.unwrap_or(true),
                    self.flag("strip_accents")?,
                    self.flag("do_lower_case")?.unwrap_or(true),
                );
                super::normalization::replace_bert(&mut parts.normalizers, bert);
            }
            _ => {}
        }
        Ok(())
    }

    /// The tokens that are looked for in a text before it is split, in the order in which those
    /// without an id get theirs.
    fn added_tokens(&self, parts: &mut Parts) -> Result<Vec<Added>> {
        let own = std::mem::take(&mut parts.added_tokens);
        let decoder = self.fields.get("added_tokens_decoder").filter(|tokens| !tokens.is_null());
        let mut by_id = BTreeMap::new();
        // For a class that is built anew, the settings take the place of the file's own tokens.
        if self.class == Class::Other || decoder.is_none() {
            self.read_added_tokens(&mut by_id)?;
            by_id.extend(own.into_iter().map(|token| (token.id, token)));
        }
        if let Some(decoder) = decoder {
            let at = "added_tokens_decoder";
            let broken = || wrong(at, "does not map ids to tokens");
            for (id, token) in decoder.as_object().ok_or_else(broken)? {
                let id = Some(id.parse().map_err(|_| broken())?);
                by_id.insert(id, Added { id, ..token_of(at, token, false)? });
            }
        }
        let mut tokens: Vec<_> = by_id.into_values().collect();

        let mut more = Vec::new();
        for name in NAMED {
            match (self.fields.get(name), self.class.default(name)) {
                (Some(Value::Null), _) | (None, None) => {}
                (Some(token), _) => more.push(token_of(name, token, true)?),
                (None, Some(content)) => more.push(Added::special(content)),
            }
        }
        // Tokens that only this model has are named in the same way.
        for (name, token) in &self.fields {
            if name.ends_with("_token") && !NAMED.contains(&&name[..]) && token.is_string() {
                more.push(token_of(name, token, true)?);
            }
        }
        let named: HashSet<_> = more.iter().map(|token| &token.content[..]).collect();
        for token in &mut tokens {
            token.special |= named.contains(&token.content[..]);
        }
        // A SentencePiece model's own take the place of those in special_tokens_map.json.
        let lists = match parts.set_apart.as_mut() {
            Some(own) if !self.fields.contains_key("extra_special_tokens") => {
                more.append(own);
                Vec::new()
            }
            _ => self.extra(),
        };
        for token in lists {
            more.push(token_of("extra_special_tokens", token, token.is_string())?);
        }
        let mut known: HashSet<_> = tokens.iter().map(|token| token.content.clone()).collect();
        more.retain(|token| known.insert(token.content.clone()));
        tokens.append(&mut more);
        Ok(tokens)
    }

    /// The special tokens without a name.
    fn extra(&self) -> Vec<&Value> {
        let older = self.fields.get("additional_special_tokens");
        match self.fields.get("extra_special_tokens").or(older) {
            Some(Value::Array(all)) => all.iter().collect(),
            Some(Value::Object(all)) => all.values().collect(),
            _ => Vec::new(),
        }
    }

    /// What `added_tokens.json` has.
    fn read_added_tokens(&self, by_id: &mut BTreeMap<Option<u32>, Added>) -> Result<()> {
        let named = NAMED.iter().filter_map(|name| self.fields.get(*name));
        let extra = self.fields.get("extra_special_tokens").and_then(Value::as_array);
        let special: HashSet<_> =
            named.chain(extra.into_iter().flatten()).filter_map(content_of).collect();
        for (content, id) in &self.added {
            let Some(id) = id.as_u64().and_then(|id| u32::try_from(id).ok()) else {
                return Err(refuse(ADDED_TOKENS, "does not map tokens to ids"));
            };
            let special = special.contains(&content[..]);
            let token =
                Added { id: Some(id), special, normalized: !special, ..Added::special(content) };
            by_id.insert(Some(id), token);
        }
        Ok(())
    }

    /// The most tokens of a pair, special ones included, if the files limit them.
    fn max_tokens(&self) -> Result<Option<usize>> {
        let name = match self.fields.get("model_max_length") {
            Some(_) => "model_max_length",
            None => "max_len",
        };
        match self.fields.get(name).map(Value::as_f64) {
            None => Ok(None),
            Some(Some(most)) if most > LONGEST => Ok(None),
            Some(Some(most)) if most >= 0.0 && most.fract() == 0.0 => Ok(Some(most as usize)),
            Some(_) if self.fields[name].is_null() => Ok(None),
            Some(_) => Err(wrong(name, "is no number of tokens")),
        }
    }

    fn flag(&self, name: &str) -> Result<Option<bool>> {
        match self.fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(wrong(name, "is neither true nor false")),
        }
    }
}

/// The object that `json` is; an empty one where there is no such file.
fn object(file: &str, json: Option<&[u8]>) -> Result<Map<String, Value>> {
    let Some(json) = json else { return Ok(Map::new()) };
    serde_json::from_slice(json).map_err(|source| {
        refuse(file, format!("is not a JSON object: {source}")).with_source(source)
    })
}

fn is_set(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::Array(all)) => !all.is_empty(),
        Some(Value::Object(all)) => !all.is_empty(),
        Some(_) => true,
    }
}

fn wrong(field: &str, why: &str) -> Error {
    refuse(format!("{FILE}: {field}"), why)
}

/// What a token is matched by, written as a text or as an object.
fn content_of(token: &Value) -> Option<&str> {
    token.as_str().or_else(|| token.get("content")?.as_str())
}

/// Reads a token. `special` is what it is where the file does not say.
fn token_of(field: &str, token: &Value, special: bool) -> Result<Added> {
    let flag = |name: &str| token.get(name).and_then(Value::as_bool);
    let Some(content) = content_of(token) else {
        return Err(wrong(field, "is no token"));
    };
    let special = special || flag("special") == Some(true);
    Ok(Added {
        single_word: flag("single_word") == Some(true),
        lstrip: flag("lstrip") == Some(true),
        rstrip: flag("rstrip") == Some(true),
        normalized: flag("normalized").unwrap_or(!special),
        special,
        ..Added::special(content)
    })
}
