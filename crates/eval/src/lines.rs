//! Lines of JSON, as Python's `json` module writes them.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, BufRead};
use std::sync::Arc;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use cappy::lines::{Lines, json_fault};
use cappy::{Error, ErrorKind, Result};

/// Where a line stands.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) file: Arc<str>,
    /// Counted from 1.
    pub(super) line: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: line {}", self.file, self.line)
    }
}

impl Place {
    /// The line is not what it should be.
    pub(super) fn refuse(&self, why: impl Into<String>) -> Error {
        Error::new(ErrorKind::Input, self.to_string(), why)
    }
}

/// Reads each line of the file `name` as a `T` and hands it to `take`, which says what is wrong
/// with it where something is.
pub(super) fn each_line<T: DeserializeOwned>(
    name: &str,
    reader: impl BufRead,
    take: &mut dyn FnMut(&Place, T) -> Result<(), String>,
) -> Result<()> {
    let mut place = Place { file: name.into(), line: 0 };
    let mut lines = Lines::new(reader);
    let unreadable =
        |error: io::Error| Error::new(ErrorKind::Io, name, error.to_string()).with_source(error);
    while let Some(line) = lines.next().map_err(unreadable)? {
        place.line = line.number;
        let taken = line.text.and_then(|line| parse(&line)).and_then(|line| take(&place, line));
        taken.map_err(|why| place.refuse(why))?;
    }
    Ok(())
}

fn parse<T: DeserializeOwned>(line: &str) -> Result<T, String> {
    if line.trim().is_empty() {
        return Err("is empty".into());
    }
    // serde would take an array for an object's fields in order.
    if !line.trim_start().starts_with('{') {
        return Err("is not a JSON object".into());
    }
    serde_json::from_str(&finite(line)).map_err(|error| json_fault(&error))
}

/// The line with `null` for `NaN`, `Infinity` and `-Infinity`, which Python writes and JSON lacks.
fn finite(line: &str) -> Cow<'_, str> {
    if !line.contains("NaN") && !line.contains("Infinity") {
        return line.into();
    }
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let string = (first == '"').then(|| string_end(rest));
        let word = ["NaN", "Infinity", "-Infinity"].into_iter().find(|w| rest.starts_with(w));
        let taken = string.or(word.map(str::len)).unwrap_or(first.len_utf8());
        out.push_str(if word.is_some() { "null" } else { &rest[..taken] });
        rest = &rest[taken..];
    }
    out.into()
}

/// The bytes of the JSON string that `text` begins with, quotes included.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !escaped => return at + 1,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// A JSON object with its entries in the order of the file.
pub(super) struct InOrder(pub(super) Vec<(String, Value)>);

impl<'de> Deserialize<'de> for InOrder {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<InOrder, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = InOrder;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with a list of samples for each decoding")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<InOrder, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(InOrder(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// The text of `field`.
pub(super) fn text(field: &str, value: Option<Value>) -> Result<String, String> {
    match value {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(format!("field '{field}' is not a string")),
        None => Err(missing(field)),
    }
}

pub(super) fn missing(field: &str) -> String {
    format!("field '{field}' is missing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_json_lacks_become_null_outside_of_strings() {
        let line = r#"{"a": NaN, "b": [-Infinity, Infinity], "NaN": "\"NaN\\", "é": "Infinity"}"#;
        let expected = r#"{"a": null, "b": [null, null], "NaN": "\"NaN\\", "é": "Infinity"}"#;
        assert_eq!(finite(line), expected);
        assert!(matches!(finite(r#"{"a": 1}"#), Cow::Borrowed(_)));
        // Broken ones end too.
        assert_eq!(finite("\"NaN"), "\"NaN");
        assert_eq!(finite("\"NaN\\"), "\"NaN\\");
    }

    #[test]
    fn each_fault_names_file_and_line() {
        let read = |text: &[u8]| {
            each_line::<Value>("f.jsonl", text, &mut |_, _| Ok(())).unwrap_err().to_string()
        };
        assert_eq!(read(b"{}\n\n"), "f.jsonl: line 2: is empty");
        assert_eq!(read(b"[1]"), "f.jsonl: line 1: is not a JSON object");
        assert_eq!(
            read(b"{}\n{}\n{\"a\" 1}"),
            "f.jsonl: line 3: is not JSON: expected `:` at column 6"
        );
        assert_eq!(read(b"{}\n{\"a\xff\n"), "f.jsonl: line 2: is not UTF-8 at byte 4");
    }
}
