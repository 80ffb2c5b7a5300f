// For GPUs: a workgroup does a row.

// = src/ops/layer_norm/groups.rs
const LANES: u32 = 64u;

var<workgroup> partial: array<f32, LANES>;

// The sum of `mine` over the workgroup, always added in the same order.
fn sum_over_lanes(lane: u32, mine: f32) -> f32 {
    partial[lane] = mine;
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        if lane < half {
            partial[lane] += partial[lane + half];
        }
        workgroupBarrier();
    }
    let total = partial[0];
    workgroupBarrier();
    return total;
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let lane = id.x;
    let row = group.x * params.stride4;
    let width = f32(params.width);

    var sum = vec4(0.0);
    for (var i = lane; i < params.stride4; i += LANES) {
        sum += x[row + i];
    }
    let mean = sum_over_lanes(lane, sum4(sum)) / width;

    // The second pass, not E[x^2] - E[x]^2: real encoders have |mean| far above the deviation.
    var squares = vec4(0.0);
    for (var i = lane; i < params.stride4; i += LANES) {
        let y = centred(row, i, mean);
        squares = fma(y, y, squares);
    }
    let scale = scale_for(sum_over_lanes(lane, sum4(squares)) / width);

    for (var i = lane; i < params.stride4; i += LANES) {
        finish(row, i, mean, scale);
    }
}
