//! The gradients of k and v.

use crate::gpu::{Access, Kernel, Needs};

/// Invocations of a workgroup. = shaders/training/attention_backward/keys.wgsl
pub const LANES: u32 = 16;

/// The kernel of `shaders/training/attention_backward/keys.wgsl`.
pub static KERNEL: Kernel = Kernel {
    name: "attention_backward keys",
    sources: &[
        shader!("training/attention_backward/common"),
        shader!("training/attention_backward/keys"),
    ],
    storage: &[Access::Read, Access::Read, Access::Read, Access::Read, Access::Write],
    needs: Needs::Nothing,
};
