// For software adapters: an invocation does a row. Barriers would take such an adapter three times
// as long as the rows do, and more to compile.

const WORKGROUP_SIZE: u32 = 8u;  // rows of a workgroup

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= params.rows {
        return;
    }
    let row = id.x * params.stride4;
    let width = f32(params.width);

    var sum = vec4(0.0);
    for (var i = 0u; i < params.stride4; i++) {
        sum += x[row + i];
    }
    let mean = sum4(sum) / width;

    // As in groups.wgsl.
    var squares = vec4(0.0);
    for (var i = 0u; i < params.stride4; i++) {
        let y = centred(row, i, mean);
        squares = fma(y, y, squares);
    }
    let scale = scale_for(sum4(squares) / width);

    for (var i = 0u; i < params.stride4; i++) {
        finish(row, i, mean, scale);
    }
}
