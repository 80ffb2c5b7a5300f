//! `cappy bench`: how fast a shape runs on this adapter.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use cappy::bench::{Baseline, Comparison, Options, Report, Shape};
use cappy::checkpoint::WeightFormat;
use cappy::{DTYPES, Error, ErrorKind, compute_and_weights, lines};
use clap::builder::PossibleValuesParser;
use serde::Serialize;

use crate::failure::{Outcome, Result};
use crate::{output, progress};

/// Measure a model of random weights and a real shape on this adapter
///
/// Times a batch and one pair of 128 tokens, and each kernel of them against the peaks that the
/// same run measures: multiply-adds of f16 numbers in f32, and copying memory.
#[derive(clap::Args)]
pub struct Args {
    /// Whose shape: cappy-mini, RoBERTa base, RoBERTa large, or Ettin's ModernBERTs of 17 and 68 million parameters
    #[arg(long, default_value = "base", value_parser = PossibleValuesParser::new(Shape::ALL.map(Shape::name)))]
    shape: String,

    /// How weights are held: f16, f16 that the shaders unpack as they do where the adapter has none
    /// (f32), or rounded to 8 or 4 bits; `auto` is f16
    #[arg(long, default_value = "auto", value_parser = PossibleValuesParser::new(DTYPES))]
    dtype: String,

    /// Tokens of the batch, in pairs of 128; by default 4096, and 256 on a software adapter
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=32_768))]
    tokens: Option<u32>,

    /// Run every matmul by this kernel, in place of those that measuring on the adapter finds fastest
    #[arg(long, value_name = "NAME")]
    kernel: Option<String>,

    /// Also time 16, 64, 256 and 1,024 candidates, and mixed lengths against equal ones
    #[arg(long)]
    scaling: bool,

    /// Also time one pair of 128, 512, 1,024, 4,096 and 8,192 tokens, as far as the shape reads them
    #[arg(long)]
    lengths: bool,

    /// Tell what moved since an earlier run, whose --json is in FILE
    ///
    /// Medians are compared. A change counts when it exceeds twice the distances between the
    /// quartiles of both runs' samples together, and 3%. The exit code is 0 whatever moved.
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,

    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    report: &'a Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<&'a Comparison>,
}

pub async fn run(args: Args) -> Result<Outcome> {
    let shape = Shape::of_name(&args.shape).expect("one of the names that clap knows");
    let (dtype, weights) = compute_and_weights(&args.dtype)?;
    let options = Options {
        shape,
        dtype,
        weights: weights.unwrap_or(WeightFormat::F16),
        tokens: args.tokens.map(|tokens| tokens as usize),
        scaling: args.scaling,
        lengths: args.lengths,
        software: false,
        kernel: args.kernel.as_deref(),
    };
    let baseline = args.compare.as_deref().map(read).transpose()?;
    if let Some(baseline) = &baseline {
        baseline.expect(&options).await?;
    }
    let working = progress::work("measuring");
    let mut tell = |step: &str, _| {
        working.say(step);
        ControlFlow::Continue(())
    };
    let report = cappy::bench::run(options, &mut tell).await?;
    drop(working);
    let comparison = baseline.map(|baseline| baseline.compare(&report)).transpose()?;
    if args.json {
        let comparison = comparison.as_ref();
        return output::print(&output::pretty(&Printed { report: &report, comparison })?);
    }
    let compared = comparison.map(|comparison| comparison.table()).unwrap_or_default();
    output::print(&(report.table() + &compared))
}

fn read(path: &Path) -> Result<Baseline> {
    let name = path.display().to_string();
    let bytes = fs::read(path).map_err(|source| {
        Error::new(ErrorKind::Input, name.as_str(), "cannot be read").with_source(source)
    })?;
    let json = lines::text(&bytes).map_err(|what| Error::new(ErrorKind::Input, &*name, what))?;
    Ok(Baseline::parse(&name, json)?)
}
