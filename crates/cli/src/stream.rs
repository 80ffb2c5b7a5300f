//! JSON lines in, JSON lines out, in the same order and in bounded memory: what `cappy score` and
//! `cappy decide` have in common.

use std::io::{self, Read, Write};
use std::ops::ControlFlow;

use cappy::{Error, ErrorKind, Score, Scorer};

use crate::failure::{Failure, Outcome, Result, chain};
use crate::output;
use crate::progress::{self, ClearOnDrop};
use crate::results::{InOrder, Line};
use crate::results_file::{Done, Sink};
use crate::shard::{Shard, ShardLines};

/// Lines are scored together up to this many pairs, so that results come soon and memory is
/// bounded however long the stream is. A single line may hold more.
const PAIRS_AT_ONCE: usize = 1024;

/// A line of the input that was understood: pairs to score, and what their scores become.
pub trait Job {
    /// (instruction, response) of each pair.
    fn pairs(&self) -> Vec<(&str, &str)>;

    /// The line of JSON that is written, without its end, from the scores of the pairs.
    fn written(&self, scores: &[Score]) -> io::Result<String>;

    /// What is written before an error in the line's place: JSON fields with a comma after each.
    fn kept(&self) -> &str {
        ""
    }
}

/// What is wrong with a line.
#[derive(Debug)]
pub struct Fault {
    pub why: String,
    /// As [`Job::kept`].
    pub kept: String,
}

impl From<String> for Fault {
    fn from(why: String) -> Fault {
        Fault { why, kept: String::new() }
    }
}

impl From<&str> for Fault {
    fn from(why: &str) -> Fault {
        why.to_owned().into()
    }
}

/// A line of the input, or what is wrong with it.
pub type Parsed<J> = std::result::Result<J, Fault>;

/// What is done with the lines of an input, and where results go.
pub struct Task {
    /// The lines that are scored.
    pub shard: Shard,
    /// Whether a bad line becomes `{"error": ...}` instead of ending it all.
    pub keep_going: bool,
    pub out: Sink,
    /// What an earlier run wrote there.
    pub done: Done,
}

impl Task {
    /// All lines, to standard output.
    pub fn to_stdout(keep_going: bool) -> Task {
        let out = Sink::Stdout(io::stdout());
        Task { shard: Shard::default(), keep_going, out, done: Done::default() }
    }
}

/// Reads lines of `input`, which is called `name` in errors, with `parse`, scores them and writes what they
/// become.
pub async fn run<J: Job>(
    scorer: &Scorer,
    (name, input): (&str, impl Read),
    parse: impl Fn(&str) -> Parsed<J>,
    Task { shard, keep_going, out, done }: Task,
) -> Result<Outcome> {
    let mut input = ShardLines::new(input, shard);
    pass_over(&mut input, (name, &parse), &done)?;
    let scoring = Scoring { scorer, bar: progress::pairs() };
    let mut run = Run { scoring, keep_going, failed: done.failed, out };
    loop {
        let chunk = Chunk::read(&mut input, &parse, keep_going);
        run.failed |= chunk.lines.iter().any(|line| line.request.is_err());
        run.score(&chunk.lines).await?;
        match chunk.then {
            Then::More => continue,
            Then::End => {}
            Then::Fail(why) => return Err(Failure::Input(why)),
            Then::Unreadable(error) => return Err(Failure::Input(format!("{name}: {error}"))),
        }
        run.out.finish()?;
        return Ok(if run.failed { Outcome::SomeLinesFailed } else { Outcome::Done });
    }
}

/// Passes over the lines whose results an earlier run wrote. The last of them tells whether the input is
/// the same as then, as far as kept fields can.
fn pass_over<J: Job>(
    input: &mut ShardLines<impl Read>,
    (name, parse): (&str, &impl Fn(&str) -> Parsed<J>),
    done: &Done,
) -> Result<()> {
    for left in (0..done.lines).rev() {
        let line = input.next().map_err(|error| Failure::Input(format!("{name}: {error}")))?;
        let Some(line) = line else {
            let what = format!(
                "has {} lines to score, and the results {}",
                done.lines - left - 1,
                done.lines
            );
            return Err(Failure::Input(format!("{name}: {what}; they are of another input")));
        };
        if left > 0 {
            continue;
        }
        let parsed = line.text.map_err(Fault::from).and_then(|text| parse(&text));
        let kept = match &parsed {
            Ok(job) => job.kept(),
            Err(fault) => &fault.kept,
        };
        if !done.last.starts_with(output::with_fields_before(kept, "").as_str()) {
            let number = line.number;
            let what = format!("line {number}: its results there are of a line with other fields");
            return Err(Failure::Input(what));
        }
    }
    Ok(())
}

/// Lines that are scored together.
struct Chunk<J> {
    lines: Vec<Line<J>>,
    then: Then,
}

/// What comes after a chunk.
#[derive(Debug, PartialEq)]
enum Then {
    More,
    End,
    Fail(String),
    Unreadable(String),
}

