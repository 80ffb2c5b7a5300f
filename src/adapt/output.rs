//! What a run leaves behind: an adapter or a checkpoint, and what going on needs.

use std::io::Write;

use serde::{Deserialize, Serialize};

use super::session::{Adaptation, History};
use super::settings::{Depth, Settings};
use crate::checkpoint::{
    Checkpoint, Dtype, Writer, adapted_matrices, adapter_config, adapter_shapes, small_files,
    tensor_shapes,
};
use crate::config::Module;
use crate::encoder::training::Tensor;
use crate::error::{Error, ErrorKind, Result};

/// What `peft` puts before the names of a model's tensors.
const PREFIX: &str = "base_model.model.";

/// Rows that are copied at once.
const COPY_ROWS: usize = 512;

/// The version of [`Kept`] and of the file beside it.
const VERSION: u32 = 1;

/// What going on needs, besides the numbers that [`Adaptation::write_state`] writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    version: u32,
    /// Of the model, the training set and the settings: going on with others would be another run.
    fingerprint: String,
    /// As the run began: it decides the order of sums.
    pub batch_tokens: usize,
    stale: usize,
    /// How it went.
    pub history: History,
}

impl Adaptation {
    /// Whether the result is an adapter, to be loaded beside its model, or a model of its own.
    pub fn makes_adapter(&self) -> bool {
        self.settings.depth != Depth::Full
    }

    /// Writes `adapter_model.safetensors` in f32: the head, and the adapters if there are any, by
    /// the names that `peft` gives them.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] where the whole model was trained, or one that was adapted before;
    /// [`ErrorKind::Io`]; what the GPU says.
    pub async fn write_adapter(&self, out: impl Write) -> Result<()> {
        if !self.makes_adapter() {
            let what = "changed the whole model, which is no adapter";
            return Err(Error::new(ErrorKind::Input, "depth full", what));
        }
        if self.on_top {
            let what = "learned on top of another adapter; write the whole model";
            return Err(Error::new(ErrorKind::Input, "adapter", what));
        }
        let (rank, matrices) = self.adapted();
        let shapes = adapter_shapes(&self.config, rank, matrices)?;
        let mut writer = Writer::new(out, "adapter_model.safetensors", &shapes, Dtype::F32)?;
        for (name, _) in &shapes {
            let trained = self.trained(name.strip_prefix(PREFIX).unwrap_or(name)).await?;
            for tensor in trained {
                writer.write(&tensor.numbers)?;
            }
        }
        writer.finish().map(drop)
    }

    /// `adapter_config.json`, beside it. `base` is where the model can be loaded from.
    pub fn adapter_config(&self, base: Option<&str>) -> serde_json::Value {
        let (rank, matrices) = self.adapted();
        let alpha = if let Depth::Lora { alpha, .. } = self.settings.depth { alpha } else { 0.0 };
        adapter_config(&self.config, rank, alpha, matrices, base)
    }

