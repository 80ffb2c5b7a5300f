//! What the JavaScript of the npm package calls: thin newtypes over [`cappy::Scorer`], without logic.
//! The TypeScript in `js/` makes the public API from them.
#![cfg(target_arch = "wasm32")]

#[cfg(feature = "adapt")]
mod adapt;
#[cfg(feature = "bench")]
mod bench;
// What computes: the GPU where it is built in, else the CPU, else nothing.
#[cfg_attr(feature = "gpu", path = "gpu.rs")]
#[cfg_attr(all(feature = "cpu", not(feature = "gpu")), path = "cpu.rs")]
mod device;
mod errors;
mod files;
mod hash;

use cappy::{Info, LoadOptions, ModelSource, Progress, Score, Scorer, Subgroups};
use errors::fail;
use js_sys::Function;
use serde::Serialize;
use wasm_bindgen::prelude::*;

pub use files::JsFiles;
pub use hash::Sha256;

#[wasm_bindgen(typescript_custom_section)]
const IMPORTS: &str = r#"import type { ModelFiles } from "../loader/files.js";"#;

/// Shows a Rust panic as an error on the console, with its place.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
}

/// A model on the GPU. Calls at the same time wait for each other.
#[wasm_bindgen]
pub struct WasmScorer(Scorer);

#[wasm_bindgen]
impl WasmScorer {
    /// Loads the model in `files`, as the adapter in `adaptation` changes it, and opens the GPU.
    /// `progress(bytes, total)` is called with how many bytes of weights are there. Only the module
    /// with the feature `adapt` takes adapters. The module that is built with the feature `cpu` and
    /// without `gpu` opens no GPU, and its `dtype` is how the CPU keeps weights. `subgroups` are those that the
    /// page asks the device for: invocations of the smallest and of the largest, and 1 where shaders are
    /// to be compiled for that size; empty where it asks for none.
    ///
    /// # Errors
    /// `{ code, atFault, what, cause }`; see [`cappy::ErrorKind::code`].
    #[expect(clippy::too_many_arguments, reason = "JavaScript names them; see js/engine.ts")]
    pub async fn load(
        files: JsFiles,
        adaptation: Option<JsFiles>,
        dtype: String,
        batch_tokens: Option<u32>,
        kernel: Option<String>,
        tuning: Option<String>,
        subgroups: Vec<u32>,
        progress: Function,
    ) -> Result<WasmScorer, JsValue> {
        let mut told = |done: Progress| {
            if let Progress::Load { bytes, total } = done {
                // What a progress bar throws is no reason to stop.
                let _ =
                    progress.call2(&JsValue::NULL, &(bytes as f64).into(), &(total as f64).into());
            }
        };
        let options = LoadOptions {
            batch_tokens: batch_tokens.map(|tokens| tokens as usize),
            tuning: tuning.as_deref(),
            adaptation: adaptation.map(|files| Box::new(files) as _),
            subgroups: asked_for(&subgroups),
            progress: Some(&mut told),
            ..device::options(&dtype, kernel.as_deref()).map_err(fail)?
        };
        let scorer = Scorer::load(ModelSource::Files(Box::new(files)), options).await;
        scorer.map(WasmScorer).map_err(fail)
    }

    /// Scores `(instructions[i], responses[i])` from the first on, as many as one batch holds, at least
    /// one: an array of `{ logits, tokens, truncated }`. A single instruction is that of all responses.
    /// `stop()` is asked between submissions.
    ///
    /// # Errors
    /// As [`WasmScorer::load`].
    #[wasm_bindgen(js_name = scoreBatch)]
    pub async fn score_batch(
        &self,
        instructions: Vec<String>,
        responses: Vec<String>,
        stop: Function,
    ) -> Result<JsValue, JsValue> {
        let single = if let [one] = &*instructions { Some(one) } else { None };
        let own = instructions.iter().chain(single.into_iter().cycle());
        let pairs: Vec<_> =
            own.map(|text| &**text).zip(responses.iter().map(|text| &**text)).collect();
        let stop = || stop.call0(&JsValue::NULL).is_ok_and(|stop| stop.is_truthy());
        let scores: Vec<Score> = self.0.score_batch(&pairs, 0, &stop).await.map_err(fail)?;
        to_js(&scores)
    }

    /// What was loaded and how it runs: [`Info`] as it is serialised.
    ///
    /// # Errors
    /// None are known.
    pub fn info(&self) -> Result<JsValue, JsValue> {
        let info: &Info = self.0.info();
        to_js(info)
    }
}

/// Fails with `atFault: "pace"` and `micros`, the microseconds that a fixed forward pass takes here, unless
/// that is less than `rival`; else what to give [`WasmScorer::load`] as `tuning`. No model is needed.
///
/// # Errors
/// As [`WasmScorer::load`].
#[wasm_bindgen]
pub async fn compete(
    kernel: Option<String>,
    tuning: Option<String>,
    subgroups: Vec<u32>,
    rival: u32,
) -> Result<String, JsValue> {
    let measured = device::measure(kernel.as_deref(), tuning.as_deref(), asked_for(&subgroups));
    let (tuning, micros) = measured.await.map_err(fail)?;
    match micros {
        Some(micros) if micros >= rival => Err(errors::slower(micros)),
        _ => Ok(tuning),
    }
}

/// The subgroups that a page has asked for, from three numbers as [`WasmScorer::load`] takes them.
fn asked_for(subgroups: &[u32]) -> Subgroups {
    match *subgroups {
        [smallest, largest, fixed] => Subgroups { smallest, largest, is_fixed: fixed == 1 },
        _ => Subgroups::default(),
    }
}

/// Plain objects, and numbers as JavaScript has them.
fn to_js(value: &impl Serialize) -> Result<JsValue, JsValue> {
    Ok(value.serialize(&serde_wasm_bindgen::Serializer::json_compatible())?)
}
