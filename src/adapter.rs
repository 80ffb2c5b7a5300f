//! What computes, in words: the adapter, and how numbers are read there.

use serde::Serialize;

/// How the kernels read the f16 numbers in memory. Arithmetic is f32 either way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// [`Dtype::F16`] where the adapter has `shader-f16`, else [`Dtype::F32`].
    #[default]
    Auto,
    /// WGSL's own `f16` type; needs `shader-f16`.
    F16,
    /// Pairs of f16 in a `u32`, unpacked to f32; works everywhere.
    F32,
}

/// The subgroups that a page has asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Subgroups {
    /// Invocations of the smallest; 0 where shaders cannot use them.
    pub smallest: u32,
    /// Invocations of the largest.
    pub largest: u32,
    /// Whether both are the size that shaders are to be compiled for, because the device has
    /// `subgroup-size-control`.
    pub is_fixed: bool,
}

/// What is known of the adapter in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AdapterSummary {
    /// The chip or software renderer.
    pub name: String,
    /// The graphics interface: vulkan, metal, dx12 or webgpu.
    pub backend: String,
    /// The driver and its version.
    pub driver: String,
    /// Whether it is discrete, integrated, virtual, or a CPU.
    pub device_type: String,
    /// Whether it has `shader-f16`.
    pub f16: bool,
    /// Whether it can time single kernels.
    pub timestamps: bool,
    /// The largest storage binding in bytes.
    pub max_binding_bytes: u64,
    /// Invocations of its smallest subgroups; 0 where shaders cannot use them.
    pub subgroup_size: u32,
    /// Invocations of its largest ones.
    pub subgroup_max_size: u32,
    /// Sides of the square tiles that its matrix units multiply, f16 with f32 sums. Empty where it
    /// has none, or subgroups of several sizes.
    pub cooperative: Vec<u32>,
}
