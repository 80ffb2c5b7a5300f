//! The measurement of [`cappy::bench`], for a page.

use std::ops::ControlFlow;

use js_sys::Function;
use wasm_bindgen::prelude::*;

use super::errors::fail;
use super::to_js;
use cappy::bench::{Options, Shape};
use cappy::checkpoint::WeightFormat;
use cappy::{Error, ErrorKind};

/// Measures a shape; `software` says that the adapter is a CPU, which wgpu does not learn from a
/// browser. `progress(what, share)` ends the work by returning true.
///
/// # Errors
/// As [`super::WasmScorer::load`].
#[wasm_bindgen]
pub async fn bench(
    shape: String,
    dtype: String,
    scaling: bool,
    software: bool,
    progress: Function,
) -> Result<JsValue, JsValue> {
    let Some(shape) = Shape::of_name(&shape) else {
        let names = Shape::ALL.map(Shape::name).join(", ");
        let what = format!("is {shape:?}; these are known: {names}");
        return Err(fail(Error::new(ErrorKind::Input, "shape", what)));
    };
    let (dtype, weights) = cappy::compute_and_weights(&dtype).map_err(fail)?;
    let options = Options {
        shape,
        dtype,
        weights: weights.unwrap_or(WeightFormat::F16),
        tokens: None,
        scaling,
        lengths: false,
        software,
        kernel: None,
    };
    let mut tell = |what: &str, share: f64| {
        let stop = progress.call2(&JsValue::NULL, &what.into(), &share.into());
        match stop.is_ok_and(|stop| stop.is_truthy()) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    };
    to_js(&cappy::bench::run(options, &mut tell).await.map_err(fail)?)
}
