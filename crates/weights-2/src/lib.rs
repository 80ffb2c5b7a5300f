//! The second half of cappy-small's weights, for the library, which embeds both.

/// The bytes of this half of `model.safetensors`.
pub static BYTES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/half.bin"));
