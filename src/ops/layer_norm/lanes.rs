//! For software adapters: every invocation does a row alone.

use super::Variant;
use crate::ops::shaders::layer_norm::lanes::{KERNEL, WORKGROUP_SIZE};

/// The variant of `shaders/layer_norm/lanes.wgsl`.
pub static VARIANT: Variant = Variant { kernel: &KERNEL, rows: WORKGROUP_SIZE };
