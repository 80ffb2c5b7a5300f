// grad[run.table_row] += sum of d_x[order[i]] over the run's i, one after the other. Every run has
// a table row of its own, so no other workgroup adds to it.

const WORKGROUP_SIZE: u32 = 64u;

struct Params {
    stride4: u32,  // groups of four between rows
}

struct Run {
    table_row: u32,
    first: u32,  // in order
    count: u32,
    unused: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> runs: array<Run>;
@group(0) @binding(2) var<storage, read> order: array<u32>;             // rows of d_x
@group(0) @binding(3) var<storage, read> d_x: array<vec4<f32>>;         // [tokens, stride]
@group(0) @binding(4) var<storage, read_write> grad: array<vec4<f32>>;  // [table rows, stride]

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
    let column = group.x * WORKGROUP_SIZE + lane.x;
    if column < params.stride4 {
        let run = runs[group.y];
        var sum = vec4(0.0);
        for (var i = run.first; i < run.first + run.count; i++) {
            sum += d_x[order[i] * params.stride4 + column];
        }
        grad[run.table_row * params.stride4 + column] += sum;
    }
}
