//! `cappy rank`: candidates in, a ranked table or JSON out.

use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use cappy::Score;
use cappy::lines::Lines;

use crate::failure::{Failure, Outcome, Result};
use crate::model::ModelArgs;
use crate::table::Style;
use crate::{output, progress};

/// Rank candidate responses to an instruction, best first
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,

    /// Print only the best K
    #[arg(long, value_name = "K")]
    top_k: Option<NonZeroUsize>,

    /// Print a JSON array of {"rank", "index", "score", "text", "truncated"}
    #[arg(long)]
    json: bool,

    /// What the candidates respond to
    instruction: String,

    /// The candidates; `-` stands for those on standard input, one a line (an empty line is an
    /// empty candidate). Put `--` before texts that start with a dash
    #[arg(required = true, value_name = "CANDIDATE", allow_negative_numbers = true)]
    candidates: Vec<String>,
}

pub async fn run(args: Args) -> Result<Outcome> {
    let candidates = expand(args.candidates, io::stdin())?;
    let candidates: Vec<&str> = candidates.iter().map(String::as_str).collect();
    let scorer = args.model.load().await?;

    let bar = progress::candidates(candidates.len());
    let mut count = |_: usize, _: &Score| {
        bar.add(1);
        ControlFlow::Continue(())
    };
    let top_k = args.top_k.map(Into::into);
    let ranked = scorer.rank_each(&args.instruction, &candidates, top_k, &mut count).await?;
    drop(bar);

    output::print_styled(&if args.json {
        output::array(&ranked)?
    } else {
        Style::of_stdout().ranking(&ranked)
    })
}

/// Puts the lines of `stdin` in the place of the argument `-`.
fn expand(arguments: Vec<String>, stdin: impl Read) -> Result<Vec<String>> {
    let Some(place) = arguments.iter().position(|argument| argument == "-") else {
        return Ok(arguments);
    };
    if arguments[place + 1..].iter().any(|argument| argument == "-") {
        return Err(Failure::Input("candidate '-': can stand only once".into()));
    }
    let fail = |what: String| Failure::Input(format!("standard input: {what}"));
    let mut lines = Lines::new(stdin);
    let mut read = Vec::new();
    while let Some(line) = lines.next().map_err(|error| fail(error.to_string()))? {
        read.push(line.text.map_err(|why| fail(format!("line {}: {why}", line.number)))?);
    }
    let mut candidates = arguments;
    candidates.splice(place..=place, read);
    if candidates.is_empty() {
        return Err(fail("has no candidates".into()));
    }
    Ok(candidates)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(arguments: &[&str], stdin: &[u8]) -> Result<Vec<String>, String> {
        expand(arguments.iter().map(|argument| argument.to_string()).collect(), stdin)
            .map_err(|failure| format!("{failure:?}"))
    }

    #[test]
    fn a_dash_is_replaced_in_its_place() {
        assert_eq!(expanded(&["a", "b"], b"x").unwrap(), ["a", "b"]);
        assert_eq!(expanded(&["a", "-", "b"], b"x\n\ny\n").unwrap(), ["a", "x", "", "y", "b"]);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        assert!(expanded(&["-", "-"], b"").unwrap_err().contains("only once"));
        assert!(expanded(&["-"], b"").unwrap_err().contains("has no candidates"));
        assert!(expanded(&["-"], b"x\n\xff\n").unwrap_err().contains("line 2: is not UTF-8"));
    }
}
