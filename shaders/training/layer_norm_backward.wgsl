// d_x of y = n * gamma + beta with n = (x - mean) / sqrt(variance + eps), one workgroup a row:
// d_x = (d_n - mean(d_n) - n * mean(d_n * n)) / sqrt(variance + eps) with d_n = d_y * gamma.
// The row's mean and 1 / sqrt(variance + eps) go to stats, for layer_norm_weights_backward.

const WORKGROUP_SIZE: u32 = 64u;

struct Params {
    width: u32,    // numbers that count; columns from here to the stride are zero in and out
    stride4: u32,  // groups of four between rows
    eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;            // [rows, stride]
@group(0) @binding(2) var<storage, read> gamma: array<vec4<f32>>;        // [stride], zero beyond width
@group(0) @binding(3) var<storage, read> d_y: array<vec4<f32>>;          // [rows, stride]
@group(0) @binding(4) var<storage, read_write> stats: array<vec2<f32>>;  // [rows] (mean, scale)
@group(0) @binding(5) var<storage, read_write> d_x: array<vec4<f32>>;    // [rows, stride]

var<workgroup> partial: array<vec2<f32>, WORKGROUP_SIZE>;

// The sums of `mine` over the workgroup, always added in the same order.
fn sum_over_workgroup(lane: u32, mine: vec2<f32>) -> vec2<f32> {
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

fn add_up(x: vec4<f32>) -> f32 {
    return (x.x + x.y) + (x.z + x.w);
}

fn counts(i: u32) -> vec4<bool> {
    return vec4<u32>(4u * i) + vec4<u32>(0u, 1u, 2u, 3u) < vec4(params.width);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let lane = id.x;
    let row = group.x * params.stride4;
    let width = f32(params.width);

    var sum = vec4(0.0);
    var d_sum = vec4(0.0);
    for (var i = lane; i < params.stride4; i += WORKGROUP_SIZE) {
        sum += x[row + i];
        d_sum = fma(d_y[row + i], gamma[i], d_sum);
    }
    let means = sum_over_workgroup(lane, vec2(add_up(sum), add_up(d_sum))) / width;

    // As in layer_norm.wgsl, a second pass instead of E[x^2] - E[x]^2.
    var squares = vec4(0.0);
    var along = vec4(0.0);
    for (var i = lane; i < params.stride4; i += WORKGROUP_SIZE) {
        let centred = select(vec4(0.0), x[row + i] - means.x, counts(i));
        squares = fma(centred, centred, squares);
        along = fma(d_y[row + i] * gamma[i], centred, along);
    }
    let second = sum_over_workgroup(lane, vec2(add_up(squares), add_up(along))) / width;
    let scale = 1.0 / sqrt(second.x + params.eps);

    // along is of x - mean, not of n: one more factor of scale, and another that n brings.
    let back = second.y * scale * scale;
    for (var i = lane; i < params.stride4; i += WORKGROUP_SIZE) {
        let centred = x[row + i] - means.x;
        let own = fma(d_y[row + i], gamma[i], vec4(-means.y));
        d_x[row + i] = select(vec4(0.0), fma(centred, vec4(-back), own) * scale, counts(i));
    }
    if lane == 0u {
        stats[group.x] = vec2(means.x, scale);
    }
}
