//! One line of `cappy score`'s input.

use std::io;

use cappy::Score;
use cappy::lines::json_fault;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::output;
use crate::stream::Job;

/// An instruction with what is to be scored for it.
#[derive(Debug, PartialEq)]
pub struct Request {
    instruction: String,
    responses: Vec<String>,
    /// Whether the line had `responses`, so that its results are lists too.
    list: bool,
}

/// The fields as they stand in the line; fields of other names are left alone.
#[derive(Deserialize)]
struct Fields {
    instruction: Option<Value>,
    response: Option<Value>,
    responses: Option<Value>,
}

impl Request {
    /// Reads one line, or says what is wrong with it.
    pub fn parse(line: &str) -> Result<Request, String> {
        if line.trim().is_empty() {
            return Err("is empty".into());
        }
        // serde would take an array for an object's fields in order.
        if !line.trim_start().starts_with('{') {
            return Err("is not a JSON object".into());
        }
        let fields: Fields = serde_json::from_str(line).map_err(|error| json_fault(&error))?;
        let instruction =
            string("instruction", fields.instruction.ok_or_else(|| missing("instruction"))?)?;
        let (responses, list) = match (fields.response, fields.responses) {
            (Some(one), None) => (vec![string("response", one)?], false),
            (None, Some(Value::Array(many))) => {
                let name = |i| format!("responses[{i}]");
                let many = many.into_iter().enumerate().map(|(i, one)| string(&name(i), one));
                (many.collect::<Result<_, _>>()?, true)
            }
            (None, Some(_)) => return Err("field 'responses' is not a list of strings".into()),
            (None, None) => return Err(missing("response' or 'responses")),
            (Some(_), Some(_)) => return Err("has both 'response' and 'responses'".into()),
        };
        Ok(Request { instruction, responses, list })
    }
}

impl Job for Request {
    fn pairs(&self) -> Vec<(&str, &str)> {
        self.responses.iter().map(|response| (&*self.instruction, &**response)).collect()
    }

    fn written(&self, scores: &[Score]) -> io::Result<String> {
        match scores {
            [Score { tokens, truncated, .. }] if !self.list => output::line(&One {
                score: logits(&scores[0]),
                tokens: *tokens,
                truncated: *truncated,
            }),
            many => output::line(&Many {
                scores: many.iter().map(logits).collect(),
                tokens: many.iter().map(|one| one.tokens).collect(),
                truncated: many.iter().map(|one| one.truncated).collect(),
            }),
        }
    }
}

#[derive(Serialize)]
struct One<'a> {
    score: Logits<'a>,
    tokens: usize,
    truncated: usize,
}

#[derive(Serialize)]
struct Many<'a> {
    scores: Vec<Logits<'a>>,
    tokens: Vec<usize>,
    truncated: Vec<usize>,
}

/// A number, or for a model with several labels a list of them.
#[derive(Serialize)]
#[serde(untagged)]
enum Logits<'a> {
    Regression(f32),
    Labels(&'a [f32]),
}

fn logits(score: &Score) -> Logits<'_> {
    match score.logits[..] {
        [one] => Logits::Regression(one),
        _ => Logits::Labels(&score.logits),
    }
}

fn missing(field: &str) -> String {
    format!("field '{field}' is missing")
}

fn string(field: &str, value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(format!("field '{field}' is not a string")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let one = Request::parse(r#" {"instruction": "\ni", "response": "", "id": [1]} "#).unwrap();
        assert_eq!(one.pairs(), [("\ni", "")]);
        assert!(!one.list);
        let many = Request::parse(r#"{"responses": ["a", "b"], "instruction": "i"}"#).unwrap();
        assert_eq!(many.pairs(), [("i", "a"), ("i", "b")]);
        assert!(many.list);
        assert_eq!(Request::parse(r#"{"instruction": "", "responses": []}"#).unwrap().pairs(), []);
    }

    #[test]
    fn each_fault_is_named() {
        for (line, fault) in [
            ("", "is empty"),
            (" \t", "is empty"),
            (r#"["i", "r"]"#, "is not a JSON object"),
            (
                r#"{"instruction": "i", "response": "r"} x"#,
                "is not JSON: trailing characters at column 39",
            ),
            (
                r#"{"instruction": "i", "response": "r""#,
                "is not JSON: EOF while parsing an object at column 36",
            ),
            (
                r#"{"instruction": "\ud800", "response": ""}"#,
                "has half of a character at column 24",
            ),
            (r#"{"response": "r"}"#, "field 'instruction' is missing"),
            (r#"{"instruction": "i"}"#, "field 'response' or 'responses' is missing"),
            (r#"{"instruction": 5, "response": "r"}"#, "field 'instruction' is not a string"),
            (r#"{"instruction": "i", "response": ["r"]}"#, "field 'response' is not a string"),
            (
                r#"{"instruction": "i", "responses": "r"}"#,
                "field 'responses' is not a list of strings",
            ),
            (
                r#"{"instruction": "i", "responses": ["r", 5]}"#,
                "field 'responses[1]' is not a string",
            ),
            (r#"{"instruction": "i", "response": "r", "responses": []}"#, "has both"),
            (
                r#"{"instruction": "i", "instruction": "j", "response": "r"}"#,
                "duplicate field `instruction`",
            ),
        ] {
            let said = Request::parse(line).unwrap_err();
            assert!(said.starts_with(fault), "{line}: {said}");
        }
    }
}
