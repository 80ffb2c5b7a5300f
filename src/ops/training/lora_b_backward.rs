//! From the gradient of a weight matrix to that of its adapter's B.

use super::merge_lora::Lora;
use super::step;
use crate::error::Result;
use crate::gpu::{Buffer, Step};
use crate::ops::Matrix;
use crate::ops::shaders::training::lora_b_backward::{KERNEL, WORKGROUP_SIZE};

/// `gradient += scale * (scales * d_w) A^T`: as [`super::lora_a_backward::lora_a_backward`], in the
/// shape of B. Its test is there.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
pub fn lora_b_backward(
    label: &'static str,
    d_w: &Matrix,
    scales: &Buffer,
    lora: &Lora,
    gradient: &Matrix,
) -> Result<Step> {
    let kernel = (KERNEL.name, label);
    let (params, work) = lora.backward_params(kernel, d_w, scales, &lora.b, gradient)?;
    let buffers = [&d_w.buffer, scales, &lora.a.buffer, &gradient.buffer];
    let workgroups = [params.outputs.div_ceil(WORKGROUP_SIZE), lora.a.rows as u32, 1];
    Ok(step(&KERNEL, label, &params, &buffers, workgroups, work))
}
