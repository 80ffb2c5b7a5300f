//! The PromptSource protocol: a line for each label text of each wording of each example.

use std::collections::HashMap;
use std::io::BufRead;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::lines::{Place, each_line, missing, text};
use super::questions::{
    Candidate, Method, Names, Pairs, Protocol, Question, Questions, first_best,
};
use cappy::{Error, ErrorKind, Result};

/// The fields as they stand in a line; fields of other names are left alone.
#[derive(Deserialize)]
struct Fields {
    dataset_name: Option<Value>,
    template_name: Option<Value>,
    example_idx: Option<Value>,
    instruction: Option<Value>,
    response: Option<Value>,
    label: Option<Value>,
    scores: Option<Value>,
}

/// A line that can be used.
struct Line {
    instruction: Arc<str>,
    response: Arc<str>,
    right: bool,
    /// What other scorers gave it, by their numbers.
    scores: Vec<(usize, f64)>,
    place: Place,
}

/// The lines of one wording of one example.
struct Group {
    dataset: usize,
    example: usize,
    lines: Vec<Line>,
}

/// Lines in groups, in the order of their first lines.
#[derive(Default)]
struct Groups {
    datasets: Names,
    others: Names,
    list: Vec<Group>,
    /// By dataset, template and example.
    numbers: HashMap<(usize, String, String), usize>,
    /// By dataset and example.
    examples: HashMap<(usize, String), usize>,
}

impl Questions {
    /// Reads lines with `dataset_name`, `template_name`, `example_idx`, `instruction`, `response`
    /// and `label`, as in the published `promptsource_test.jsonl`. `files` are names, for errors,
    /// and contents.
    ///
    /// Lines that share the first three are the candidates of one question, wherever they stand;
    /// the one with label 1 has the right text (of several the last, as in the published
    /// evaluation). Questions without one are left out and counted. Lines may have `scores`, an
    /// object of what other scorers gave them; each of those is one more way of choosing.
    ///
    /// # Errors
    /// Names file and line, and what is wrong there; or says that nothing is left.
    pub fn read_classification<R: BufRead>(
        files: impl IntoIterator<Item = (impl AsRef<str>, R)>,
    ) -> Result<Questions> {
        let mut groups = Groups::default();
        let mut names = Vec::new();
        for (name, reader) in files {
            each_line(name.as_ref(), reader, &mut |place, fields| groups.add(place, fields))?;
            names.push(name.as_ref().to_owned());
        }
        let questions = groups.finish();
        if questions.is_empty() {
            let why = "no line has the label 1";
            return Err(Error::new(ErrorKind::Input, names.join(", "), why));
        }
        Ok(questions)
    }
}

impl Groups {
    fn add(&mut self, place: &Place, fields: Fields) -> Result<(), String> {
        let dataset = self.datasets.number(&text("dataset_name", fields.dataset_name)?);
        let template = text("template_name", fields.template_name)?;
        let example = match fields.example_idx {
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::String(text)) => text,
            Some(_) => return Err("field 'example_idx' is not a number".into()),
            None => return Err(missing("example_idx")),
        };
        let right = match fields.label {
            Some(Value::Number(number)) => number.as_f64() == Some(1.0),
            Some(Value::Bool(right)) => right,
            Some(_) => return Err("field 'label' is not a number".into()),
            None => return Err(missing("label")),
        };
        let scores = self.scores(fields.scores)?;
        let instruction = text("instruction", fields.instruction)?;
        let response = text("response", fields.response)?.into();

        let next = self.examples.len();
        let unit = *self.examples.entry((dataset, example.clone())).or_insert(next);
        let next = self.list.len();
        let group = *self.numbers.entry((dataset, template, example)).or_insert(next);
        if group == next {
            self.list.push(Group { dataset, example: unit, lines: Vec::new() });
        }
        let lines = &mut self.list[group].lines;
        // The candidates of a question share its text, which is long.
        let instruction = match lines.last() {
            Some(before) if *before.instruction == *instruction => before.instruction.clone(),
            _ => instruction.into(),
        };
        lines.push(Line { instruction, response, right, scores, place: place.clone() });
        Ok(())
    }

    fn scores(&mut self, field: Option<Value>) -> Result<Vec<(usize, f64)>, String> {
        let Some(field) = field else { return Ok(Vec::new()) };
        let Value::Object(scores) = field else {
            return Err("field 'scores' is not an object of numbers".into());
        };
        let number = |(name, score): (&String, &Value)| {
            if ["scorer", "random", "longest", "oracle"].contains(&&**name) {
                return Err(format!("scores.{name} has the name of another way of choosing"));
            }
            let score = score.as_f64().ok_or_else(|| format!("scores.{name} is not a number"))?;
            Ok((self.others.number(name), score))
        };
        scores.iter().map(number).collect()
    }

    fn finish(self) -> Questions {
        let mut pairs = Pairs::default();
        let mut questions = Vec::new();
        let mut unlabelled = 0;
        for group in self.list {
            let Some(right) = group.lines.iter().rfind(|line| line.right) else {
                unlabelled += 1;
                continue;
            };
            let candidate = |line: &Line| Candidate {
                pair: pairs.number(&line.instruction, &line.response, &line.place),
                value: f64::from(line.response == right.response),
                length: line.response.chars().count(),
            };
            let candidates = group.lines.iter().map(candidate).collect();
            let picks =
                (0..self.others.list.len()).filter_map(|other| best_by(other, &group.lines));
            let picks = picks.collect();
            let Group { dataset, example, .. } = group;
            questions.push(Question { dataset, example, candidates, picks });
        }
        Questions {
            protocol: Protocol::Classification,
            datasets: self.datasets,
            decodings: Names::default(),
            others: self.others,
            questions,
            pairs,
            unlabelled,
        }
    }
}

/// What another scorer chooses; `None` unless every line has its score.
fn best_by(other: usize, lines: &[Line]) -> Option<(Method, usize)> {
    let of = |line: &Line| line.scores.iter().find(|(number, _)| *number == other).map(|s| s.1);
    let scores: Option<Vec<f64>> = lines.iter().map(of).collect();
    Some((Method::Other(other), first_best(scores?.into_iter())))
}
