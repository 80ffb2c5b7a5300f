// For GPUs: a workgroup does a row.

const WORKGROUP_SIZE: u32 = 64u;

var<workgroup> partial: array<f32, WORKGROUP_SIZE>;

// The sum of `mine` over the workgroup, always added in the same order.
fn sum_over_workgroup(lane: u32, mine: f32) -> f32 {
    partial[lane] = mine;
    workgroupBarrier();
    for (var half = WORKGROUP_SIZE / 2u; half > 0u; half /= 2u) {
        if lane < half {
            partial[lane] += partial[lane + half];
        }
        workgroupBarrier();
    }
    let total = partial[0];
    workgroupBarrier();
    return total;
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let lane = id.x;
    let row = group.x * params.stride4;
    let width = f32(params.width);

    var sum = vec4(0.0);
    for (var i = lane; i < params.stride4; i += WORKGROUP_SIZE) {
        sum += x[row + i];
    }
    let mean = sum_over_workgroup(lane, sum4(sum)) / width;

    // The second pass, not E[x^2] - E[x]^2: real encoders have |mean| far above the deviation.
    var squares = vec4(0.0);
    for (var i = lane; i < params.stride4; i += WORKGROUP_SIZE) {
        let y = centred(row, i, mean);
        squares = fma(y, y, squares);
    }
    let scale = scale_for(sum_over_workgroup(lane, sum4(squares)) / width);

    for (var i = lane; i < params.stride4; i += WORKGROUP_SIZE) {
        finish(row, i, mean, scale);
    }
}
