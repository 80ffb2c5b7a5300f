//! `cappy adapt`: a model learns from a file of examples.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cappy::adapt::{Adaptation, Depth, History, Plan, Prepared, Recipe, Settings, examples};
use cappy::checkpoint::write_file;
use cappy::{Error, ErrorKind};
use clap::ValueEnum;
use serde::Serialize;

use crate::adapt_state as state;
use crate::failure::{Outcome, Result};
use crate::model::ModelArgs;
use crate::{output, progress};

/// Teach a model from your own examples, on this machine
///
/// A line of the examples is {"instruction", "response", "label"}, or {"instruction",
/// "references", "samples"} with right answers and maybe generated ones, or {"instruction",
/// "chosen", "rejected"}. The result is an adapter for `--adapter`, or a model for `--model`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,

    /// The examples, as JSON lines
    #[arg(long, value_name = "FILE")]
    train: PathBuf,

    /// Where the result goes. The same command goes on where a killed one stopped
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// What learns: the head (seconds), adapters of low rank, or everything
    #[arg(long, value_enum, default_value_t = DepthArg::Head)]
    depth: DepthArg,

    /// The rank of adapters
    #[arg(long, value_name = "N", default_value_t = 8)]
    rank: usize,

    /// Adapters count alpha / rank times [default: twice the rank]
    #[arg(long, value_name = "X")]
    alpha: Option<f32>,

    /// AdamW's highest learning rate [default: 1e-3 for the head, 5e-4 for adapters, 5e-5 for all]
    #[arg(long, value_name = "X")]
    learning_rate: Option<f64>,

    /// Examples of an optimizer step; the paper has 128
    #[arg(long, value_name = "N", default_value_t = 16)]
    batch: usize,

    /// How often each example is seen
    #[arg(long, value_name = "N", default_value_t = 3, conflicts_with = "size",
          value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,

    /// Examples seen in all, repeated or left out to make so many; the paper has 102400
    #[arg(long, value_name = "N")]
    size: Option<usize>,

    /// The share of instructions that only measures when to stop
    #[arg(long, value_name = "X", default_value_t = 0.1)]
    held_out: f64,

    /// End when so many checks of the held-out part found it no better; 0 for never
    #[arg(long, value_name = "N", default_value_t = 3)]
    patience: usize,

    /// Of the recipe and of the numbers that adapters begin with
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// The most MiB of GPU memory
    #[arg(long, value_name = "MIB", default_value_t = 8192)]
    memory: u64,

    /// Seconds between keeping what a killed run goes on from
    #[arg(long, value_name = "S", default_value_t = 60)]
    keep_every: u64,

    /// Throw away what an unfinished run left in DIR
    #[arg(long)]
    restart: bool,

    /// Write a whole model, adapters added to their matrices, instead of an adapter
    #[arg(long)]
    merge: bool,

    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum DepthArg {
    Head,
    Lora,
    Full,
}

/// How it went, for people and programs.
#[derive(Serialize)]
struct Summary<'a> {
    settings: &'a Settings,
    plan: &'a Plan,
    counts: &'a cappy::adapt::Counts,
    seconds: f64,
    files: Vec<String>,
    history: &'a History,
}

pub async fn run(args: Args) -> Result<Outcome> {
    let settings = args.settings();
    args.model.check_trains()?;
    if args.model.adapter().is_some() && args.depth != DepthArg::Full && !args.merge {
        let what = "is what this would learn on top of, and two adapters cannot be applied; \
                    --merge writes a whole model";
        return Err(Error::new(ErrorKind::Input, "--adapter", what).into());
    }
    let set = args.prepare()?;
    let stopped = Arc::new(AtomicBool::new(false));
    let told = stopped.clone();
    // Without a handler the run ends as others do, and goes on from what was kept last.
    let _ = ctrlc::set_handler(move || told.store(true, Ordering::Relaxed));

    let start = Instant::now();
    let mut adaptation = args
        .model
        .open(async |source, options| {
            let mut planned = |plan: &Plan| progress::note(&describe(plan));
            Adaptation::load(source, &set, settings.clone(), options, &mut planned).await
        })
        .await?;
    fs::create_dir_all(&args.out).map_err(|error| fault(&args.out, error))?;
    state::resume(&args.out, args.restart, &mut adaptation).await?;
    train(&args, &mut adaptation, &stopped).await?;

    let mut files = write(&args, &adaptation).await?;
    let history = args.out.join("history.json");
    files.push(history.display().to_string());
    let summary = Summary {
        settings: &settings,
        plan: adaptation.plan(),
        counts: &set.counts,
        seconds: start.elapsed().as_secs_f64(),
        files,
        history: adaptation.history(),
    };
    let json = output::pretty(&summary)?;
    fs::write(&history, &json).map_err(|error| fault(&history, error))?;
    state::forget(&args.out)?;
    output::print(&if args.json { json } else { summary.text() })
}

