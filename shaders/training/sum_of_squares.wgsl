// sums[first + group] = the sum of squares of a share of x, always added in the same order.

const WORKGROUP_SIZE: u32 = 64u;

struct Params {
    count4: u32,  // groups of four in x
    groups: u32,  // workgroups that share it
    first: u32,   // where their sums go
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;

var<workgroup> partial: array<f32, WORKGROUP_SIZE>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let lane = id.x;
    var mine = vec4(0.0);
    for (var i = group.x * WORKGROUP_SIZE + lane; i < params.count4; i += params.groups * WORKGROUP_SIZE) {
        mine = fma(x[i], x[i], mine);
    }
    partial[lane] = (mine.x + mine.y) + (mine.z + mine.w);
    workgroupBarrier();
    for (var half = WORKGROUP_SIZE / 2u; half > 0u; half /= 2u) {
        if lane < half {
            partial[lane] += partial[lane + half];
        }
        workgroupBarrier();
    }
    if lane == 0u {
        sums[params.first + group.x] = partial[0];
    }
}
