//! Puts scores that finish in any order back into the order of the lines.

use std::collections::BTreeMap;
use std::io::{self, Write};

use cappy::Score;
use serde::Serialize;

use crate::output;
use crate::stream::{Job, Parsed};

/// A line of the input: a request, or what is wrong with it.
pub struct Line<J> {
    /// Counted from 1 over the whole input.
    pub number: u64,
    pub request: Parsed<J>,
}

/// Writes each line's result as soon as it and everything before it is there.
pub struct InOrder<'a, J, W> {
    lines: &'a [Line<J>],
    /// For each pair its line's place in `lines`.
    line_of: Vec<usize>,
    /// For each line its first pair, and one more entry for the end.
    first: Vec<usize>,
    /// For each line how many of its pairs are not scored yet.
    missing: Vec<usize>,
    scores: Vec<Option<Score>>,
    /// Lines that could be read but not scored, and why.
    failed: BTreeMap<usize, String>,
    written: usize,
    out: W,
}

#[derive(Serialize)]
struct Bad {
    error: String,
}

impl<'a, J: Job, W: Write> InOrder<'a, J, W> {
    pub fn new(lines: &'a [Line<J>], out: W) -> Self {
        let pairs = |line: &Line<J>| line.request.as_ref().map_or(0, |job| job.pairs().len());
        let missing: Vec<usize> = lines.iter().map(pairs).collect();
        let mut first = vec![0];
        let mut line_of = Vec::new();
        for (line, pairs) in missing.iter().enumerate() {
            line_of.resize(line_of.len() + pairs, line);
            first.push(line_of.len());
        }
        let scores = line_of.iter().map(|_| None).collect();
        InOrder { lines, line_of, first, missing, scores, failed: BTreeMap::new(), written: 0, out }
    }

    /// The pairs of all lines, in order.
    pub fn pairs(&self) -> Vec<(&'a str, &'a str)> {
        self.lines.iter().flat_map(|line| &line.request).flat_map(Job::pairs).collect()
    }

    /// The lines that wait for scores, and the first pair of each.
    pub fn waiting(&self) -> Vec<(usize, usize)> {
        let lines = self.missing.iter().enumerate().filter(|(_, missing)| **missing > 0);
        lines.map(|(line, _)| (line, self.first[line])).collect()
    }

    /// Takes the score of the pair `index`, counted over all lines, and writes what is ready.
    pub fn add(&mut self, index: usize, score: &Score) -> io::Result<()> {
        if self.scores[index].replace(score.clone()).is_none() {
            self.missing[self.line_of[index]] -= 1;
        }
        self.write_ready()
    }

    /// Puts an error in the place of `line`, and writes what is ready.
    pub fn fail(&mut self, line: usize, why: String) -> io::Result<()> {
        self.failed.insert(line, why);
        self.missing[line] = 0;
        self.write_ready()
    }

    /// Writes the lines that wait for no score.
    pub fn write_ready(&mut self) -> io::Result<()> {
        let before = self.written;
        while self.missing.get(self.written) == Some(&0) {
            self.write_line(self.written)?;
            self.written += 1;
        }
        if self.written > before { self.out.flush() } else { Ok(()) }
    }

    fn write_line(&mut self, place: usize) -> io::Result<()> {
        let Line { number, request } = &self.lines[place];
        let scores: Vec<Score> = self.scores[self.first[place]..self.first[place + 1]]
            .iter_mut()
            .filter_map(Option::take)
            .collect();
        let bad = |kept: &str, why: &str| {
            let error = output::line(&Bad { error: format!("line {number}: {why}") })?;
            Ok::<_, io::Error>(output::with_fields_before(kept, &error))
        };
        let mut json = match (request, self.failed.get(&place)) {
            (Ok(job), None) => job.written(&scores)?,
            (Ok(job), Some(why)) => bad(job.kept(), why)?,
            (Err(fault), _) => bad(&fault.kept, &fault.why)?,
        };
        json.push('\n');
        self.out.write_all(json.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Request;

    fn score(logits: &[f32], tokens: usize) -> Score {
        Score { logits: logits.to_vec(), tokens, truncated: 2 * tokens }
    }

    fn lines<const N: usize>(input: [&str; N]) -> [Line<Request>; N] {
        let mut number = 0;
        input.map(|json| {
            number += 1;
            Line { number, request: Request::parse(json, &[]) }
        })
    }

    fn written(
        lines: &[Line<Request>],
        act: impl FnOnce(&mut InOrder<Request, &mut Vec<u8>>),
    ) -> Vec<String> {
        let mut out = Vec::new();
        let mut results = InOrder::new(lines, &mut out);
        results.write_ready().unwrap();
        act(&mut results);
        String::from_utf8(out).unwrap().lines().map(str::to_string).collect()
    }

    const ONE: &str = r#"{"instruction": "i", "response": "a"}"#;
    const TWO: &str = r#"{"instruction": "i", "responses": ["b", "c"]}"#;
    const NONE: &str = r#"{"instruction": "i", "responses": []}"#;

    #[test]
    fn lines_wait_for_those_before_them_and_for_all_their_pairs() {
        let out = written(&lines([ONE, "", NONE, TWO]), |results| {
            assert_eq!(results.pairs(), [("i", "a"), ("i", "b"), ("i", "c")]);
            results.add(2, &score(&[0.1], 3)).unwrap();
            assert_eq!(results.written, 0);
            results.add(0, &score(&[0.5], 1)).unwrap();
            assert_eq!(results.written, 3);
            results.add(1, &score(&[-1.0], 2)).unwrap();
        });
        assert_eq!(
            out,
            [
                r#"{"score":0.5,"tokens":1,"truncated":2}"#,
                r#"{"error":"line 2: is empty"}"#,
                r#"{"scores":[],"tokens":[],"truncated":[]}"#,
                r#"{"scores":[-1.0,0.1],"tokens":[2,3],"truncated":[4,6]}"#,
            ]
        );
    }

    #[test]
    fn a_line_that_cannot_be_scored_gets_an_error_in_its_place() {
        let out = written(&lines([ONE, TWO, ONE]), |results| {
            results.add(0, &score(&[0.5], 1)).unwrap();
            results.add(1, &score(&[0.5], 1)).unwrap();
            assert_eq!(results.waiting(), [(1, 1), (2, 3)]);
            results.fail(1, "is too long".into()).unwrap();
            results.add(3, &score(&[0.25], 1)).unwrap();
        });
        assert_eq!(
            out[1..],
            [r#"{"error":"line 2: is too long"}"#, r#"{"score":0.25,"tokens":1,"truncated":2}"#]
        );
    }

    #[test]
    fn several_labels_make_a_list() {
        let out = written(&lines([ONE]), |results| {
            results.add(0, &score(&[1.5, -2.0], 4)).unwrap();
        });
        assert_eq!(out, [r#"{"score":[1.5,-2.0],"tokens":4,"truncated":8}"#]);
    }
}
