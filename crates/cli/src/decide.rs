//! `cappy decide`: typed questions about a state, answered with probabilities.

use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use cappy::decide::{Decision, FILE, Plan, Rendering};
use cappy::lines::Lines;
use cappy::{Config, Score, Scorer};
use cappy_eval::decisions::{Calibration, Labelled, calibrate};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::failure::{Failure, Outcome, Result, chain};
use crate::model::ModelArgs;
use crate::stream::{self, Job, Parsed, Task};
use crate::{output, progress};

/// Answer typed questions about a state, with probabilities
///
/// Reads JSON lines {"state": TEXT OR JSON, "questions": {NAME: QUESTION, ...}} and writes {"answers":
/// {NAME: ANSWER, ...}, "truncated": k} for each, in the same order. A question is
/// {"type": "choice", "instructions": s, "criteria": {OPTION: DESCRIPTION OR null, ...}},
/// {"type": "score", "instructions": s, "criteria": [LEVEL, ...]} or
/// {"type": "boolean", "instructions": s}.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,

    /// Print a table of the answers instead of JSON
    #[arg(long, conflicts_with = "calibrate")]
    table: bool,

    /// Fit the temperatures to FILE, whose lines also have "answers": {NAME: OPTION, LEVEL or
    /// true/false, ...}, and report how right and how sure decisions are before and after
    #[arg(long)]
    calibrate: bool,

    /// With --calibrate: put decide.json with the fitted temperatures, results and a plot into DIR
    #[arg(long, value_name = "DIR", requires = "calibrate")]
    out: Option<PathBuf>,

    /// How the model is asked, and the temperature: a file as decide.json beside a model's weights
    #[arg(long, value_name = "FILE")]
    rendering: Option<PathBuf>,

    /// Write {"error": ...} in the place of a bad line instead of ending; the exit code is then 1
    #[arg(long, conflicts_with = "calibrate")]
    keep_going: bool,

    /// The decisions as JSON lines; `-` reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub async fn run(args: Args) -> Result<Outcome> {
    let (name, input) = open(&args.file)?;
    let scorer = args.model.load().await?;
    let config = &scorer.info().config;
    let rendering = match &args.rendering {
        None => scorer.rendering().clone(),
        Some(path) => {
            let bytes = fs::read(path).map_err(|error| fault(path, &error))?;
            Rendering::from_json(&bytes, config)
                .map_err(|error| Failure::Input(format!("{}: {error}", path.display())))?
        }
    };
    if args.calibrate {
        return calibration(&args, &scorer, rendering, (&name, input)).await;
    }
    let parse = |line: &str| Asked::parse(line, &rendering, config, args.table);
    stream::run(&scorer, (&name, input), parse, Task::to_stdout(args.keep_going)).await
}

/// One line of the input.
struct Asked {
    plan: Plan,
    table: bool,
}

impl Asked {
    fn parse(line: &str, rendering: &Rendering, config: &Config, table: bool) -> Parsed<Asked> {
        if line.trim().is_empty() {
            return Err("is empty".into());
        }
        let decision = Decision::from_json(line).map_err(|error| chain(&error))?;
        let plan = Plan::new(&decision, rendering, config).map_err(|error| chain(&error))?;
        Ok(Asked { plan, table })
    }
}

impl Job for Asked {
    fn pairs(&self) -> Vec<(&str, &str)> {
        self.plan.pairs.iter().map(|(a, b)| (&**a, &**b)).collect()
    }

    fn written(&self, scores: &[Score]) -> io::Result<String> {
        let decided = self.plan.answers(scores);
        if self.table { Ok(crate::table::decided(&decided)) } else { output::line(&decided) }
    }
}

/// The labels of a line; a question without one is left out.
#[derive(Deserialize)]
struct Labels {
    #[serde(default)]
    answers: Map<String, Value>,
}

async fn calibration(
    args: &Args,
    scorer: &Scorer,
    rendering: Rendering,
    (name, input): (&str, impl Read),
) -> Result<Outcome> {
    let config = &scorer.info().config;
    let mut lines = Lines::new(input);
    let mut all = Vec::new();
    while let Some(line) =
        lines.next().map_err(|error| Failure::Input(format!("{name}: {error}")))?
    {
        let refuse = |why: String| Failure::Input(format!("{name}: line {}: {why}", line.number));
        let text = line.text.map_err(refuse)?;
        let asked = Asked::parse(&text, &rendering, config, false);
        let asked = asked.map_err(|fault| refuse(fault.why))?;
        let labels: Labels = serde_json::from_str(&text)
            .map_err(|error| refuse(cappy::lines::json_fault(&error)))?;
        let right = asked.plan.right(&labels.answers).map_err(|error| refuse(chain(&error)))?;
        all.push((asked, right));
    }
    let pairs: Vec<(&str, &str)> = all.iter().flat_map(|(asked, _)| asked.pairs()).collect();
    let bar = progress::pairs_of(pairs.len());
    let mut scores: Vec<Score> = Vec::with_capacity(pairs.len());
    let mut collect = |_: usize, score: &Score| {
        bar.add(1);
        scores.push(score.clone());
        ControlFlow::Continue(())
    };
    scorer.score_each(&pairs, &mut collect).await?;
    drop(bar);
    let mut rest = &scores[..];
    let mut questions = Vec::new();
    for (number, (asked, right)) in all.iter().enumerate() {
        let (own, others) = rest.split_at(asked.plan.pairs.len());
        rest = others;
        for ((kind, scores), right) in asked.plan.by_question(own).into_iter().zip(right) {
            questions.extend(right.map(|right| Labelled { line: number, kind, scores, right }));
        }
    }
    if questions.is_empty() {
        return Err(Failure::Input(format!("{name}: has no line with answers")));
    }
    let found = calibrate(&questions, rendering.temperature);
    if let Some(folder) = &args.out {
        write(folder, &found, rendering)?;
    }
    output::print(&found.table())
}

fn write(folder: &Path, found: &Calibration, mut rendering: Rendering) -> Result<()> {
    fs::create_dir_all(folder).map_err(|error| fault(folder, &error))?;
    rendering.temperature = found.temperature;
    for (name, text) in [
        (FILE, output::pretty(&rendering)?),
        ("results.json", output::pretty(found)?),
        ("results.txt", found.table()),
        ("calibration.svg", found.plot()),
    ] {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| fault(&path, &error))?;
    }
    Ok(())
}

/// The input with its name.
fn open(path: &Path) -> Result<(String, Box<dyn Read>)> {
    if path.as_os_str() == "-" {
        return Ok(("standard input".into(), Box::new(io::stdin())));
    }
    let file = File::open(path).map_err(|error| fault(path, &error))?;
    Ok((path.display().to_string(), Box::new(file)))
}

fn fault(path: &Path, error: &io::Error) -> Failure {
    Failure::Input(format!("{}: {error}", path.display()))
}