impl<J: Job> Chunk<J> {
    /// Takes the lines that are there without waiting, and waits only for the first one: whoever
    /// writes a line and waits for its result gets it.
    fn read(
        input: &mut ShardLines<impl Read>,
        parse: &impl Fn(&str) -> Parsed<J>,
        keep_going: bool,
    ) -> Chunk<J> {
        let mut lines = Vec::new();
        let mut pairs = 0;
        let then = loop {
            if pairs >= PAIRS_AT_ONCE {
                break Then::More;
            }
            if !lines.is_empty() {
                match input.ready() {
                    Ok(true) => {}
                    Ok(false) => break Then::More,
                    Err(error) => break Then::Unreadable(error.to_string()),
                }
            }
            let (number, text) = match input.next() {
                Ok(Some(line)) => (line.number, line.text),
                Ok(None) => break Then::End,
                Err(error) => break Then::Unreadable(error.to_string()),
            };
            let request = text.map_err(Fault::from).and_then(|text| parse(&text));
            match &request {
                Err(fault) if !keep_going => {
                    break Then::Fail(format!("line {number}: {}", fault.why));
                }
                // A line without pairs counts too, so that chunks of them end.
                request => pairs += request.as_ref().map_or(0, |job| job.pairs().len()).max(1),
            }
            lines.push(Line { number, request });
        };
        Chunk { lines, then }
    }
}

/// What stays the same from chunk to chunk, and whether a line failed so far.
struct Run<'a> {
    scoring: Scoring<'a>,
    keep_going: bool,
    failed: bool,
    out: Sink,
}

impl Run<'_> {
    /// Scores all pairs of `lines` and writes each line when those before it are written.
    async fn score<J: Job>(&mut self, lines: &[Line<J>]) -> Result<()> {
        let mut failed = self.failed;
        let result = self.scoring.score(lines, &mut self.out, self.keep_going, &mut failed).await;
        self.failed = failed;
        result.map_err(|failure| match failure {
            Failure::Output(error) => self.out.failure(error),
            failure => failure,
        })
    }
}

/// What scores, and shows how far it is.
struct Scoring<'a> {
    scorer: &'a Scorer,
    bar: ClearOnDrop,
}

impl Scoring<'_> {
    async fn score<J: Job>(
        &self,
        lines: &[Line<J>],
        out: &mut Sink,
        keep_going: bool,
        failed: &mut bool,
    ) -> Result<()> {
        let mut results = InOrder::new(lines, out);
        results.write_ready().map_err(Failure::Output)?;
        let pairs = results.pairs();
        match self.add(&mut results, 0, &pairs).await {
            Err(Failure::Cappy(error)) if is_of_one_pair(&error) => {}
            result => return result,
        }
        // Some text cannot be scored. A score does not depend on other pairs, so going on line by
        // line finds which, and gives the others the same scores.
        for (place, first) in results.waiting() {
            let Line { number, request } = &lines[place];
            let pairs: Vec<_> = request.iter().flat_map(|job| job.pairs()).collect();
            match self.add(&mut results, first, &pairs).await {
                Err(Failure::Cappy(error)) if is_of_one_pair(&error) => {
                    let why = chain(&error);
                    if !keep_going {
                        let line = format!("line {number}");
                        return Err(Error::new(error.kind(), line, why).into());
                    }
                    *failed = true;
                    results.fail(place, why).map_err(Failure::Output)?;
                }
                result => result?,
            }
        }
        Ok(())
    }

    /// Scores `pairs`, the first of which is the pair `first` of `results`.
    async fn add<J: Job>(
        &self,
        results: &mut InOrder<'_, J, impl Write>,
        first: usize,
        pairs: &[(&str, &str)],
    ) -> Result<()> {
        let mut broken = None;
        let scored = self
            .scorer
            .score_each(pairs, &mut |index, score| {
                self.bar.add(1);
                match results.add(first + index, score) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(error) => {
                        broken = Some(error);
                        ControlFlow::Break(())
                    }
                }
            })
            .await;
        match broken {
            Some(error) => Err(Failure::Output(error)),
            None => Ok(scored?),
        }
    }
}

/// Whether the error is about one text and others can still be scored.
fn is_of_one_pair(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Input | ErrorKind::NotFinite)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Request;

    const GOOD: &str = r#"{"instruction": "a", "response": "b"}"#;

    fn chunks(input: &str, keep_going: bool) -> Vec<(usize, Then)> {
        let mut input = ShardLines::new(input.as_bytes(), Shard::default());
        let mut chunks = Vec::new();
        loop {
            let parse = |line: &str| Request::parse(line, &[]);
            let chunk = Chunk::read(&mut input, &parse, keep_going);
            let last = chunk.then != Then::More;
            chunks.push((chunk.lines.len(), chunk.then));
            if last {
                return chunks;
            }
        }
    }

    #[test]
    fn a_long_stream_comes_in_bounded_chunks() {
        let input = format!("{GOOD}\n").repeat(2 * PAIRS_AT_ONCE + 1);
        let sizes: Vec<usize> = chunks(&input, false).into_iter().map(|(size, _)| size).collect();
        assert_eq!(sizes.iter().sum::<usize>(), 2 * PAIRS_AT_ONCE + 1);
        assert!(sizes.iter().all(|size| *size <= PAIRS_AT_ONCE), "{sizes:?}");
    }

    #[test]
    fn a_bad_line_ends_the_chunk_that_has_the_lines_before_it() {
        let input = format!("{GOOD}\n{GOOD}\nnonsense\n{GOOD}\n");
        let read = chunks(&input, false);
        let (sizes, last) =
            (read.iter().map(|(size, _)| size).sum::<usize>(), &read[read.len() - 1].1);
        assert_eq!(sizes, 2);
        assert!(matches!(last, Then::Fail(why) if why.starts_with("line 3: ")), "{last:?}");

        let kept: usize = chunks(&input, true).iter().map(|(size, _)| size).sum();
        assert_eq!(kept, 4);
    }
}
