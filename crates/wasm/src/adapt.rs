//! Adaptation, for a page: [`WasmAdaptation`] over [`Adaptation`].

use std::io::{self, Write};

use js_sys::{Array, Function, Uint8Array};
use serde::Deserialize;
use wasm_bindgen::prelude::*;

use super::errors::fail;
use super::to_js;
use crate::files::JsFiles;
use cappy::adapt::{Adaptation, Depth, Kept, Plan, Prepared, Recipe, Settings, examples};
use cappy::{Checkpoint, Error, ErrorKind, LoadOptions, ModelSource, Progress};

/// What a caller may set, by the names that JavaScript gives it. The rest is as [`Settings::new`]
/// and [`Recipe::default`] have it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Options {
    depth: String,
    rank: Option<usize>,
    alpha: Option<f32>,
    learning_rate: Option<f64>,
    batch: Option<usize>,
    seed: Option<u32>,
    /// 0: never early.
    patience: Option<usize>,
    memory: Option<f64>,
    epochs: Option<usize>,
    size: Option<usize>,
    held_out: Option<f64>,
}

impl Options {
    fn settings(&self) -> Result<Settings, Error> {
        let rank = self.rank.unwrap_or(8);
        let depth = match self.depth.as_str() {
            "head" => Depth::Head,
            "lora" => Depth::Lora { rank, alpha: self.alpha.unwrap_or(2.0 * rank as f32) },
            "full" => Depth::Full,
            other => {
                let what = format!("is {other:?}; head, lora and full are known");
                return Err(Error::new(ErrorKind::Input, "depth", what));
            }
        };
        let usual = Settings::new(depth);
        Ok(Settings {
            depth,
            learning_rate: self.learning_rate.unwrap_or(usual.learning_rate),
            batch: self.batch.unwrap_or(usual.batch),
            seed: self.seed.map_or(usual.seed, u64::from),
            patience: match self.patience {
                None => usual.patience,
                Some(0) => None,
                patience => patience,
            },
            memory: self.memory.map_or(usual.memory, |bytes| bytes as u64),
            ..usual
        })
    }

    fn prepare(&self, lessons: &str) -> Result<Prepared, Error> {
        let lessons = examples::read("lessons", lessons.as_bytes())?;
        let usual = Recipe::default();
        let recipe = |size| Recipe {
            seed: self.seed.map_or(usual.seed, u64::from),
            size,
            held_out: self.held_out.unwrap_or(usual.held_out),
        };
        recipe(self.size).check()?;
        let set = recipe(self.size).prepare(&lessons, &cappy::rouge::rouge_l);
        match self.epochs {
            Some(epochs) if self.size.is_none() => {
                let size = set.train.len().saturating_mul(epochs);
                Ok(recipe(Some(size)).prepare(&lessons, &cappy::rouge::rouge_l))
            }
            _ => Ok(set),
        }
    }
}

/// A model that learns. One call at a time.
#[wasm_bindgen]
pub struct WasmAdaptation(Adaptation);

#[wasm_bindgen]
impl WasmAdaptation {
    /// Loads the model in `files` and makes it ready to learn from `lessons`, JSON lines as
    /// [`examples`] has them. `planned(plan)` is told what that will take, before it is taken;
    /// `progress(bytes, total)` as in [`super::WasmScorer::load`].
    ///
    /// # Errors
    /// `{ code, atFault, what }`; see [`ErrorKind::code`].
    #[expect(clippy::too_many_arguments, reason = "JavaScript names them; see js/adapt/train.ts")]
    pub async fn load(
        files: JsFiles,
        lessons: String,
        options: JsValue,
        dtype: String,
        batch_tokens: Option<u32>,
        kernel: Option<String>,
        tuning: Option<String>,
        subgroups: Vec<u32>,
        planned: Function,
        progress: Function,
    ) -> Result<WasmAdaptation, JsValue> {
        let options: Options = serde_wasm_bindgen::from_value(options)
            .map_err(|error| fail(Error::new(ErrorKind::Input, "options", error.to_string())))?;
        let settings = options.settings().map_err(fail)?;
        let set = options.prepare(&lessons).map_err(fail)?;
        // What listeners throw is no reason to stop.
        let mut tell_plan = |plan: &Plan| {
            if let Ok(plan) = to_js(plan) {
                let _ = planned.call1(&JsValue::NULL, &plan);
            }
        };
        let mut told = |done: Progress| {
            if let Progress::Load { bytes, total } = done {
                let _ =
                    progress.call2(&JsValue::NULL, &(bytes as f64).into(), &(total as f64).into());
            }
        };
        let load = LoadOptions {
            dtype: cappy::compute_and_weights(&dtype).map_err(fail)?.0,
            weights: None,
            batch_tokens: batch_tokens.map(|tokens| tokens as usize),
            kernel: kernel.as_deref(),
            tuning: tuning.as_deref(),
            adaptation: None,
            subgroups: super::asked_for(&subgroups),
            backend: None,
            progress: Some(&mut told),
        };
        let source = ModelSource::Files(Box::new(files));
        let loaded = Adaptation::load(source, &set, settings, load, &mut tell_plan).await;
        loaded.map(WasmAdaptation).map_err(fail)
    }

