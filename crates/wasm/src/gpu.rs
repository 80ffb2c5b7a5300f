//! How the options that JavaScript gives are meant where the GPU computes.

use cappy::checkpoint::WeightFormat;
use cappy::{Dtype, Error, ErrorKind, LoadOptions, Result, gpu_backend};

/// What `dtype` and `kernel` ask for.
pub fn options<'a>(dtype: &str, kernel: Option<&'a str>) -> Result<LoadOptions<'a>> {
    let (dtype, weights) = parse_dtype(dtype)?;
    Ok(LoadOptions { dtype, weights, kernel, ..LoadOptions::default() })
}

/// What [`gpu_backend::measure`] finds with `kernel`.
pub async fn measure(
    kernel: Option<&str>,
    tuning: Option<&str>,
    subgroup_size: u32,
) -> Result<(String, Option<u32>)> {
    let options = LoadOptions { kernel, tuning, subgroup_size, ..LoadOptions::default() };
    gpu_backend::measure(&options).await
}

/// How kernels read f16 numbers, and how matrices are held if not as they are stored.
pub fn parse_dtype(dtype: &str) -> Result<(Dtype, Option<WeightFormat>)> {
    match dtype {
        "auto" => Ok((Dtype::Auto, None)),
        "f16" => Ok((Dtype::F16, Some(WeightFormat::F16))),
        "f32" => Ok((Dtype::F32, Some(WeightFormat::F16))),
        "q8" => Ok((Dtype::Auto, Some(WeightFormat::Q8))),
        "q4" => Ok((Dtype::Auto, Some(WeightFormat::Q4))),
        other => {
            let what = format!("is {other:?}; auto, f16, f32, q8 and q4 are known");
            Err(Error::new(ErrorKind::Input, "dtype", what))
        }
    }
}
