//! For GPUs: a workgroup does a row.

use super::Variant;
use crate::ops::shaders::layer_norm::groups::KERNEL;

/// The variant of `shaders/layer_norm/groups.wgsl`.
pub static VARIANT: Variant = Variant { kernel: &KERNEL, rows: 1 };
