//! `cappy score`: the score of each pair.

use std::io;

use crate::failure::{Outcome, Result};
use crate::model::ModelArgs;
use crate::request::Request;
use crate::stream;

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
}

pub async fn run(args: Args) -> Result<Outcome> {
    let scorer = args.model.load().await?;
    stream::run(&scorer, ("standard input", io::stdin()), Request::parse, args.keep_going).await
}
