// The gradients of out = softmax(q k^T * scale) v, sequence by sequence and head by head:
//
//     p = softmax(q k^T * scale)      d_v = p^T d_out
//     delta = rowsum(d_out * out)     d_s = p * (d_out v^T - delta)
//     d_q = scale * d_s k             d_k = scale * d_s^T q
//
// This is put before both kernels. In both an invocation owns four neighbouring tokens of a task
// for one head: a vec4 is these four. What it keeps of them, too much for registers, lies in arrays
// of its own, each visit of which serves eight tokens of the other side. Those are the same for the
// whole workgroup, of which no invocation returns early: software adapters seem to read them
// once for all then (docs/kernels-log.md). Invocations exchange nothing, so there is no barrier,
// and every sum runs from the sequence's first token to its last.
//
// Two neighbouring numbers are read as one u32, whatever the prelude: no read is smaller.

const TILE: u32 = 64u;       // tokens of a task
const MAX_PAIRS: u32 = 64u;  // pairs of numbers in the largest head

const OWN: u32 = 4u;     // tokens of an invocation
const OTHERS: u32 = 8u;  // tokens of the other side at a time

struct Params {
    heads: u32,
    head2: u32,        // pairs of numbers in a head
    qkv_stride2: u32,  // pairs between rows of qkv and d_qkv
    out_stride2: u32,  // pairs between rows of out and d_out
    scale: f32,        // 1 / sqrt(head size)
    first_task: u32,   // where this dispatch begins
    window: u32,       // the furthest key that a query sees on either side, 2^30 at the most
}

struct Task {
    first_token: u32,  // of the sequence, as a row of qkv
    tokens: u32,       // in the sequence
    first: u32,        // token of this task, counted from the sequence's first one
    count: u32,        // of tokens in this task
    queries: u32,      // of the sequence's tokens so many, from the first one on, are queries
    out_row: u32,      // of the sequence's first query in out, d_out and stats
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> tasks: array<Task>;

// The first token of the other side, which has `tokens`, that any of the task's tokens sees, and the one after
// the last: what lies outside is not touched.
fn first_seen(task: Task) -> u32 {
    return task.first - min(task.first, params.window);
}

fn end_seen(task: Task, tokens: u32) -> u32 {
    return min(tokens, task.first + task.count + params.window);
}

// The first and the last token of the other side that each of four tokens sees, counted from the sequence's
// first one.
struct Seen {
    first: vec4<u32>,
    last: vec4<u32>,
}

fn seen_by(own: vec4<u32>, last: u32) -> Seen {
    let window = vec4(params.window);
    return Seen(own - min(own, window), min(own + window, vec4(last)));
}

// `score` of a token of the other side, and `otherwise` for those who do not see it.
fn where_seen(score: vec4<f32>, other: u32, seen: Seen, otherwise: f32) -> vec4<f32> {
    return select(vec4(otherwise), score, (vec4(other) >= seen.first) & (vec4(other) <= seen.last));
}
