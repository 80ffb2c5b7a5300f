//! For software adapters: every invocation works alone.

use super::Variant;
use crate::ops::shaders::attention::lanes::{HEADS, KERNEL};

/// The variant of `shaders/attention/lanes.wgsl`.
pub static VARIANT: Variant = Variant { name: "lanes", kernel: &KERNEL, heads: HEADS };
