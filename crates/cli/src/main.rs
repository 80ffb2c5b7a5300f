//! The command line: a thin face over the library.

mod adapt;
mod adapt_state;
mod bench;
mod convert;
mod decide;
#[cfg(test)]
mod documented_tests;
mod eval;
mod explain;
mod failure;
mod info;
mod model;
mod notices;
mod output;
mod progress;
mod rank;
mod request;
mod results;
mod results_file;
mod score;
mod shard;
mod stream;
mod table;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Outcome;

const EXIT_CODES: &str = "\
Exit codes:
  0  everything was done
  1  something failed: the model, the network, the GPU, or writing;
     or `--keep-going` met lines that could not be scored
  2  the command line or the input is wrong";

/// Score and rank candidate responses with a RoBERTa scorer on the GPU.
#[derive(Parser)]
#[command(name = "cappy", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Adapt(adapt::Args),
    Rank(rank::Args),
    Score(score::Args),
    Decide(decide::Args),
    Explain(explain::Args),
    Info(info::Args),
    Eval(eval::Args),
    Bench(bench::Args),
    Convert(convert::Args),
    Notices(notices::Args),
}

fn main() -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(error) => return usage(&error),
    };
    let outcome = pollster::block_on(async {
        match command {
            Command::Adapt(args) => adapt::run(args).await,
            Command::Rank(args) => rank::run(args).await,
            Command::Score(args) => score::run(args).await,
            Command::Decide(args) => decide::run(args).await,
            Command::Explain(args) => explain::run(args).await,
            Command::Info(args) => info::run(args).await,
            Command::Eval(args) => eval::run(args).await,
            Command::Bench(args) => bench::run(args).await,
            Command::Convert(args) => convert::run(args).await,
            Command::Notices(args) => notices::run(args),
        }
    });
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::SomeLinesFailed) => ExitCode::from(1),
        Err(failure) => failure.report(),
    }
}

/// Help, or what is wrong with the command line. An argument may be a text from anywhere, which
/// begins with a dash by chance or on purpose.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // Nobody is left to tell when standard output is closed.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let _ = write!(io::stderr(), "{}", output::clean(&error.render().to_string()));
    ExitCode::from(2)
}
