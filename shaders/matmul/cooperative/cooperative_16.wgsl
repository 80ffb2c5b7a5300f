// The kernel of common.wgsl with tiles of 16 x 16, as NVIDIA, AMD and Intel have them.
const SIDE: u32 = 16u;
alias Left = coop_mat16x16<f16, A>;
alias Right = coop_mat16x16<f16, B>;
alias Sums = coop_mat16x16<f32, C>;
