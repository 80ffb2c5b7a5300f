//! A text, or JSON that is written out as text.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A text, or JSON with its fields in the order given. Models read it as [`Content::text`].
///
/// ```
/// use cappy::decide::Content;
/// let state: Content = serde_json::from_str(r#"{"message": "Hi!", "seen": [1, true]}"#)?;
/// assert_eq!(state.text(), "message: Hi!\nseen:\n  - 1\n  - true");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A text as it is. Numbers, truth values and null are the texts that JSON has for them.
    Text(String),
    /// An array.
    List(Vec<Content>),
    /// An object, in the order given.
    Fields(Vec<(String, Content)>),
}

impl Content {
    /// The text that a model reads: a line of `key: value` for each field and of `- value` for each entry
    /// of a list. What is inside of another one stands below it, with two more spaces before it. An empty
    /// list is `[]`, an empty object `{}`.
    pub fn text(&self) -> String {
        match self {
            Content::Text(text) => text.clone(),
            _ => {
                let mut lines = Vec::new();
                self.write(0, &mut lines);
                lines.join("\n")
            }
        }
    }

    /// The text on one line, if it is no more than that.
    fn short(&self) -> Option<&str> {
        match self {
            Content::Text(text) => Some(text),
            Content::List(list) if list.is_empty() => Some("[]"),
            Content::Fields(fields) if fields.is_empty() => Some("{}"),
            _ => None,
        }
    }

    fn write(&self, depth: usize, lines: &mut Vec<String>) {
        let indent = "  ".repeat(depth);
        let mut add = |mark: String, value: &Content| match value.short() {
            Some(text) => lines.push(format!("{indent}{mark} {text}")),
            None => {
                lines.push(format!("{indent}{mark}"));
                value.write(depth + 1, lines);
            }
        };
        match self {
            Content::List(list) if !list.is_empty() => {
                list.iter().for_each(|value| add("-".into(), value));
            }
            Content::Fields(fields) if !fields.is_empty() => {
                fields.iter().for_each(|(key, value)| add(format!("{key}:"), value));
            }
            _ => lines.extend(self.short().map(|text| format!("{indent}{text}"))),
        }
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Content::Text(text.into())
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyContent)
    }
}

struct AnyContent;

impl<'de> Visitor<'de> for AnyContent {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a text or JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<Content, E> {
        Ok(text.into())
    }

    fn visit_bool<E>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Text(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Text(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Text(value.to_string()))
    }

    // As JavaScript writes it: 1.0 is 1.
    fn visit_f64<E>(self, value: f64) -> Result<Content, E> {
        Ok(Content::Text(value.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok("null".into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Content, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element()? {
            list.push(value);
        }
        Ok(Content::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Content, A::Error> {
        in_order(map).map(Content::Fields)
    }
}

/// The entries of an object in their order. A key twice is an error: which one counts is anybody's guess.
/// What is wrong with a value is said after its key.
pub(super) fn in_order<'de, V: Deserialize<'de>, A: MapAccess<'de>>(
    mut map: A,
) -> Result<Vec<(String, V)>, A::Error> {
    let mut entries: Vec<(String, V)> = Vec::new();
    while let Some(key) = map.next_key::<String>()? {
        if entries.iter().any(|(other, _)| *other == key) {
            return Err(A::Error::custom(format!("duplicate field `{key}`")));
        }
        let value = map.next_value().map_err(|error| {
            let what = error.to_string();
            A::Error::custom(format!(
                "{key}: {}",
                what.split(" at line ").next().unwrap_or_default()
            ))
        })?;
        entries.push((key, value));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(json: &str) -> String {
        serde_json::from_str::<Content>(json).unwrap().text()
    }

    #[test]
    fn json_is_written_as_lines() {
        for (json, expected) in [
            (r#""as it is\n""#, "as it is\n"),
            ("1.0", "1"),
            ("null", "null"),
            ("[]", "[]"),
            ("{}", "{}"),
            (r#"{"b": 1, "a": -0.5}"#, "b: 1\na: -0.5"),
            (r#"["x", ["y", {"k": "z"}], {}]"#, "- x\n-\n  - y\n  -\n    k: z\n- {}"),
            (r#"{"order": {"id": 7, "items": []}}"#, "order:\n  id: 7\n  items: []"),
        ] {
            assert_eq!(text(json), expected, "{json}");
        }
    }

    #[test]
    fn a_key_twice_is_refused() {
        let error = serde_json::from_str::<Content>(r#"{"a": 1, "a": 2}"#).unwrap_err();
        assert!(error.to_string().starts_with("duplicate field `a`"), "{error}");
    }
}
