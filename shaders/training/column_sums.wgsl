// sums += sum over rows of x. A workgroup does COLUMNS groups of four columns; its rows are shared
// out among ROWS invocations each.

const WORKGROUP_SIZE: u32 = 128u;
const COLUMNS: u32 = 4u;

const ROWS: u32 = WORKGROUP_SIZE / COLUMNS;

struct Params {
    rows: u32,
    stride4: u32,  // groups of four between rows
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;           // [rows, stride], zero beyond width
@group(0) @binding(2) var<storage, read_write> sums: array<vec4<f32>>;  // [stride]

var<workgroup> partial: array<vec4<f32>, WORKGROUP_SIZE>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let column = group.x * COLUMNS + lane % COLUMNS;
    var sum = vec4(0.0);
    for (var row = lane / COLUMNS; row < params.rows; row += ROWS) {
        sum += x[row * params.stride4 + column];
    }
    partial[lane] = sum;
    workgroupBarrier();
    for (var half = WORKGROUP_SIZE / 2u; half >= COLUMNS; half /= 2u) {
        if lane < half {
            partial[lane] += partial[lane + half];
        }
        workgroupBarrier();
    }
    if lane < COLUMNS {
        sums[column] += partial[lane];
    }
}
