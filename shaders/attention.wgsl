// out[query] = softmax(q[query] . k[keys] * scale) v[keys] in one pass over the keys of the
// query's own sequence, with a running maximum and sum. One workgroup does one head of one task:
// up to QUERIES neighbouring queries of one sequence.
//
// Key tiles start at the sequence's first token, so the order of every sum depends on the
// sequence alone.

// = src/ops/attention.rs
const LANES: u32 = 64u;
const QUERIES: u32 = 16u;        // queries of a task
const KEYS: u32 = 32u;           // keys of a tile
const MAX_HEAD4: u32 = 32u;      // groups of four in the largest head

const LANE_QUERIES: u32 = 4u;    // queries whose outputs an invocation sums
const COLUMNS: u32 = 16u;        // invocations side by side over a head's groups of four
const SCORE_QUERIES: u32 = 8u;   // queries whose scores with one key an invocation computes

struct Params {
    heads: u32,
    head4: u32,        // groups of four in a head
    qkv_stride4: u32,  // groups of four between rows of qkv
    out_stride4: u32,  // groups of four between rows of out
    scale: f32,        // 1 / sqrt(head size)
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
@group(0) @binding(2) var<storage, read> qkv: array<elem4>;        // [tokens, q heads | k heads | v heads]
@group(0) @binding(3) var<storage, read_write> out: array<elem4>;  // [rows, heads]

var<workgroup> q: array<vec4<f32>, QUERIES * MAX_HEAD4>;  // [QUERIES, head], scaled
var<workgroup> p: array<f32, QUERIES * KEYS>;             // scores, then exp(score - maximum)
var<workgroup> maximum: array<f32, QUERIES>;
var<workgroup> total: array<f32, QUERIES>;
var<workgroup> shrink: array<f32, QUERIES>;               // exp(old maximum - new maximum)

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let lane = id.x;
    let task = tasks[group.x];
    let head4 = params.head4;
    let q_column = group.y * head4;
    let k_column = (params.heads + group.y) * head4;
    let v_column = (2u * params.heads + group.y) * head4;

    for (var i = lane; i < QUERIES * head4; i += LANES) {
        // Queries past the end repeat the last one and are not stored.
        let query = task.first_token + task.first_query + min(i / head4, task.queries - 1u);
        q[i] = load4(qkv[query * params.qkv_stride4 + q_column + i % head4]) * params.scale;
    }
    if lane < QUERIES {
        maximum[lane] = -3.0e38;
        total[lane] = 0.0;
    }
    workgroupBarrier();

    let my_query = lane / COLUMNS * LANE_QUERIES;
    let my_column = lane % COLUMNS;
    let near = my_column < head4;            // the columns of heads up to 64
    let far = my_column + COLUMNS < head4;   // those beyond
    var sum0 = vec4(0.0);
    var sum1 = vec4(0.0);
    var sum2 = vec4(0.0);
    var sum3 = vec4(0.0);
    var far0 = vec4(0.0);
    var far1 = vec4(0.0);
    var far2 = vec4(0.0);
    var far3 = vec4(0.0);

    for (var tile = 0u; tile < task.tokens; tile += KEYS) {
        let keys = min(KEYS, task.tokens - tile);
        let first_key = (task.first_token + tile) * params.qkv_stride4;

        // Scores: one key and SCORE_QUERIES queries an invocation.
        let key = lane % KEYS;
        let score_query = lane / KEYS * SCORE_QUERIES;
        if key < keys {
            var low = vec4(0.0);
            var high = vec4(0.0);
            let from_k = first_key + key * params.qkv_stride4 + k_column;
            let from_q = score_query * head4;
            for (var d = 0u; d < head4; d++) {
                let k = load4(qkv[from_k + d]);
                let at = from_q + d;
                low += vec4(
                    dot(q[at], k),
                    dot(q[at + head4], k),
                    dot(q[at + 2u * head4], k),
                    dot(q[at + 3u * head4], k),
                );
                high += vec4(
                    dot(q[at + 4u * head4], k),
                    dot(q[at + 5u * head4], k),
                    dot(q[at + 6u * head4], k),
                    dot(q[at + 7u * head4], k),
                );
            }
            let to = score_query * KEYS + key;
            p[to] = low.x;
            p[to + KEYS] = low.y;
            p[to + 2u * KEYS] = low.z;
            p[to + 3u * KEYS] = low.w;
            p[to + 4u * KEYS] = high.x;
            p[to + 5u * KEYS] = high.y;
            p[to + 6u * KEYS] = high.z;
            p[to + 7u * KEYS] = high.w;
        }
        workgroupBarrier();

        // Softmax so far: one query an invocation.
        if lane < QUERIES {
            let row = lane * KEYS;
            var highest = maximum[lane];
            for (var j = 0u; j < keys; j++) {
                highest = max(highest, p[row + j]);
            }
            let less = exp(maximum[lane] - highest);
            var sum = total[lane] * less;
            for (var j = 0u; j < keys; j++) {
                let weight = exp(p[row + j] - highest);
                p[row + j] = weight;
                sum += weight;
            }
            maximum[lane] = highest;
            total[lane] = sum;
            shrink[lane] = less;
        }
        workgroupBarrier();

        // Outputs: four queries and up to two groups of four columns an invocation.
        let shrink4 = vec4(shrink[my_query], shrink[my_query + 1u], shrink[my_query + 2u], shrink[my_query + 3u]);
        sum0 *= shrink4.x;
        sum1 *= shrink4.y;
        sum2 *= shrink4.z;
        sum3 *= shrink4.w;
        far0 *= shrink4.x;
        far1 *= shrink4.y;
        far2 *= shrink4.z;
        far3 *= shrink4.w;
        if near {
            for (var j = 0u; j < keys; j++) {
                let from_v = first_key + j * params.qkv_stride4 + v_column + my_column;
                let at = my_query * KEYS + j;
                let weight = vec4(p[at], p[at + KEYS], p[at + 2u * KEYS], p[at + 3u * KEYS]);
                let v = load4(qkv[from_v]);
                sum0 = fma(vec4(weight.x), v, sum0);
                sum1 = fma(vec4(weight.y), v, sum1);
                sum2 = fma(vec4(weight.z), v, sum2);
                sum3 = fma(vec4(weight.w), v, sum3);
                if far {
                    let v_far = load4(qkv[from_v + COLUMNS]);
                    far0 = fma(vec4(weight.x), v_far, far0);
                    far1 = fma(vec4(weight.y), v_far, far1);
                    far2 = fma(vec4(weight.z), v_far, far2);
                    far3 = fma(vec4(weight.w), v_far, far3);
                }
            }
        }
        // The next tile's scores overwrite p.
        workgroupBarrier();
    }

    if near {
        let to = (task.out_row + my_query) * params.out_stride4 + q_column + my_column;
        finish(task.queries, my_query, to, sum0, far0, far);
        finish(task.queries, my_query + 1u, to + params.out_stride4, sum1, far1, far);
        finish(task.queries, my_query + 2u, to + 2u * params.out_stride4, sum2, far2, far);
        finish(task.queries, my_query + 3u, to + 3u * params.out_stride4, sum3, far3, far);
    }
}

fn finish(queries: u32, query: u32, to: u32, near_sum: vec4<f32>, far_sum: vec4<f32>, far: bool) {
    if query < queries {
        out[to] = store4(near_sum / total[query]);
        if far {
            out[to + COLUMNS] = store4(far_sum / total[query]);
        }
    }
}
