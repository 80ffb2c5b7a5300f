// out[query] = softmax(q[query] . k[keys] * scale) v[keys] in one pass over the keys of the
// query's own sequence, with a running maximum and sum. A task is up to QUERIES neighbouring queries
// of one sequence. Where a head has more than COLUMNS groups of four, several workgroups do it, each
// some of its columns and all of its scores.
//
// Key tiles start at the sequence's first token, so the order of every sum depends on the
// sequence alone.
//
// This is put before both variants. They differ in how invocations share a task.

const QUERIES: u32 = 16u;  // queries of a task
const COLUMNS: u32 = 16u;  // groups of four columns that a workgroup puts out

const LOWEST: f32 = -3.0e38;  // the maximum of no scores

struct Params {
    heads: u32,
    head4: u32,        // groups of four in a head
    qkv_stride4: u32,  // groups of four between rows of qkv
    out_stride4: u32,  // groups of four between rows of out
    scale: f32,        // 1 / sqrt(head size)
    first_task: u32,   // where this dispatch begins
    window: u32,       // the furthest key that a query sees on either side
}

struct Task {
    first_token: u32,  // of the sequence, as a row of qkv
    tokens: u32,       // in the sequence
    first_query: u32,  // of this task, counted from the sequence's first token
    queries: u32,      // in this task
    out_row: u32,      // of the first query
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> tasks: array<Task>;
// qkv, [tokens, q heads | k heads | v heads], is binding 2 and out, [rows, heads], is binding 3 of
// each variant, in groups of its own choice.

// The first key that any query of the task sees, and the one after the last: what lies outside is not touched.
fn first_key(task: Task) -> u32 {
    return select(0u, task.first_query - params.window, task.first_query > params.window);
}

fn end_key(task: Task) -> u32 {
    let end = task.first_query + task.queries;
    return select(task.tokens, end + params.window, params.window < task.tokens - end);
}

// The first and the last key that each of four queries sees, counted from the sequence's first token.
struct Seen {
    first: vec4<u32>,
    last: vec4<u32>,
}

fn seen_by(queries: vec4<u32>, last_token: u32) -> Seen {
    let window = vec4(params.window);
    let last = vec4(last_token);
    return Seen(
        select(vec4(0u), queries - window, queries > window),
        select(last, queries + window, window < last - queries),
    );
}

// `score` of a key, and the lowest score where a query does not see it.
fn where_seen(score: vec4<f32>, key: u32, seen: Seen) -> vec4<f32> {
    return select(vec4(LOWEST), score, (vec4(key) >= seen.first) & (vec4(key) <= seen.last));
}

// The sums of weights, or NaN where `scores`, the sum of all scores, is not finite: max() may pass NaN
// over, and a score of -infinity would weigh nothing.
fn sound(total: vec4<f32>, scores: vec4<f32>) -> vec4<f32> {
    let lost = (bitcast<vec4<u32>>(scores) & vec4(0x7f800000u)) == vec4(0x7f800000u);
    return bitcast<vec4<f32>>(select(bitcast<vec4<u32>>(total), vec4(0x7fc00000u), lost));
}
