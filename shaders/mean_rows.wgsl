// out[pair] = mean of the rows of x that are the pair's tokens

const WORKGROUP_SIZE: u32 = 64u;

struct Params {
    stride4: u32,  // groups of four between rows
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> ends: array<u32>;         // [pairs + 1]: where each pair begins, and the last one ends
@group(0) @binding(2) var<storage, read> x: array<elem4>;          // [tokens, stride]
@group(0) @binding(3) var<storage, read_write> out: array<elem4>;  // [pairs, stride]

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
    let column = group.x * WORKGROUP_SIZE + lane.x;
    if column >= params.stride4 {
        return;
    }
    let first = ends[group.y];
    let end = ends[group.y + 1u];
    var sum = vec4(0.0);
    for (var row = first; row < end; row++) {
        sum += load4(x[row * params.stride4 + column]);
    }
    out[group.y * params.stride4 + column] = store4(sum / f32(end - first));
}
