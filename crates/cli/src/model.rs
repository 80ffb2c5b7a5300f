//! The options that say which model to load and how, the same for every command.

use std::path::{Path, PathBuf};

use cappy::checkpoint::Directory;
use cappy::{
    Backend, DTYPES, Error, ErrorKind, GpuBackend, LoadOptions, ModelSource, Scorer,
    compute_and_weights,
};
use cappy_cpu::Cpu;
use cappy_cpu::fastest::{Fastest, remembered};
use clap::ValueEnum;
use clap::builder::PossibleValuesParser;

use crate::failure::Result;
use crate::progress::LoadBar;

#[derive(clap::Args)]
pub struct ModelArgs {
    /// A directory, or a hub id `owner/name[@revision]` or the address of its page, which is
    /// downloaded once into the usual Hugging Face cache [default: cappy-small, which is embedded]
    #[arg(long, value_name = "M")]
    model: Option<String>,

    /// A directory with what adaptation changes of the model: `adapter_model.safetensors`, and
    /// `adapter_config.json` of a LoRA adapter, as Hugging Face peft writes them
    #[arg(long, value_name = "DIR")]
    adapter: Option<PathBuf>,

    /// Where to compute; `auto` takes the faster of GPU and CPU, which is measured once and
    /// remembered, and the CPU where the GPU cannot be used. `info` says which and why
    #[arg(long, value_enum, default_value_t = DeviceArg::Auto)]
    device: DeviceArg,

    /// How weights are held on the GPU: as they are stored, in f16, or rounded to 8 or 4 bits while
    /// they load. With f32 they are f16 that the shaders unpack, as they do by themselves where the
    /// adapter has no f16
    #[arg(long, default_value = "auto", value_parser = PossibleValuesParser::new(DTYPES))]
    dtype: String,

    /// Run every matmul by this kernel, in place of those that measuring on the adapter finds
    /// fastest: large, medium, half_large, half_medium, broadcast, rows, lanes or subgroup
    #[arg(long, value_name = "NAME")]
    kernel: Option<String>,
}

/// A [`Backend`] as a word on the command line.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum DeviceArg {
    Auto,
    Gpu,
    Cpu,
}

impl DeviceArg {
    fn backend(self) -> &'static dyn Backend {
        match self {
            DeviceArg::Auto => &Fastest { cpu: Cpu { numbers: None } },
            DeviceArg::Gpu => &GpuBackend,
            DeviceArg::Cpu => &Cpu { numbers: None },
        }
    }
}

impl ModelArgs {
    /// Loads the model, with a progress bar on standard error when that is a terminal.
    pub async fn load(&self) -> Result<Scorer> {
        let before = remembered::read();
        let scorer = self.open(async |source, options| Scorer::load(source, options).await).await?;
        if self.kernel.is_none() {
            remembered::write(&scorer.info().tuning, before.as_deref());
        }
        Ok(scorer)
    }

    /// Hands where the model is and how to load it to `open`, with the same progress bar.
    pub async fn open<T>(
        &self,
        open: impl AsyncFnOnce(ModelSource, LoadOptions<'_>) -> cappy::Result<T>,
    ) -> Result<T> {
        let source = self.model.as_deref().map_or(ModelSource::Embedded, ModelSource::parse);
        let mut bar = LoadBar::default();
        let mut progress = |progress| bar.show(progress);
        let tuning = remembered::read();
        let (dtype, weights) = compute_and_weights(&self.dtype)?;
        let options = LoadOptions {
            backend: Some(self.device.backend()),
            dtype,
            weights,
            kernel: self.kernel.as_deref(),
            tuning: tuning.as_deref(),
            adaptation: self.adapter.as_ref().map(|path| Box::new(Directory::new(path)) as _),
            progress: Some(&mut progress),
            ..LoadOptions::default()
        };
        Ok(open(source, options).await?)
    }

    /// Says that only a GPU trains, where the CPU is asked for.
    pub fn check_trains(&self) -> Result<()> {
        if self.device == DeviceArg::Cpu {
            let what = "is the CPU, and only a GPU trains";
            return Err(Error::new(ErrorKind::Input, "--device", what).into());
        }
        Ok(())
    }

    /// Where what adaptation changes of it is.
    pub fn adapter(&self) -> Option<&Path> {
        self.adapter.as_deref()
    }

    /// Where the model can be found again, if it is not the embedded one.
    pub fn name(&self) -> Option<&str> {
        self.model.as_deref()
    }
}