    /// The next optimizer step as [`cappy::adapt::Step`] is serialised; `null` at the end. `stop()`
    /// is asked between submissions.
    ///
    /// # Errors
    /// As [`Adaptation::step`].
    pub async fn step(&mut self, stop: Function) -> Result<JsValue, JsValue> {
        let stop = || stop.call0(&JsValue::NULL).is_ok_and(|stop| stop.is_truthy());
        match self.0.step(&stop).await.map_err(fail)? {
            Some(step) => to_js(&step),
            None => Ok(JsValue::NULL),
        }
    }

    /// [`Adaptation::plan`].
    ///
    /// # Errors
    /// None are known.
    pub fn plan(&self) -> Result<JsValue, JsValue> {
        to_js(self.0.plan())
    }

    /// [`Adaptation::history`].
    ///
    /// # Errors
    /// None are known.
    pub fn history(&self) -> Result<JsValue, JsValue> {
        to_js(self.0.history())
    }

    /// Hands `adapter_model.safetensors` to `write`, bytes after bytes.
    ///
    /// # Errors
    /// As [`Adaptation::write_adapter`].
    #[wasm_bindgen(js_name = writeAdapter)]
    pub async fn write_adapter(&self, write: Function) -> Result<(), JsValue> {
        self.0.write_adapter(Pieces(write)).await.map_err(fail)
    }

    /// `adapter_config.json`, as text.
    #[wasm_bindgen(js_name = adapterConfig)]
    pub fn adapter_config(&self, base: Option<String>) -> String {
        format!("{:#}\n", self.0.adapter_config(base.as_deref()))
    }

    /// Hands `model.safetensors` to `write`, in [`Adaptation::dtype`].
    ///
    /// # Errors
    /// As [`Adaptation::write_checkpoint`].
    #[wasm_bindgen(js_name = writeCheckpoint)]
    pub async fn write_checkpoint(&self, write: Function) -> Result<(), JsValue> {
        let dtype = self.0.dtype().map_err(fail)?;
        self.0.write_checkpoint(Pieces(write), dtype).await.map_err(fail)
    }

    /// What lies beside that, in the model's own folder: `[name, bytes]` of each file.
    ///
    /// # Errors
    /// As [`Adaptation::small_files`].
    #[wasm_bindgen(js_name = smallFiles)]
    pub async fn small_files(&self) -> Result<Array, JsValue> {
        let files = self.0.small_files().await.map_err(fail)?;
        let pair = |(name, bytes): (String, Vec<u8>)| {
            Array::of2(&name.into(), &Uint8Array::from(&bytes[..]).into())
        };
        Ok(files.into_iter().map(pair).collect())
    }

    /// Hands the numbers that going on needs to `write`; the rest of it is what is returned.
    ///
    /// # Errors
    /// As [`Adaptation::write_state`].
    #[wasm_bindgen(js_name = writeState)]
    pub async fn write_state(&self, write: Function) -> Result<JsValue, JsValue> {
        to_js(&self.0.write_state(Pieces(write)).await.map_err(fail)?)
    }

    /// Goes on where `kept` was made; `numbers` is a folder with what was written then as
    /// `model.safetensors`.
    ///
    /// # Errors
    /// As [`Adaptation::resume`].
    pub async fn resume(&mut self, kept: JsValue, numbers: JsFiles) -> Result<(), JsValue> {
        let kept: Kept = serde_wasm_bindgen::from_value(kept).map_err(|error| {
            fail(Error::new(ErrorKind::Input, "the kept state", error.to_string()))
        })?;
        let numbers = Checkpoint::open(&numbers).await.map_err(fail)?;
        self.0.resume(kept, &numbers).await.map_err(fail)
    }
}

/// What is written, in the pieces in which it comes.
struct Pieces(Function);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = Uint8Array::from(bytes);
        match self.0.call1(&JsValue::NULL, &piece) {
            Ok(_) => Ok(bytes.len()),
            Err(_) => Err(io::Error::other("could not be taken")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
