//! Where a model comes from, and reading its small files.

use std::path::PathBuf;

use crate::checkpoint::{Chain, Checkpoint, Directory, Files, RandomProfile, read_all};
use crate::config::{Config, is_bare_modernbert};
use crate::error::{Error, ErrorKind, Result};
use crate::options::Progress;
use crate::rendering::Rendering;
use crate::tokenizer::{CrossEncoder, Tokenizer};

/// A config larger than this is no config.
const MAX_CONFIG_BYTES: u64 = 16 << 20;

/// Where a model comes from.
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "one value a load, moved once")]
pub enum ModelSource {
    /// cappy-small, which is inside this library. The npm package has it as files beside the code.
    Embedded,
    /// A folder with `config.json`, weights and tokenizer.
    Directory(PathBuf),
    /// `owner/name` or `owner/name@revision` on the hub, kept in the usual cache folder.
    Hub(String),
    /// Files by name from anywhere else.
    Files(Box<dyn Files>),
    /// Random weights of a shape, for tests and benchmarks.
    Random {
        /// The shape.
        config: Config,
        /// Its tokenizer.
        tokenizer: Tokenizer,
        /// Weights of one seed are always the same.
        seed: u32,
        /// How the weights are spread.
        profile: RandomProfile,
    },
}

impl ModelSource {
    /// A folder if `model` is one or is written as a path (`./m`, `/m`), else a hub id.
    pub fn parse(model: &str) -> ModelSource {
        let path = PathBuf::from(model);
        if path.is_dir() || path.is_absolute() || model.starts_with('.') {
            ModelSource::Directory(path)
        } else {
            ModelSource::Hub(model.into())
        }
    }

    pub(crate) fn describe(&self) -> String {
        match self {
            ModelSource::Embedded => "cappy-small (embedded)".into(),
            ModelSource::Directory(path) => path.display().to_string(),
            ModelSource::Hub(id) => id.clone(),
            ModelSource::Files(files) => files.describe(),
            ModelSource::Random { seed, .. } => format!("random weights of seed {seed}"),
        }
    }
}

/// A model whose small files were read.
pub struct Opened {
    /// Its shape.
    pub config: Config,
    pub(crate) cross_encoder: CrossEncoder,
    pub(crate) rendering: Rendering,
    /// Makes tokens of pairs.
    pub tokenizer: Tokenizer,
    /// Its weights, of which only the headers were read.
    pub checkpoint: Checkpoint,
    /// Where it came from, unless it is random.
    pub files: Option<Box<dyn Files>>,
}

/// Reads a model's small files. Downloads from the hub block the calling thread.
///
/// # Errors
/// Names the file or the hub's answer at fault.
pub async fn open(source: ModelSource, progress: &mut dyn FnMut(Progress)) -> Result<Opened> {
    let files: Box<dyn Files> = match source {
        ModelSource::Random { config, tokenizer, seed, profile } => {
            let checkpoint = Checkpoint::random(&config, seed, profile);
            let cross_encoder = CrossEncoder::default();
            let rendering = Rendering::of(&config);
            return Ok(Opened {
                config,
                cross_encoder,
                rendering,
                tokenizer,
                checkpoint,
                files: None,
            });
        }
        ModelSource::Files(files) => files,
        ModelSource::Embedded => embedded()?,
        ModelSource::Directory(path) => directory(path)?,
        ModelSource::Hub(id) => directory(download(&id, progress)?)?,
    };
    let json = read_all(&*files, "config.json", MAX_CONFIG_BYTES)
        .await?
        .ok_or_else(|| Error::new(ErrorKind::NotFound, files.describe(), "has no config.json"))?;
    let chain = match is_bare_modernbert("config.json", &json)? {
        true => Chain::read(&*files).await?,
        false => None,
    };
    let config = match &chain {
        Some(chain) => Config::with_head("config.json", &json, &chain.head)?,
        None => Config::from_json("config.json", &json)?,
    };
    let cross_encoder = CrossEncoder::read(&*files, &json, &config, chain.is_some()).await?;
    let tokenizer = Tokenizer::load(&*files, &config).await?;
    let tokenizer = tokenizer.for_cross_encoder(&cross_encoder, &config)?;
    let rendering = Rendering::read(&*files, &config).await?;
    let mut checkpoint = Checkpoint::open(&*files).await?;
    if let Some(chain) = &chain {
        chain.complete(&mut checkpoint, &*files).await?;
    }
    Ok(Opened { config, cross_encoder, rendering, tokenizer, checkpoint, files: Some(files) })
}

/// The model inside this library; `models/cappy-small/README.md` tells what it is good for.
#[cfg(feature = "embedded")]
fn embedded() -> Result<Box<dyn Files>> {
    let files = crate::checkpoint::MemoryFiles::new("cappy-small")
        .with("config.json", &include_bytes!("../models/cappy-small/config.json")[..])
        .with("decide.json", &include_bytes!("../models/cappy-small/decide.json")[..])
        .with("tokenizer.json", &include_bytes!("../models/cappy-small/tokenizer.json")[..])
        .with_parts(
            "model.safetensors",
            [cappy_small_weights_1::BYTES, cappy_small_weights_2::BYTES],
        );
    Ok(Box::new(files))
}

#[cfg(not(feature = "embedded"))]
fn embedded() -> Result<Box<dyn Files>> {
    let why = "was left out of this build (feature \"embedded\")";
    Err(Error::new(ErrorKind::NotFound, "the embedded model", why))
}

fn directory(path: PathBuf) -> Result<Box<dyn Files>> {
    if cfg!(target_arch = "wasm32") {
        let why = "a browser has no folders; give files";
        return Err(Error::new(ErrorKind::Input, path.display().to_string(), why));
    }
    if !path.is_dir() {
        let why = "is no folder";
        return Err(Error::new(ErrorKind::NotFound, path.display().to_string(), why));
    }
    Ok(Box::new(Directory::new(path)))
}

#[cfg(all(feature = "hub", not(target_arch = "wasm32")))]
fn download(id: &str, progress: &mut dyn FnMut(Progress)) -> Result<PathBuf> {
    use crate::checkpoint::hub;
    hub::download(id, &hub::HubOptions::from_env()?, &mut |download| {
        progress(Progress::Download {
            file: download.file.to_owned(),
            bytes: download.bytes,
            total: download.total,
        });
    })
}

#[cfg(not(all(feature = "hub", not(target_arch = "wasm32"))))]
fn download(id: &str, _: &mut dyn FnMut(Progress)) -> Result<PathBuf> {
    let why = "is no folder, and this build has no hub (feature \"hub\")";
    Err(Error::new(ErrorKind::NotFound, id, why))
}
