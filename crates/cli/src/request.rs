//! One line of `cappy score`'s input.

use std::fmt;
use std::io;

use cappy::Score;
use cappy::lines::json_fault;
use serde::Serialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use crate::output;
use crate::stream::{Fault, Job, Parsed};

/// The fields of results, which no field that is kept can have the name of.
pub const WRITTEN: [&str; 5] = ["error", "score", "scores", "tokens", "truncated"];

/// An instruction with what is to be scored for it.
#[derive(Debug, PartialEq)]
pub struct Request {
    instruction: String,
    responses: Vec<String>,
    /// Whether the line had `responses`, so that its results are lists too.
    list: bool,
    /// What goes before the results: fields of the line, as JSON with a comma after each.
    kept: String,
}

/// The fields as they stand in the line; fields of other names are left alone.
#[derive(Default)]
struct Fields {
    instruction: Option<Value>,
    response: Option<Value>,
    responses: Option<Value>,
    /// For each field to keep, its JSON.
    kept: Vec<Option<Box<RawValue>>>,
}

/// Reads [`Fields`] of which these are kept.
#[derive(Clone, Copy)]
struct Keep<'a>(&'a [String]);

impl<'de> DeserializeSeed<'de> for Keep<'_> {
    type Value = Fields;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Fields, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Keep<'_> {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Fields { kept: vec![None; self.0.len()], ..Fields::default() };
        let twice = |name: &str| A::Error::custom(format!("duplicate field `{name}`"));
        while let Some(name) = map.next_key::<String>()? {
            let place = self.0.iter().position(|kept| *kept == name);
            let field = match &*name {
                "instruction" => &mut fields.instruction,
                "response" => &mut fields.response,
                "responses" => &mut fields.responses,
                _ => {
                    match place {
                        None => drop(map.next_value::<IgnoredAny>()?),
                        Some(place) => {
                            let json: Box<RawValue> = map.next_value()?;
                            if fields.kept[place].replace(json).is_some() {
                                return Err(twice(&name));
                            }
                        }
                    }
                    continue;
                }
            };
            let value: Value = map.next_value()?;
            if let Some(place) = place {
                fields.kept[place] = Some(to_raw_value(&value).map_err(A::Error::custom)?);
            }
            if field.replace(value).is_some() {
                return Err(twice(&name));
            }
        }
        Ok(fields)
    }
}

impl Request {
    /// Reads one line of which the fields `keep` go with its results, or says what is wrong with it.
    pub fn parse(line: &str, keep: &[String]) -> Parsed<Request> {
        if line.trim().is_empty() {
            return Err("is empty".into());
        }
        // serde would take an array for an object's fields in order.
        if !line.trim_start().starts_with('{') {
            return Err("is not a JSON object".into());
        }
        let mut reader = serde_json::Deserializer::from_str(line);
        let read = Keep(keep).deserialize(&mut reader);
        let read = read.and_then(|fields| reader.end().map(|()| fields));
        let mut fields = read.map_err(|error| json_fault(&error))?;
        let kept = kept(keep, &fields.kept);
        let request = fields.request();
        let missing_kept = || {
            let place = fields.kept.iter().position(Option::is_none)?;
            Some(missing(&keep[place]))
        };
        match (request, missing_kept()) {
            (Ok(request), None) => Ok(Request { kept, ..request }),
            (Err(why), _) | (Ok(_), Some(why)) => Err(Fault { why, kept }),
        }
    }
}

