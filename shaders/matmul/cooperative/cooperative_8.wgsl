// The kernel of common.wgsl with tiles of 8 x 8, as Apple has them, and newer lavapipes.
const SIDE: u32 = 8u;
alias Left = coop_mat8x8<f16, A>;
alias Right = coop_mat8x8<f16, B>;
alias Sums = coop_mat8x8<f32, C>;
