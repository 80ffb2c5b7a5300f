//! The kernels of training: the backward pass, and the optimizer's step.
//!
//! Gradients are f32 in memory. Matmuls read f16, so each row (or column) of a gradient is scaled by
//! a power of two before one: nothing underflows and no digit is lost but by f16's own
//! rounding. Products with weights and with activations run on the same tuned kernels as scoring.

pub mod activation_backward;
pub mod adamw;
pub mod add_rows;
pub mod attention_backward;
pub mod clip;
pub mod column_sums;
pub mod gated;
pub mod gated_backward;
pub mod gelu;
pub mod layer_norm_backward;
pub mod layer_norm_weights_backward;
pub mod lora_a_backward;
pub mod lora_b_backward;
pub mod mean_rows_backward;
pub mod merge_lora;
pub mod mse;
pub mod pack_columns;
pub mod pack_weights;
pub mod rotary_backward;
pub mod round_rows;
pub mod round_table;
pub mod scale_rows;
pub mod scatter_rows;
pub mod sum_of_squares;
pub mod transpose_panels;
pub mod transpose_rows;

use bytemuck::Pod;

use crate::gpu::{Buffer, Kernel, Step, Work};
pub use crate::ops::shaders::training::TOP;

/// One dispatch of `kernel`.
fn step(
    kernel: &'static Kernel,
    label: &'static str,
    params: &impl Pod,
    buffers: &[&Buffer],
    workgroups: [u32; 3],
    work: Work,
) -> Step {
    Step {
        kernel,
        label,
        params: bytemuck::bytes_of(params).to_vec(),
        buffers: buffers.iter().map(|&buffer| buffer.clone()).collect(),
        workgroups,
        work,
    }
}