impl Fields {
    /// Without what is kept.
    fn request(&mut self) -> Result<Request, String> {
        let instruction = self.instruction.take().ok_or_else(|| missing("instruction"))?;
        let instruction = string("instruction", instruction)?;
        let (responses, list) = match (self.response.take(), self.responses.take()) {
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
        Ok(Request { instruction, responses, list, kept: String::new() })
    }
}

/// The fields `names` that are there, as JSON with a comma after each.
fn kept(names: &[String], values: &[Option<Box<RawValue>>]) -> String {
    let fields = names.iter().zip(values).filter_map(|(name, json)| Some((name, json.as_ref()?)));
    fields.map(|(name, json)| format!("{}:{},", Value::from(&**name), dense(json.get()))).collect()
}

/// The same JSON without the spaces between its parts, some of which a terminal would obey.
fn dense(json: &str) -> String {
    let (mut in_text, mut escaped) = (false, false);
    let is_kept = |c: &char| {
        let kept = in_text || !matches!(c, ' ' | '\t' | '\r' | '\n');
        in_text ^= *c == '"' && !escaped;
        escaped = in_text && *c == '\\' && !escaped;
        kept
    };
    json.chars().filter(is_kept).collect()
}

impl Job for Request {
    fn pairs(&self) -> Vec<(&str, &str)> {
        self.responses.iter().map(|response| (&*self.instruction, &**response)).collect()
    }

    fn written(&self, scores: &[Score]) -> io::Result<String> {
        let results = match scores {
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
        }?;
        Ok(output::with_fields_before(&self.kept, &results))
    }

    fn kept(&self) -> &str {
        &self.kept
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

    fn parse(line: &str) -> Result<Request, String> {
        Request::parse(line, &[]).map_err(|fault| fault.why)
    }

    #[test]
    fn both_forms_are_read() {
        let one = parse(r#" {"instruction": "\ni", "response": "", "id": [1]} "#).unwrap();
        assert_eq!(one.pairs(), [("\ni", "")]);
        assert!(!one.list);
        let many = parse(r#"{"responses": ["a", "b"], "instruction": "i"}"#).unwrap();
        assert_eq!(many.pairs(), [("i", "a"), ("i", "b")]);
        assert!(many.list);
        assert_eq!(parse(r#"{"instruction": "", "responses": []}"#).unwrap().pairs(), []);
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
            let said = parse(line).unwrap_err();
            assert!(said.starts_with(fault), "{line}: {said}");
        }
    }

    #[test]
    fn kept_fields_are_written_as_they_stand_in_the_line() {
        let keep = ["id", "source", "instruction"].map(str::to_owned);
        let line = "{\"source\": {\"a b\":\t[1.50, 123456789012345678901234567890]}, \"response\": \"r\", \
                    \"id\": \"x\\\" \\u00e9\\\\\", \"instruction\": \"\\u0041\", \"other\": 5}";
        let request = Request::parse(line, &keep).unwrap();
        assert_eq!(
            request.kept(),
            "\"id\":\"x\\\" \\u00e9\\\\\",\"source\":{\"a b\":[1.50,123456789012345678901234567890]},\
             \"instruction\":\"A\","
        );
        assert_eq!(request.pairs(), [("A", "r")]);
        let score = Score { logits: vec![0.5], tokens: 3, truncated: 0 };
        let written = request.written(&[score]).unwrap();
        assert!(written.starts_with("{\"id\":\"x"), "{written}");
        assert!(
            written.ends_with("\"A\",\"score\":0.5,\"tokens\":3,\"truncated\":0}"),
            "{written}"
        );
    }

    #[test]
    fn a_field_that_is_kept_must_be_there_once() {
        let keep = ["id", "source"].map(str::to_owned);
        let of = |line| Request::parse(line, &keep).unwrap_err();
        let fault = of(r#"{"source": 1, "instruction": "i", "response": "r"}"#);
        assert_eq!((&*fault.why, &*fault.kept), ("field 'id' is missing", "\"source\":1,"));
        let fault = of(r#"{"id": 7, "source": 1, "response": "r"}"#);
        assert_eq!(fault.why, "field 'instruction' is missing");
        assert_eq!(fault.kept, "\"id\":7,\"source\":1,");
        let fault = of(r#"{"id": 1, "id": 1, "source": 1, "instruction": "i", "response": "r"}"#);
        assert!(fault.why.starts_with("duplicate field `id`"), "{}", fault.why);
    }
}
