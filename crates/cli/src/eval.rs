//! `cappy eval`: what choosing by score is worth on files of questions.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use cappy::{Error, ErrorKind, Scorer};
use cappy_eval::{Options, PairScore, Questions, Report, ScoreFile};

use crate::failure::{Outcome, Result};
use crate::model::ModelArgs;
use crate::{output, progress};

/// Where `--out` keeps the scores.
const SCORES: &str = "scores.txt";

/// Measure what choosing by score is worth, beside simpler choices
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    protocol: Protocol,
}

#[derive(clap::Subcommand)]
enum Protocol {
    /// Choose among label texts, as in PromptSource: accuracy
    ///
    /// A line is a label text for a question: {"dataset_name", "template_name", "example_idx",
    /// "instruction", "response", "label"}. Lines that share the first three are the candidates of
    /// one question; the right one has label 1.
    Classification(Run),
    /// Choose among what a language model wrote, as in BIG-bench: Rouge-L
    ///
    /// A line is a question: {"instruction", "references": [s, ...], "flan_samples": {DECODING:
    /// [{"response", "log_likelihood_sum", "log_likelihood_mean"}, ...], ...}}; the log-likelihoods
    /// may be missing.
    Selection(Run),
}

#[derive(clap::Args)]
struct Run {
    #[command(flatten)]
    model: ModelArgs,

    /// Print a JSON object
    #[arg(long)]
    json: bool,

    /// Keep the scores in DIR as they come, and put results and plots there. The same command goes
    /// on where a killed one stopped
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Throw away the scores that DIR has
    #[arg(long, requires = "out")]
    restart: bool,

    /// Where the random numbers of the intervals start
    #[arg(long, value_name = "N", default_value_t = Options::default().seed)]
    seed: u64,

    /// How often the intervals' bootstrap draws
    #[arg(long, value_name = "N", default_value_t = 2000,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    resamples: u32,

    /// The questions, as JSON lines
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub async fn run(args: Args) -> Result<Outcome> {
    let (run, is_classification) = match args.protocol {
        Protocol::Classification(run) => (run, true),
        Protocol::Selection(run) => (run, false),
    };
    let reading = progress::work("reading");
    let files = run.files.iter().map(|path| open(path)).collect::<Result<Vec<_>>>()?;
    let questions = match is_classification {
        true => Questions::read_classification(files)?,
        false => Questions::read_selection(files)?,
    };
    drop(reading);

    let scorer = run.model.load().await?;
    let scores = run.scores(&scorer, &questions).await?;
    let options = Options { seed: run.seed, resamples: run.resamples as usize };
    let computing = progress::work("drawing intervals");
    let report = questions.report(&scorer.info().model, &scores, &options)?;
    drop(computing);
    let json = output::pretty(&report)?;
    if let Some(folder) = &run.out {
        write(folder, &report, &json)?;
    }
    output::print(&if run.json { json } else { report.table() })
}

impl Run {
    /// All scores, those that `--out` kept from an earlier run included.
    async fn scores(&self, scorer: &Scorer, questions: &Questions) -> Result<Vec<PairScore>> {
        let mut kept = Vec::new();
        let mut file = None;
        if let Some(folder) = &self.out {
            let path = folder.join(SCORES);
            fs::create_dir_all(folder).map_err(|error| fault(folder, error))?;
            if self.restart && path.exists() {
                fs::remove_file(&path).map_err(|error| fault(&path, error))?;
            }
            let opened = ScoreFile::open(&path, &scorer.info().model, questions)?;
            file = Some(opened.0);
            kept = opened.1;
        }
        let pairs = questions.pairs().len();
        if !kept.is_empty() {
            let count = kept.len();
            progress::note(&format!("{count} of {pairs} pairs were scored by an earlier run"));
        }
        let bar = progress::pairs_of(pairs);
        bar.add(kept.len());
        let mut done = |scores: &[PairScore]| {
            bar.add(scores.len());
            file.as_mut().map_or(Ok(()), |file| file.add(scores))
        };
        Ok(cappy_eval::score(scorer, questions, kept, &mut done).await?)
    }
}

/// A file with its name, for errors.
fn open(path: &Path) -> Result<(String, BufReader<File>)> {
    let file = File::open(path).map_err(|error| fault(path, error))?;
    Ok((path.display().to_string(), BufReader::with_capacity(1 << 20, file)))
}

fn write(folder: &Path, report: &Report, json: &str) -> Result<()> {
    let table = output::clean(&report.table());
    let mut files = vec![("results.json", json), ("results.txt", table.as_str())];
    let plots = report.plots();
    files.extend(plots.iter().map(|(name, svg)| (*name, svg.as_str())));
    for (name, text) in files {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| fault(&path, error))?;
    }
    Ok(())
}

/// What a file or folder that the caller named cannot do.
fn fault(path: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::Input,
        _ => ErrorKind::Io,
    };
    Error::new(kind, path.display().to_string(), error.to_string())
}
