//! What a user has to learn from: JSON lines, one object each, told apart by their fields.
//!
//! | fields | what it is |
//! | --- | --- |
//! | `instruction`, `response`, `label` | a pair and the score it ought to get |
//! | `instruction`, `references` or `targets`, and maybe `samples` | a task with right answers, and answers that somebody generated |
//! | `instruction`, `chosen`, `rejected` | a choice between answers |
//!
//! `references`, `targets`, `chosen` and `rejected` are a string or a list of strings. `samples` is
//! a list of strings or of objects with the text as `text` or `response`, or an object of such lists
//! by decoding; the files of the Cappy paper call it `flan_samples`. Other fields are passed over,
//! and so are empty lines.

use serde_json::{Map, Value};

use super::Example;
use crate::error::{Error, ErrorKind, Result};
use crate::lines::{Line, Lines, json_fault};

/// What one line teaches.
#[derive(Debug, Clone, PartialEq)]
pub enum Lesson {
    /// The score that a pair ought to get.
    Labelled(Example),
    /// A task with its right answers.
    Task {
        /// What is asked.
        instruction: String,
        /// Right answers, at least one.
        references: Vec<String>,
        /// Answers that somebody generated, right or wrong.
        samples: Vec<String>,
    },
    /// Answers that are better than others, as clicks tell.
    Choice {
        /// What is asked.
        instruction: String,
        /// The better answers, at least one.
        chosen: Vec<String>,
        /// The worse ones, at least one, and none that was chosen.
        rejected: Vec<String>,
    },
}

/// Reads the lines of `bytes`, the content of a file that messages call `file`.
///
/// ```
/// use cappy::adapt::{Lesson, examples};
/// let lines = br#"{"instruction": "2 + 2?", "references": "4", "samples": ["4", "22"]}
/// {"instruction": "Greet me.", "chosen": "Good morning!", "rejected": ["No.", "Why?"]}"#;
/// let lessons = examples::read("mine.jsonl", lines)?;
/// assert!(matches!(&lessons[1], Lesson::Choice { rejected, .. } if rejected.len() == 2));
/// # Ok::<(), cappy::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::Input`] naming the line, and the field that is missing or is not what it should be.
pub fn read(file: &str, bytes: &[u8]) -> Result<Vec<Lesson>> {
    let mut lessons = Vec::new();
    let mut lines = Lines::new(bytes);
    let unreadable = |error: std::io::Error| Error::new(ErrorKind::Io, file, error.to_string());
    while let Some(Line { number, text }) = lines.next().map_err(unreadable)? {
        let read = text.and_then(|text| match text.trim_ascii() {
            "" => Ok(None),
            line => lesson(line).map(Some),
        });
        let refuse = |what| Error::new(ErrorKind::Input, format!("{file}: line {number}"), what);
        lessons.extend(read.map_err(refuse)?);
    }
    Ok(lessons)
}

/// What `line` teaches, or what is wrong with it.
fn lesson(line: &str) -> Result<Lesson, String> {
    let value = serde_json::from_str(line).map_err(|error| json_fault(&error))?;
    let Value::Object(fields) = value else {
        return Err("is not a JSON object".into());
    };
    let instruction = string(&fields, "instruction")?;
    let has = |name: &str| fields.contains_key(name);
    let labelled = has("label") || has("response");
    let task = has("references") || has("targets");
    let choice = has("chosen") || has("rejected");
    match (labelled, task, choice) {
        (true, false, false) => {
            let response = string(&fields, "response")?;
            Ok(Lesson::Labelled(Example { instruction, response, label: label(&fields)? }))
        }
        (false, true, false) => {
            let references = match (has("references"), has("targets")) {
                (true, true) => return Err("has both \"references\" and \"targets\"".into()),
                (true, false) => strings(&fields, "references")?,
                _ => strings(&fields, "targets")?,
            };
            Ok(Lesson::Task { instruction, references, samples: samples(&fields)? })
        }
        (false, false, true) => {
            let chosen = strings(&fields, "chosen")?;
            let rejected = strings(&fields, "rejected")?;
            match rejected.iter().find(|text| chosen.contains(text)) {
                Some(both) => Err(format!("both chose and rejected {both:?}")),
                None => Ok(Lesson::Choice { instruction, chosen, rejected }),
            }
        }
        (false, false, false) => Err("has neither \"response\" and \"label\" nor \"references\" \
                                      nor \"chosen\" and \"rejected\""
            .into()),
        _ => Err("is of two kinds: it has fields of more than one of \"response\" and \"label\", \
                  \"references\", \"chosen\" and \"rejected\""
            .into()),
    }
}

