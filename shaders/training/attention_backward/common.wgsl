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
// once for all then (docs/performance.md). Invocations exchange nothing, so there is no barrier,
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
