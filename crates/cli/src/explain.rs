//! `cappy explain`: what each word or sentence does to a score.

use std::ops::ControlFlow;

use cappy::Score;
use cappy::explain::{ExplainOptions, Part, Plan, Unit};
use clap::ValueEnum;

use crate::failure::{Outcome, Result};
use crate::model::ModelArgs;
use crate::table::Style;
use crate::{output, progress};

/// Show what each word or sentence of a response does to its score, by leaving it out
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,

    /// What to leave out; by default words where there are at most 64 of them
    #[arg(long)]
    unit: Option<By>,

    /// The text to leave it out of
    #[arg(long, default_value = "response")]
    of: Of,

    /// The most words or sentences; one pair is scored for each
    #[arg(long, value_name = "N", default_value_t = ExplainOptions::default().at_most)]
    at_most: usize,

    /// Print {"score", "truncated", "unit", "units": [{"text", "start", "end", "effect"}]}; start and
    /// end count bytes
    #[arg(long)]
    json: bool,

    /// What the response responds to. Put `--` before texts that start with a dash
    instruction: String,

    /// The response
    #[arg(allow_negative_numbers = true)]
    response: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum By {
    Word,
    Sentence,
}

#[derive(Clone, Copy, ValueEnum)]
enum Of {
    Response,
    Instruction,
}

pub async fn run(args: Args) -> Result<Outcome> {
    let options = ExplainOptions {
        unit: args.unit.map(|unit| match unit {
            By::Word => Unit::Word,
            By::Sentence => Unit::Sentence,
        }),
        of: match args.of {
            Of::Response => Part::Response,
            Of::Instruction => Part::Instruction,
        },
        at_most: args.at_most,
    };
    let plan = Plan::new(&args.instruction, &args.response, &options)?;
    let scorer = args.model.load().await?;
    let bar = progress::pairs_of(plan.pairs.len());
    let mut count = |_: usize, _: &Score| {
        bar.add(1);
        ControlFlow::Continue(())
    };
    let explained = scorer.explain_each(plan, &mut count).await?;
    drop(bar);
    output::print_styled(&if args.json {
        output::line(&explained).map_err(crate::failure::Failure::Output)? + "\n"
    } else {
        Style::of_stdout().explanation(&explained)
    })
}
