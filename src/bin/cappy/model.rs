//! The options that say which model to load and how, the same for every command.

use cappy::{Dtype, LoadOptions, ModelSource, Scorer};
use clap::ValueEnum;

use crate::failure::Result;
use crate::progress::LoadBar;

#[derive(clap::Args)]
pub struct ModelArgs {
    /// A directory, or a hub id `owner/name[@revision]` that is downloaded once into the usual
    /// Hugging Face cache [default: the embedded model]
    #[arg(long, value_name = "M")]
    model: Option<String>,

    /// How the shaders read their numbers; `auto` takes f16 where the adapter has it
    #[arg(long, value_enum, default_value_t = DtypeArg::Auto)]
    dtype: DtypeArg,
}

/// The library's [`Dtype`] as a word on the command line.
#[derive(Clone, Copy, ValueEnum)]
pub enum DtypeArg {
    Auto,
    F16,
    F32,
}

impl From<DtypeArg> for Dtype {
    fn from(arg: DtypeArg) -> Dtype {
        match arg {
            DtypeArg::Auto => Dtype::Auto,
            DtypeArg::F16 => Dtype::F16,
            DtypeArg::F32 => Dtype::F32,
        }
    }
}

impl ModelArgs {
    /// Loads the model, with a progress bar on standard error when that is a terminal.
    pub async fn load(&self) -> Result<Scorer> {
        let source = self.model.as_deref().map_or(ModelSource::Embedded, ModelSource::parse);
        let mut bar = LoadBar::default();
        let mut progress = |progress| bar.show(progress);
        let options = LoadOptions {
            dtype: self.dtype.into(),
            progress: Some(&mut progress),
            ..LoadOptions::default()
        };
        Ok(Scorer::load(source, options).await?)
    }
}
