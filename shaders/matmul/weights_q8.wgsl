// What weights_quantised.wgsl needs to know of weights of 8 bits.

const BITS: u32 = 8u;  // of an integer
