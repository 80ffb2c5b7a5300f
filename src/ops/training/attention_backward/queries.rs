//! The gradient of q, and what the other kernel must know of each query.

use crate::gpu::{Access, Kernel, Needs};

/// Invocations of a workgroup. = shaders/training/attention_backward/queries.wgsl
pub const LANES: u32 = 16;

/// The kernel of `shaders/training/attention_backward/queries.wgsl`.
pub static KERNEL: Kernel = Kernel {
    name: "attention_backward queries",
    sources: &[
        shader!("training/attention_backward/common"),
        shader!("training/attention_backward/queries"),
    ],
    storage: &[
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Write,
        Access::Write,
    ],
    needs: Needs::Nothing,
};
