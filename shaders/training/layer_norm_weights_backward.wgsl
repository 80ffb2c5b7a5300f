// d_gamma += sum over rows of d_y * (x - mean) * scale, d_beta += sum over rows of d_y. A workgroup
// does COLUMNS groups of four columns; its rows are shared out among ROWS invocations each.

const WORKGROUP_SIZE: u32 = 128u;
const COLUMNS: u32 = 4u;

const ROWS: u32 = WORKGROUP_SIZE / COLUMNS;

struct Params {
    rows: u32,
    stride4: u32,  // groups of four between rows
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;              // [rows, stride]
@group(0) @binding(2) var<storage, read> stats: array<vec2<f32>>;          // [rows] (mean, scale)
@group(0) @binding(3) var<storage, read> d_y: array<vec4<f32>>;            // [rows, stride], zero beyond width
@group(0) @binding(4) var<storage, read_write> d_gamma: array<vec4<f32>>;  // [stride]
@group(0) @binding(5) var<storage, read_write> d_beta: array<vec4<f32>>;   // [stride]

var<workgroup> gamma_sums: array<vec4<f32>, WORKGROUP_SIZE>;
var<workgroup> beta_sums: array<vec4<f32>, WORKGROUP_SIZE>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let column = group.x * COLUMNS + lane % COLUMNS;
    var gamma_sum = vec4(0.0);
    var beta_sum = vec4(0.0);
    for (var row = lane / COLUMNS; row < params.rows; row += ROWS) {
        let at = row * params.stride4 + column;
        let statistics = stats[row];
        let d = d_y[at];
        gamma_sum = fma(d, (x[at] - statistics.x) * statistics.y, gamma_sum);
        beta_sum += d;
    }
    gamma_sums[lane] = gamma_sum;
    beta_sums[lane] = beta_sum;
    workgroupBarrier();
    for (var half = WORKGROUP_SIZE / 2u; half >= COLUMNS; half /= 2u) {
        if lane < half {
            gamma_sums[lane] += gamma_sums[lane + half];
            beta_sums[lane] += beta_sums[lane + half];
        }
        workgroupBarrier();
    }
    if lane < COLUMNS {
        d_gamma[column] += gamma_sums[lane];
        d_beta[column] += beta_sums[lane];
    }
}