fn field<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a Value, String> {
    fields.get(name).ok_or_else(|| format!("has no {name:?}"))
}

fn string(fields: &Map<String, Value>, name: &str) -> Result<String, String> {
    match field(fields, name)? {
        Value::String(text) => Ok(text.clone()),
        _ => Err(format!("{name:?} is not a string")),
    }
}

/// At least one string.
fn strings(fields: &Map<String, Value>, name: &str) -> Result<Vec<String>, String> {
    let texts: Option<Vec<String>> = match field(fields, name)? {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        _ => None,
    };
    match texts {
        Some(texts) if texts.is_empty() => Err(format!("{name:?} is empty")),
        Some(texts) => Ok(texts),
        None => Err(format!("{name:?} is neither a string nor a list of strings")),
    }
}

fn label(fields: &Map<String, Value>) -> Result<f32, String> {
    let label = field(fields, "label")?.as_f64().ok_or("\"label\" is not a number")? as f32;
    if !label.is_finite() {
        return Err("\"label\" is too large a number".into());
    }
    Ok(label)
}

/// Generated answers, in the order of the file; decodings in the order of their names.
fn samples(fields: &Map<String, Value>) -> Result<Vec<String>, String> {
    let name = match (fields.get("samples"), fields.get("flan_samples")) {
        (None, None) => return Ok(Vec::new()),
        (Some(_), Some(_)) => return Err("has both \"samples\" and \"flan_samples\"".into()),
        (Some(_), None) => "samples",
        (None, Some(_)) => "flan_samples",
    };
    let mut texts = Vec::new();
    let mut add = |value: &Value, place: &str| -> Result<(), String> {
        let items = value.as_array().ok_or_else(|| format!("{place} is not a list"))?;
        for item in items {
            let text = item.as_str().or_else(|| item.get("text")?.as_str());
            let text = text.or_else(|| item.get("response")?.as_str()).ok_or_else(|| {
                format!("{place} has an item that is neither a string nor has a \"text\"")
            })?;
            texts.push(text.to_owned());
        }
        Ok(())
    };
    match &fields[name] {
        Value::Object(decodings) => {
            for (decoding, value) in decodings {
                add(value, &format!("\"{name}\", {decoding:?},"))?;
            }
        }
        value => add(value, &format!("{name:?}"))?,
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(line: &str) -> Lesson {
        let mut lessons = read("f", line.as_bytes()).unwrap();
        assert_eq!(lessons.len(), 1);
        lessons.remove(0)
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| text.to_string()).collect()
    }

    #[test]
    fn each_kind_is_read() {
        assert_eq!(
            one(r#"{"instruction": "\na", "response": "", "label": 1, "dataset_name": "x"}"#),
            Lesson::Labelled(Example {
                instruction: "\na".into(),
                response: String::new(),
                label: 1.0
            })
        );
        let task = |references, samples| Lesson::Task {
            instruction: "a".into(),
            references: texts(references),
            samples: texts(samples),
        };
        for (line, expected) in [
            (r#"{"instruction": "a", "references": "b"}"#, task(&["b"], &[])),
            (r#"{"instruction": "a", "targets": ["b", "c"]}"#, task(&["b", "c"], &[])),
            (
                r#"{"instruction": "a", "targets": ["b"], "samples": ["c", {"text": "d"}]}"#,
                task(&["b"], &["c", "d"]),
            ),
            (
                r#"{"dataset": "x", "example_idx": 0, "instruction": "a", "references": ["b"],
                    "flan_samples": {"beam4": [{"response": "c", "log_likelihood_sum": -1.5}],
                    "sampling": [{"response": "d"}, {"response": "c"}]}}"#,
                task(&["b"], &["c", "d", "c"]),
            ),
        ] {
            assert_eq!(one(&line.replace('\n', " ")), expected, "{line}");
        }
        assert_eq!(
            one(r#"{"instruction": "a", "chosen": "b", "rejected": ["c", "d"]}"#),
            Lesson::Choice {
                instruction: "a".into(),
                chosen: texts(&["b"]),
                rejected: texts(&["c", "d"]),
            }
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (line, what) in [
            ("nonsense", "is not JSON"),
            ("{\"instruction\": \"\u{e9}", "is not JSON"),
            ("[]", "is not a JSON object"),
            ("{}", "has no \"instruction\""),
            (r#"{"instruction": 3}"#, "\"instruction\" is not a string"),
            (r#"{"instruction": "a"}"#, "has neither"),
            (r#"{"instruction": "a", "samples": ["b"]}"#, "has neither"),
            (r#"{"instruction": "a", "response": "b"}"#, "has no \"label\""),
            (r#"{"instruction": "a", "label": 1}"#, "has no \"response\""),
            (r#"{"instruction": "a", "response": "b", "label": "1"}"#, "is not a number"),
            (r#"{"instruction": "a", "response": "b", "label": 1e39}"#, "too large"),
            (r#"{"instruction": "a", "references": []}"#, "\"references\" is empty"),
            (r#"{"instruction": "a", "targets": [1]}"#, "\"targets\" is neither"),
            (r#"{"instruction": "a", "targets": "b", "references": "c"}"#, "has both"),
            (r#"{"instruction": "a", "targets": "b", "samples": "c"}"#, "is not a list"),
            (r#"{"instruction": "a", "targets": "b", "samples": [{"label": 1}]}"#, "an item"),
            (r#"{"instruction": "a", "targets": "b", "flan_samples": {"x": 1}}"#, "\"x\","),
            (r#"{"instruction": "a", "chosen": "b"}"#, "has no \"rejected\""),
            (r#"{"instruction": "a", "chosen": "b", "rejected": ["c", "b"]}"#, "both chose"),
            (r#"{"instruction": "a", "references": "b", "label": 1}"#, "of two kinds"),
            (r#"{"instruction": "a", "references": "b", "chosen": "c"}"#, "of two kinds"),
        ] {
            let text = format!("\u{feff}\r\n \n{line}\n");
            let error = read("my.jsonl", text.as_bytes()).unwrap_err();
            assert_eq!(error.at_fault(), "my.jsonl: line 3", "{line}");
            assert!(error.what().contains(what), "{line}: {error}");
        }
        let error = read("f", b"{\"instruction\": \"\xff\"}").unwrap_err();
        assert_eq!(error.at_fault(), "f: line 1");
    }

    /// Pieces of lines in any order, so that more than the JSON parser is reached.
    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let words = [
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\n",
            "1",
            "-1e400",
            "null",
            "\"text\"",
            "\"a\"",
            "\"instruction\":\"a\",",
            "\"references\":",
            "\"samples\":",
            "\"chosen\":",
            "\"label\":",
            "\"rejected\":",
            "\"response\":",
            "\u{feff}",
            "\"\\ud800\"",
            "\u{0}",
        ];
        proptest::collection::vec(prop::sample::select(words.to_vec()), 0..20)
            .prop_map(|words| words.concat().into_bytes())
    }

    proptest! {
        #[test]
        fn foreign_bytes_are_read_or_refused(
            bytes in prop_oneof![proptest::collection::vec(any::<u8>(), 0..200), pieces()]
        ) {
            match read("f", &bytes) {
                Ok(lessons) => prop_assert!(lessons.len() <= bytes.len()),
                Err(error) => prop_assert!(error.at_fault().starts_with("f: line ")),
            }
        }
    }
}
