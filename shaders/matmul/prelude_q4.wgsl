// For prelude_weights_quantised.wgsl.

const BITS: u32 = 4u;  // of an integer
