//! Attention for CPUs that pose as GPUs: every invocation works alone.

use super::attention::{self, Variant};
use crate::gpu::{Access, Kernel, Needs};

/// Invocations of a workgroup: one SIMD vector. = shaders/attention_lanes.wgsl
pub const LANES: u32 = 8;
/// The most queries of a task. = shaders/attention_lanes.wgsl
pub const QUERIES: u32 = 16;
/// Heads of a workgroup. = shaders/attention_lanes.wgsl
pub const HEADS: u32 = 2;
/// Groups of four columns of a head that one workgroup puts out. = shaders/attention_lanes.wgsl
pub const COLUMNS: u32 = 16;

// The tasks and the dispatch are those of all variants.
const _: () = assert!(QUERIES == attention::QUERIES && COLUMNS == attention::COLUMNS);

/// The kernel of `shaders/attention_lanes.wgsl`.
pub static KERNEL: Kernel = Kernel {
    name: "attention_lanes",
    sources: &[include_str!("../../shaders/attention_lanes.wgsl")],
    storage: &[Access::Read, Access::Read, Access::Write],
    needs: Needs::Nothing,
};

/// For software adapters.
pub static VARIANT: Variant = Variant { kernel: &KERNEL, heads: HEADS };
