// What weights_quantised.wgsl needs to know of weights of 4 bits.

const BITS: u32 = 4u;  // of an integer
