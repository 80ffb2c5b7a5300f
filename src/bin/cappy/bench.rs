//! `cappy bench`: how fast a shape runs on this adapter.

use cappy::bench::{Options, Shape};
use clap::ValueEnum;

use crate::failure::{Outcome, Result};
use crate::model::DtypeArg;
use crate::{output, progress};

/// Measure a model of random weights and a real shape on this adapter
#[derive(clap::Args)]
pub struct Args {
    /// Whose shape: cappy-mini, RoBERTa base, or RoBERTa large
    #[arg(long, value_enum, default_value_t = ShapeArg::Base)]
    shape: ShapeArg,

    /// How the shaders read their numbers; `auto` takes f16 where the adapter has it
    #[arg(long, value_enum, default_value_t = DtypeArg::Auto)]
    dtype: DtypeArg,

    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// The library's [`Shape`] as a word on the command line.
#[derive(Clone, Copy, ValueEnum)]
enum ShapeArg {
    Mini,
    Base,
    Large,
}

pub async fn run(args: Args) -> Result<Outcome> {
    let shape = match args.shape {
        ShapeArg::Mini => Shape::Mini,
        ShapeArg::Base => Shape::Base,
        ShapeArg::Large => Shape::Large,
    };
    let options = Options { shape, dtype: args.dtype.into(), tokens: None };
    let working = progress::work("measuring");
    let report = cappy::bench::run(options, &mut |step| working.say(step)).await?;
    drop(working);
    output::print(&if args.json { output::pretty(&report)? } else { report.table() })
}
