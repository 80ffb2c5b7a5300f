//! `cappy convert`: a model once more, smaller.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use cappy::checkpoint::{self, Rounding, WeightFormat};
use cappy::lines::Lines;
use cappy::{Conversion, Error, ErrorKind, ModelSource};
use cappy_cpu::calibrate::convert_calibrated;
use clap::ValueEnum;

use crate::failure::{Failure, Outcome, Result};
use crate::progress::LoadBar;
use crate::request::Request;
use crate::stream::Job;

/// Write a model with its weights in f16, or rounded to 8 or 4 bits
///
/// OUT becomes a folder that every command takes as a model, with `config.json` and the tokenizer
/// beside `model.safetensors`. The model streams through: nothing of it but one matrix is in memory.
#[derive(clap::Args)]
pub struct Args {
    /// A directory, or a hub id `owner/name[@revision]`; `embedded` is cappy-small, the embedded model
    model: String,

    /// The folder to write, which must not be there yet or be empty
    out: PathBuf,

    /// What weights become
    #[arg(long, value_enum, default_value_t = FormatArg::Q4)]
    dtype: FormatArg,

    /// Round for what the model reads of these: JSON lines as `cappy score` takes them, of the kind
    /// that will be scored. Some hundreds of pairs do
    #[arg(long, value_name = "FILE")]
    calibrate: Option<PathBuf>,

    /// Make the first N layers one step finer, q8 in place of q4 or f16 in place of q8
    #[arg(long, value_name = "N", default_value_t = 0)]
    finer_layers: usize,
}

/// The library's [`WeightFormat`] as a word on the command line.
#[derive(Clone, Copy, ValueEnum)]
enum FormatArg {
    F16,
    Q8,
    Q4,
}

impl From<FormatArg> for WeightFormat {
    fn from(arg: FormatArg) -> WeightFormat {
        match arg {
            FormatArg::F16 => WeightFormat::F16,
            FormatArg::Q8 => WeightFormat::Q8,
            FormatArg::Q4 => WeightFormat::Q4,
        }
    }
}

pub async fn run(args: Args) -> Result<Outcome> {
    let at = args.out.display().to_string();
    let unusable = |what: &str| Error::new(ErrorKind::Input, at.as_str(), what);
    let unwritable = |error: std::io::Error| {
        Error::new(ErrorKind::Io, at.as_str(), format!("cannot be written: {error}"))
    };
    if args.out.exists() && !args.out.is_dir() {
        return Err(unusable("is no folder").into());
    }
    fs::create_dir_all(&args.out).map_err(unwritable)?;
    if fs::read_dir(&args.out).map_err(unwritable)?.next().is_some() {
        return Err(unusable("is not empty; nothing in it is overwritten").into());
    }
    let source = match args.model.as_str() {
        "embedded" => ModelSource::Embedded,
        model => ModelSource::parse(model),
    };
    let rounding = Rounding { format: args.dtype.into(), finer_layers: args.finer_layers };
    if rounding.format == WeightFormat::F16 && (args.calibrate.is_some() || args.finer_layers > 0) {
        let option = if args.calibrate.is_some() { "--calibrate" } else { "--finer-layers" };
        let why = "is for q8 and q4: nothing is rounded to f16 in another way";
        return Err(Error::new(ErrorKind::Input, option, why).into());
    }
    let requests = args.calibrate.as_deref().map(read_requests).transpose()?;
    let mut bar = LoadBar::called("converting");
    let mut progress = |progress| bar.show(progress);
    let conversion = Conversion::open(source, &mut progress).await?;
    let small_files = conversion.small_files().await?;
    for (name, bytes) in &small_files {
        let file = args.out.join(name);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).map_err(unwritable)?;
        }
        fs::write(file, bytes).map_err(unwritable)?;
    }
    // The weights come last: a folder with them is whole.
    let file = args.out.join("model.safetensors");
    let result = checkpoint::write_file(&file, |out| {
        let written = async {
            match &requests {
                None => conversion.write(out, rounding, &mut progress).await,
                Some(requests) => {
                    let pairs: Vec<_> = requests.iter().flat_map(Job::pairs).collect();
                    convert_calibrated(&conversion, out, rounding, &pairs, &mut progress).await
                }
            }
        };
        pollster::block_on(written).map(drop)
    });
    // The next try wants an empty folder, too.
    if let Err(error) = result {
        for (name, _) in &small_files {
            let file = args.out.join(name);
            fs::remove_file(&file).map_err(unwritable)?;
            if let Some(folder) = file.parent().filter(|folder| **folder != args.out) {
                fs::remove_dir(folder).map_err(unwritable)?;
            }
        }
        return Err(error.into());
    }
    drop(bar);
    let size = fs::metadata(&file).map_err(unwritable)?.len();
    crate::output::print(&format!("{}: {:.1} MB\n", file.display(), size as f64 / 1e6))
}

/// All lines of a file.
fn read_requests(path: &Path) -> Result<Vec<Request>> {
    let at = |what: String| Failure::Input(format!("{}: {what}", path.display()));
    let file = File::open(path).map_err(|error| at(error.to_string()))?;
    let mut lines = Lines::new(file);
    let mut requests = Vec::new();
    while let Some(line) = lines.next().map_err(|error| at(error.to_string()))? {
        let request =
            line.text.and_then(|text| Request::parse(&text, &[]).map_err(|fault| fault.why));
        requests.push(request.map_err(|why| at(format!("line {}: {why}", line.number)))?);
    }
    Ok(requests)
}