/// Steps until the end, and keeps what going on needs every so often.
async fn train(args: &Args, adaptation: &mut Adaptation, stopped: &AtomicBool) -> Result<()> {
    let bar = progress::steps(adaptation.plan().steps);
    bar.add(adaptation.history().steps.len());
    let every = Duration::from_secs(args.keep_every);
    let mut kept = Instant::now();
    loop {
        let stop = || stopped.load(Ordering::Relaxed);
        match adaptation.step(&stop).await {
            Ok(None) => return Ok(()),
            Ok(Some(step)) => {
                bar.add(1);
                bar.say(&format!("loss {:.4}", step.loss));
            }
            Err(error) if error.kind() == ErrorKind::Aborted => {
                state::keep(&args.out, adaptation).await?;
                let steps = adaptation.history().steps.len();
                let what =
                    format!("stopped after {steps} steps; the same command goes on from there");
                return Err(Error::new(ErrorKind::Aborted, "cappy adapt", what).into());
            }
            Err(error) => return Err(error.into()),
        }
        if kept.elapsed() >= every {
            state::keep(&args.out, adaptation).await?;
            kept = Instant::now();
        }
    }
}

impl Args {
    fn settings(&self) -> Settings {
        let depth = match self.depth {
            DepthArg::Head => Depth::Head,
            DepthArg::Lora => {
                let alpha = self.alpha.unwrap_or(2.0 * self.rank as f32);
                Depth::Lora { rank: self.rank, alpha }
            }
            DepthArg::Full => Depth::Full,
        };
        let usual = Settings::new(depth);
        Settings {
            learning_rate: self.learning_rate.unwrap_or(usual.learning_rate),
            batch: self.batch,
            patience: (self.patience > 0).then_some(self.patience),
            seed: self.seed,
            memory: self.memory << 20,
            ..usual
        }
    }

    /// The training set of the file, each example as often as asked.
    fn prepare(&self) -> Result<Prepared> {
        let bytes = fs::read(&self.train).map_err(|error| fault(&self.train, error))?;
        let lessons = examples::read(&self.train.display().to_string(), &bytes)?;
        let recipe = Recipe { seed: self.seed, size: self.size, held_out: self.held_out };
        recipe.check()?;
        let label = |references: &[String], text: &str| cappy::rouge::rouge_l(references, text);
        let set = recipe.prepare(&lessons, &label);
        if self.size.is_some() {
            return Ok(set);
        }
        let size = Some(self.epochs as usize * set.train.len());
        Ok(Recipe { size, ..recipe }.prepare(&lessons, &label))
    }
}

/// Writes the result and says what was written.
async fn write(args: &Args, adaptation: &Adaptation) -> Result<Vec<String>> {
    let mut written = Vec::new();
    let mut path = |name: &str| {
        let path = args.out.join(name);
        written.push(path.display().to_string());
        path
    };
    if adaptation.makes_adapter() && !args.merge {
        // The file is made in memory: writing it to disk has no place to wait for the GPU.
        let mut bytes = Vec::new();
        adaptation.write_adapter(&mut bytes).await?;
        state::write(&path("adapter_model.safetensors"), &bytes)?;
        if args.depth == DepthArg::Lora {
            let config = adaptation.adapter_config(args.model.name());
            state::write(&path("adapter_config.json"), output::pretty(&config)?.as_bytes())?;
        }
        return Ok(written);
    }
    for (name, bytes) in adaptation.small_files().await? {
        state::write(&path(&name), &bytes)?;
    }
    let model = path("model.safetensors");
    let dtype = adaptation.dtype()?;
    write_file(&model, |out| pollster::block_on(adaptation.write_checkpoint(out, dtype)))?;
    Ok(written)
}

fn describe(plan: &Plan) -> String {
    let Plan { steps, examples, held_out, gpu_bytes, batch_tokens, recompute, .. } = plan;
    let twice = if *recompute { ", each layer computed twice to save memory" } else { "" };
    format!(
        "{steps} steps over {examples} examples, {held_out} held out; {} MiB of GPU memory, \
         {batch_tokens} tokens at once{twice}",
        gpu_bytes.div_ceil(1 << 20)
    )
}

impl Summary<'_> {
    fn text(&self) -> String {
        let History { held_out_before, steps, best, stopped_early } = self.history;
        let mut text = String::new();
        if let (Some(first), Some(last)) = (steps.first(), steps.last()) {
            let early = if *stopped_early { ", ended early" } else { "" };
            text += &format!(
                "{} steps in {:.1} s{early}: loss {:.4} in the first, {:.4} in the last\n",
                steps.len(),
                self.seconds,
                first.loss,
                last.loss
            );
        }
        if let (Some(before), Some(best)) = (held_out_before, best) {
            let after = steps.iter().find(|step| step.step == *best).and_then(|step| step.held_out);
            let after = after.unwrap_or(*before);
            text += &format!(
                "error of {} held-out examples: {before:.4} before, {after:.4} after step {best}, which is kept\n",
                self.plan.held_out
            );
        }
        for file in &self.files {
            text += &format!("wrote {file}\n");
        }
        text
    }
}

/// What a file or folder that the caller named cannot do.
fn fault(path: &Path, error: std::io::Error) -> Error {
    let kind = if error.kind() == std::io::ErrorKind::NotFound {
        ErrorKind::NotFound
    } else {
        ErrorKind::Io
    };
    Error::new(kind, path.display().to_string(), error.to_string())
}
