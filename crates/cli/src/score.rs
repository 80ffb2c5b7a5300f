//! `cappy score`: the score of each pair.

use std::io;
use std::path::PathBuf;

use crate::failure::{Failure, Outcome, Result};
use crate::model::ModelArgs;
use crate::request::{Request, WRITTEN};
use crate::results_file::{Done, Sink};
use crate::shard::Shard;
use crate::stream::{self, Task};

/// Score JSON lines from standard input
///
/// Reads {"instruction": s, "response": s} and writes {"score": x, "tokens": n, "truncated": k},
/// or reads {"instruction": s, "responses": [s, ...]} and writes {"scores": [x, ...],
/// "tokens": [n, ...], "truncated": [k, ...]}. For a model with several labels each score is a
/// list.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,

    /// Write {"error": ...} in the place of a bad line instead of ending; the exit code is then 1
    #[arg(long)]
    keep_going: bool,

    /// Write these fields of each line before its results, as they stand there
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    keep: Vec<String>,

    /// Score the lines I, I + N, I + 2 N, ... alone, counted from 1: the I-th of N processes that
    /// share the work
    #[arg(long, value_name = "I/N", default_value = "1/1", hide_default_value = true)]
    shard: Shard,

    /// Write results to FILE, which must not be there yet, instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Go on with the FILE of --out where an earlier run on the same input ended, or was killed;
    /// where there is no such file, begin it
    #[arg(long, requires = "out")]
    resume: bool,
}

pub async fn run(args: Args) -> Result<Outcome> {
    check(&args.keep)?;
    let (out, done) = match &args.out {
        None => (Sink::Stdout(io::stdout()), Done::default()),
        Some(path) if args.resume => Sink::resume(path)?,
        Some(path) => (Sink::create(path)?, Done::default()),
    };
    let scorer = args.model.load().await?;
    let task = Task { shard: args.shard, keep_going: args.keep_going, out, done };
    let parse = |line: &str| Request::parse(line, &args.keep);
    stream::run(&scorer, ("standard input", io::stdin()), parse, task).await
}

/// Refuses names that lines of results could not have beside each other.
fn check(keep: &[String]) -> Result<()> {
    for (place, name) in keep.iter().enumerate() {
        let what = match &**name {
            written if WRITTEN.contains(&written) => "is the name of a field that cappy writes",
            "" => "is no name of a field",
            _ if keep[..place].contains(name) => "stands there twice",
            _ => continue,
        };
        return Err(Failure::Input(format!("--keep: '{name}' {what}")));
    }
    Ok(())
}
