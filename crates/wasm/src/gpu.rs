//! How the options that JavaScript gives are meant where the GPU computes.

use cappy::{LoadOptions, Result, Subgroups, compute_and_weights, gpu_backend};

/// What `dtype` and `kernel` ask for.
pub fn options<'a>(dtype: &str, kernel: Option<&'a str>) -> Result<LoadOptions<'a>> {
    let (dtype, weights) = compute_and_weights(dtype)?;
    Ok(LoadOptions { dtype, weights, kernel, ..LoadOptions::default() })
}

/// What [`gpu_backend::measure`] finds with `kernel`.
pub async fn measure(
    kernel: Option<&str>,
    tuning: Option<&str>,
    subgroups: Subgroups,
) -> Result<(String, Option<u32>)> {
    let options = LoadOptions { kernel, tuning, subgroups, ..LoadOptions::default() };
    gpu_backend::measure(&options).await
}
