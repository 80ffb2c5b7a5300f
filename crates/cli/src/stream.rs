//! JSON lines in, JSON lines out, in the same order and in bounded memory: what `cappy score` and
//! `cappy decide` have in common.

use std::io::{self, Read, Write};
use std::ops::ControlFlow;

use cappy::lines::Lines;
use cappy::{Error, ErrorKind, Score, Scorer};

use crate::failure::{Failure, Outcome, Result, chain};
use crate::progress::{self, ClearOnDrop};
use crate::results::{InOrder, Line};

/// Lines are scored together up to this many pairs, so that results come soon and memory is
/// bounded however long the stream is. A single line may hold more.
const PAIRS_AT_ONCE: usize = 1024;

/// A line of the input that was understood: pairs to score, and what their scores become.
pub trait Job {
    /// (instruction, response) of each pair.
    fn pairs(&self) -> Vec<(&str, &str)>;

    /// The line of JSON that is written, without its end, from the scores of the pairs.
    fn written(&self, scores: &[Score]) -> io::Result<String>;
}

/// A line of the input, or what is wrong with it.
pub type Parsed<J> = std::result::Result<J, String>;

/// Reads lines of `input`, which is called `name` in errors, with `parse`, scores them and writes what they
/// become to standard output. With `keep_going` a bad line becomes `{"error": ...}` instead of ending it all.
pub async fn run<J: Job>(
    scorer: &Scorer,
    (name, input): (&str, impl Read),
    parse: impl Fn(&str) -> Parsed<J>,
    keep_going: bool,
) -> Result<Outcome> {
    let mut input = Lines::new(input);
    let mut run = Run { scorer, keep_going, bar: progress::pairs(), failed: false };
    loop {
        let chunk = Chunk::read(&mut input, &parse, keep_going);
        run.failed |= chunk.lines.iter().any(|line| line.request.is_err());
        run.score(&chunk.lines).await?;
        match chunk.then {
            Then::More => {}
            Then::End if run.failed => return Ok(Outcome::SomeLinesFailed),
            Then::End => return Ok(Outcome::Done),
            Then::Fail(why) => return Err(Failure::Input(why)),
            Then::Unreadable(error) => return Err(Failure::Input(format!("{name}: {error}"))),
        }
    }
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
        input: &mut Lines<impl Read>,
        parse: &impl Fn(&str) -> Parsed<J>,
        keep_going: bool,
    ) -> Chunk<J> {
        let mut lines = Vec::new();
        let mut pairs = 0;
        let then = loop {
            if pairs >= PAIRS_AT_ONCE || !(lines.is_empty() || input.ready()) {
                break Then::More;
            }
            let (number, text) = match input.next() {
                Ok(Some(line)) => (line.number, line.text),
                Ok(None) => break Then::End,
                Err(error) => break Then::Unreadable(error.to_string()),
            };
            let request = text.and_then(|text| parse(&text));
            match &request {
                Err(why) if !keep_going => break Then::Fail(format!("line {number}: {why}")),
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
    scorer: &'a Scorer,
    keep_going: bool,
    bar: ClearOnDrop,
    failed: bool,
}

impl Run<'_> {
    /// Scores all pairs of `lines` and writes each line when those before it are written.
    async fn score<J: Job>(&mut self, lines: &[Line<J>]) -> Result<()> {
        let mut results = InOrder::new(lines, io::stdout());
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
                    if !self.keep_going {
                        let line = format!("line {number}");
                        return Err(Error::new(error.kind(), line, why).into());
                    }
                    self.failed = true;
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
        let mut input = Lines::new(input.as_bytes());
        let mut chunks = Vec::new();
        loop {
            let chunk = Chunk::read(&mut input, &Request::parse, keep_going);
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
