// out = x and nothing else: the bandwidth that the other kernels are held against.

const WORKGROUP_SIZE: u32 = 64u;

struct Params {
    count: u32,  // groups of 16 bytes
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4<u32>>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    for (var i = id.x; i < params.count; i += groups.x * WORKGROUP_SIZE) {
        out[i] = x[i];
    }
}
