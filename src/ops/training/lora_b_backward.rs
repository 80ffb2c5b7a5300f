//! From the gradient of a weight matrix to that of its adapter's B.

use super::merge_lora::Lora;
use super::step;
use crate::error::Result;
use crate::gpu::{Access, Buffer, Kernel, Needs, Step};
use crate::ops::Matrix;

/// Invocations of a workgroup. = shaders/training/lora_b_backward.wgsl
pub const LANES: u32 = 64;

/// The kernel of `shaders/training/lora_b_backward.wgsl`.
pub static KERNEL: Kernel = Kernel {
    name: "lora_b_backward",
    sources: &[shader!("training/lora_b_backward")],
    storage: &[Access::Read, Access::Read, Access::Read, Access::Write],
    needs: Needs::Nothing,
};

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
    let workgroups = [params.outputs.div_ceil(LANES), lora.a.rows as u32, 1];
    Ok(step(&KERNEL, label, &params, &buffers, workgroups, work))
}
