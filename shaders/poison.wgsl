// A word of each row becomes NaN, of several matrices at once: what a dispatch that never ran
// has left there is then not taken for a result.

const WORKGROUP_SIZE: u32 = 64u;  // rows of a workgroup

const NAN: u32 = 0xffffffffu;  // both as f32 and as two f16

struct Params {
    stride0: u32,  // words between rows
    stride1: u32,
    stride2: u32,
    stride3: u32,
    stride4: u32,
    stride5: u32,
    first0: u32,   // the word of the first row
    first1: u32,
    first2: u32,
    first3: u32,
    first4: u32,
    first5: u32,
    rows: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out0: array<u32>;
@group(0) @binding(2) var<storage, read_write> out1: array<u32>;
@group(0) @binding(3) var<storage, read_write> out2: array<u32>;
@group(0) @binding(4) var<storage, read_write> out3: array<u32>;
@group(0) @binding(5) var<storage, read_write> out4: array<u32>;
@group(0) @binding(6) var<storage, read_write> out5: array<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= params.rows {
        return;
    }
    out0[params.first0 + id.x * params.stride0] = NAN;
    out1[params.first1 + id.x * params.stride1] = NAN;
    out2[params.first2 + id.x * params.stride2] = NAN;
    out3[params.first3 + id.x * params.stride3] = NAN;
    out4[params.first4 + id.x * params.stride4] = NAN;
    out5[params.first5 + id.x * params.stride5] = NAN;
}