    fn adapted(&self) -> (usize, &'static [&'static str]) {
        match self.settings.depth {
            Depth::Lora { rank, .. } => (rank, adapted_matrices(&self.config)),
            Depth::Head | Depth::Full => (0, &[]),
        }
    }

    /// Writes `model.safetensors`: every tensor of the model as it is now, adapters added to their
    /// matrices. With [`Adaptation::small_files`] beside it, that is a model of its own.
    ///
    /// # Errors
    /// [`ErrorKind::Io`], what the GPU says, or what reading the model gives.
    pub async fn write_checkpoint(&self, out: impl Write, dtype: Dtype) -> Result<()> {
        let shapes = tensor_shapes(&self.config);
        let mut writer = Writer::new(out, "model.safetensors", &shapes, dtype)?;
        for (name, shape) in &shapes {
            let row: usize = shape[1..].iter().product();
            let mut written = 0;
            for Tensor { numbers, .. } in self.trained(name).await? {
                writer.write(&numbers)?;
                written += numbers.len() / row;
            }
            // What was not trained, or had something added to it.
            let added = self.added(name).await?;
            let tensor = self.base.get(name, shape)?;
            for begin in (written..tensor.rows()).step_by(COPY_ROWS) {
                let rows = begin..tensor.rows().min(begin + COPY_ROWS);
                let mut numbers = Vec::new();
                tensor.read_rows(rows.clone(), &mut numbers).await?;
                if let Some(added) = &added {
                    added.add(rows.start, &mut numbers);
                }
                writer.write(&numbers)?;
            }
        }
        writer.finish().map(drop)
    }

    /// What a checkpoint is best written in: f16 where the model came so, else f32. Weights are f16
    /// when they score, so that nobody who loads such a file gets other scores than here.
    ///
    /// # Errors
    /// What reading the model gives.
    pub fn dtype(&self) -> Result<Dtype> {
        let hidden = self.config.hidden_size;
        let name = Module::Dense.weight(self.config.family);
        let tensor = self.base.get(&name, &[hidden, hidden])?;
        Ok(if tensor.dtype() == Dtype::F16 { Dtype::F16 } else { Dtype::F32 })
    }

    /// The model's files besides its weights, to be copied beside a checkpoint.
    ///
    /// # Errors
    /// What reading them gives.
    pub async fn small_files(&self) -> Result<Vec<(String, Vec<u8>)>> {
        match &self.files {
            Some(files) => small_files(&**files).await,
            None => Ok(Vec::new()),
        }
    }

    /// What an adapter adds to the matrix called `name`.
    async fn added(&self, name: &str) -> Result<Option<Added>> {
        let (Depth::Lora { rank, alpha }, Some(name)) =
            (self.settings.depth, name.strip_suffix(".weight"))
        else {
            return Ok(None);
        };
        let half = async |half: &str| {
            let mut tensors = self.trained(&format!("{name}.{half}.weight")).await?;
            Ok::<_, Error>(tensors.pop().map(|tensor| tensor.numbers))
        };
        let (Some(a), Some(b)) = (half("lora_A").await?, half("lora_B").await?) else {
            return Ok(None);
        };
        Ok(Some(Added { a, b, rank, scale: alpha / rank as f32 }))
    }

    /// The trained tensors called `name`, which hold its rows one after the other.
    async fn trained(&self, name: &str) -> Result<Vec<Tensor>> {
        let mut found = Vec::new();
        for index in 0..self.training.groups() {
            if self.training.names(index).any(|own| own == name) {
                let tensors = self.training.tensors(&self.gpu, index).await?;
                found.extend(tensors.into_iter().filter(|tensor| tensor.name == name));
            }
        }
        Ok(found)
    }

    /// Writes the numbers that going on needs as safetensors; the rest is what is returned.
    ///
    /// # Errors
    /// [`ErrorKind::Io`], or what the GPU says.
    pub async fn write_state(&self, out: impl Write) -> Result<Kept> {
        let mut shapes = Vec::new();
        for index in 0..self.training.groups() {
            shapes.extend(self.training.state_shapes(index));
        }
        let best = self.best.as_deref().unwrap_or_default();
        for (index, tensors) in best.iter().enumerate() {
            shapes.extend(
                tensors.iter().map(|tensor| (best_name(index, tensor), tensor.shape.clone())),
            );
        }
        let mut writer = Writer::new(out, "state", &shapes, Dtype::F32)?;
        for index in 0..self.training.groups() {
            for tensor in self.training.state(&self.gpu, index).await? {
                writer.write(&tensor.numbers)?;
            }
        }
        for tensor in best.iter().flatten() {
            writer.write(&tensor.numbers)?;
        }
        writer.finish()?;
        Ok(Kept {
            version: VERSION,
            fingerprint: self.fingerprint(),
            batch_tokens: self.plan().batch_tokens,
            stale: self.stale,
            history: self.history.clone(),
        })
    }

    /// Goes on where `kept` was made; `numbers` is what was written then.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] where it belongs to another model, training set or settings, or to
    /// another version; [`ErrorKind::Checkpoint`] naming what is missing.
    pub async fn resume(&mut self, kept: Kept, numbers: &Checkpoint) -> Result<()> {
        let refuse = |what: &str| Err(Error::new(ErrorKind::Input, "the kept state", what));
        if kept.version != VERSION {
            return refuse("is of another version");
        }
        if kept.fingerprint != self.fingerprint() {
            return refuse("is of another model, other examples or other settings");
        }
        if kept.batch_tokens != self.plan().batch_tokens {
            return refuse("was made with another number of tokens at once");
        }
        let steps = kept.history.steps.len();
        if steps > self.plan().steps {
            return refuse("has more steps than the run");
        }
        self.training.restore(&self.gpu, steps as u32, numbers).await?;
        if kept.history.best.is_some() {
            let mut best = Vec::new();
            for index in 0..self.training.groups() {
                let mut tensors = self.training.tensors(&self.gpu, index).await?;
                for tensor in &mut tensors {
                    let stored = numbers.get(&best_name(index, tensor), &tensor.shape)?;
                    tensor.numbers.clear();
                    stored.read_rows(0..stored.rows(), &mut tensor.numbers).await?;
                }
                best.push(tensors);
            }
            self.best = Some(best);
        }
        self.stale = kept.stale;
        self.history = kept.history;
        Ok(())
    }

    /// Differs where model, examples, their order or settings do.
    fn fingerprint(&self) -> String {
        // FNV-1a, which needs nothing.
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        let mut take = |bytes: &[u8]| {
            for &byte in bytes.iter().chain(&(bytes.len() as u64).to_le_bytes()) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        // How much memory it may take and when it is checked say nothing about the steps.
        let settings = Settings { memory: 0, ..self.settings.clone() };
        take(format!("{settings:?} {:?}", self.config).as_bytes());
        take(&self.base.file_bytes().to_le_bytes());
        self.take_examples(&mut take);
        format!("{hash:016x}")
    }
}

fn best_name(index: usize, tensor: &Tensor) -> String {
    format!("best/{index}/{}", tensor.name)
}

/// scale * B A.
struct Added {
    a: Vec<f32>, // [rank, inputs]
    b: Vec<f32>, // [outputs, rank]
    rank: usize,
    scale: f32,
}

impl Added {
    /// Adds its rows from `first` on to `rows`.
    fn add(&self, first: usize, rows: &mut [f32]) {
        let inputs = self.a.len() / self.rank;
        let factors = self.b.chunks_exact(self.rank).skip(first);
        for (row, factors) in rows.chunks_exact_mut(inputs).zip(factors) {
            for (factor, a) in factors.iter().zip(self.a.chunks_exact(inputs)) {
                row.iter_mut().zip(a).for_each(|(number, a)| *number += self.scale * factor * a);
            }
        }
    }
}
