// out[row] = x[row] / scales[row] in f16, where scales[row] is a power of two that brings the
// largest number of the row near the end of what f16 holds: gradients of any size keep all their
// digits, and nothing else is rounded. One workgroup a row.

const WORKGROUP_SIZE: u32 = 64u;

struct Params {
    stride4: u32,  // groups of four between rows of x and out
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [rows, stride]
@group(0) @binding(2) var<storage, read_write> scales: array<f32>;  // [rows]
@group(0) @binding(3) var<storage, read_write> out: array<elem4>;   // [rows, stride]

var<workgroup> largest: array<f32, WORKGROUP_SIZE>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let lane = id.x;
    let row = group.x * params.stride4;
    var mine = vec4(0.0);
    for (var i = lane; i < params.stride4; i += WORKGROUP_SIZE) {
        mine = max(mine, abs(x[row + i]));
    }
    largest[lane] = max(max(mine.x, mine.y), max(mine.z, mine.w));
    workgroupBarrier();
    for (var half = WORKGROUP_SIZE / 2u; half > 0u; half /= 2u) {
        if lane < half {
            largest[lane] = max(largest[lane], largest[lane + half]);
        }
        workgroupBarrier();
    }
    let exponent = exponent_for(largest[0]);
    if lane == 0u {
        scales[group.x] = power_of_two(-exponent);
    }
    let factor = power_of_two(exponent);
    for (var i = lane; i < params.stride4; i += WORKGROUP_SIZE) {
        out[row + i] = store4(x[row + i] * factor);
    }
}
