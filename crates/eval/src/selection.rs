//! The BIG-bench protocol: a line for each example, with what a language model wrote for it.

use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::lines::{InOrder, Place, each_line, missing, text};
use super::questions::{
    Candidate, Method, Names, Pairs, Protocol, Question, Questions, first_best,
};
use cappy::rouge::rouge_l;
use cappy::{Error, ErrorKind, Result};

/// The fields as they stand in a line; fields of other names are left alone.
#[derive(Deserialize)]
struct Fields {
    dataset: Option<Value>,
    instruction: Option<Value>,
    references: Option<Value>,
    #[serde(alias = "samples")]
    flan_samples: Option<InOrder>,
}

/// What a decoding gave.
struct Sample {
    response: Arc<str>,
    /// The sum of its tokens' log-likelihoods, and their mean, where they are given.
    log_likelihood: [Option<f64>; 2],
}

impl Questions {
    /// Reads lines with `instruction`, `references` and `flan_samples` (or `samples`), an object
    /// that has for each decoding a list of samples, as in the published
    /// `bigbench_flan_gens/<model>/<task>_validation.jsonl`. `files` are names, for errors, and
    /// contents.
    ///
    /// A sample is an object with `response` and, where present, `log_likelihood_sum` and
    /// `log_likelihood_mean`; or just the text. The dataset is the field `dataset`, or else the
    /// file's name.
    ///
    /// # Errors
    /// Names file and line, and what is wrong there; or says that there are no lines.
    pub fn read_selection<R: BufRead>(
        files: impl IntoIterator<Item = (impl AsRef<str>, R)>,
    ) -> Result<Questions> {
        let mut read = Questions {
            protocol: Protocol::Selection,
            datasets: Names::default(),
            others: Names::default(),
            decodings: Names::default(),
            questions: Vec::new(),
            pairs: Pairs::default(),
            unlabelled: 0,
        };
        let mut names = Vec::new();
        for (name, reader) in files {
            let name = name.as_ref();
            let stem = Path::new(name).file_stem().unwrap_or_default().to_string_lossy();
            each_line(name, reader, &mut |place, fields| read.add(place, &stem, fields))?;
            names.push(name.to_owned());
        }
        if read.is_empty() {
            return Err(Error::new(ErrorKind::Input, names.join(", "), "has no lines"));
        }
        Ok(read)
    }

    fn add(&mut self, place: &Place, file: &str, fields: Fields) -> Result<(), String> {
        let dataset = match fields.dataset {
            None => file.to_owned(),
            name => text("dataset", name)?,
        };
        let instruction: Arc<str> = text("instruction", fields.instruction)?.into();
        let references = references(fields.references)?;
        let decodings = fields.flan_samples.ok_or_else(|| missing("flan_samples"))?;

        let mut candidates = Vec::new();
        let mut picks = Vec::new();
        let mut log_likelihoods = Vec::new();
        for (decoding, list) in decodings.0 {
            let samples = samples(&decoding, list)?;
            if !samples.is_empty() {
                picks.push((Method::Alone(self.decodings.number(&decoding)), candidates.len()));
            }
            for sample in samples {
                let Sample { response, log_likelihood } = sample;
                log_likelihoods.push(log_likelihood);
                candidates.push(Candidate {
                    pair: self.pairs.number(&instruction, &response, place),
                    value: rouge_l(&references, &response),
                    length: response.chars().count(),
                });
            }
        }
        if candidates.is_empty() {
            return Err("has no samples".into());
        }
        for (which, method) in [Method::SelfScoreSum, Method::SelfScoreMean].into_iter().enumerate()
        {
            let of_all: Option<Vec<f64>> =
                log_likelihoods.iter().map(|of_one| of_one[which]).collect();
            if let Some(of_all) = of_all {
                picks.push((method, first_best(of_all.into_iter())));
            }
        }
        let dataset = self.datasets.number(&dataset);
        let example = self.questions.len();
        self.questions.push(Question { dataset, example, candidates, picks });
        Ok(())
    }
}

fn references(value: Option<Value>) -> Result<Vec<String>, String> {
    let strings = || "field 'references' is not a list of strings".to_owned();
    let references = match value.ok_or_else(|| missing("references"))? {
        Value::Array(list) => list,
        _ => return Err(strings()),
    };
    if references.is_empty() {
        return Err("field 'references' is empty".into());
    }
    let text = |value| if let Value::String(text) = value { Ok(text) } else { Err(strings()) };
    references.into_iter().map(text).collect()
}

fn samples(decoding: &str, list: Value) -> Result<Vec<Sample>, String> {
    let Value::Array(list) = list else {
        return Err(format!("the samples of '{decoding}' are not a list"));
    };
    let of =
        |(place, sample)| sample_of(sample).map_err(|why| format!("'{decoding}'[{place}]: {why}"));
    list.into_iter().enumerate().map(of).collect()
}

fn sample_of(value: Value) -> Result<Sample, String> {
    let mut fields = match value {
        Value::String(text) => {
            return Ok(Sample { response: text.into(), log_likelihood: [None; 2] });
        }
        Value::Object(fields) => fields,
        _ => return Err("is neither an object nor a string".into()),
    };
    let mut number = |field: &str| match fields.remove(field) {
        None => Ok(None),
        // What was not a number in Python: never the highest.
        Some(Value::Null) => Ok(Some(f64::NEG_INFINITY)),
        Some(value) => match value.as_f64() {
            None => Err(format!("field '{field}' is not a number")),
            number => Ok(number),
        },
    };
    let log_likelihood = [number("log_likelihood_sum")?, number("log_likelihood_mean")?];
    let response = text("response", fields.remove("response"))?.into();
    Ok(Sample { response, log_likelihood })
}
