// For prelude_weights_quantised.wgsl.

const BITS: u32 = 8u;  // of an integer
