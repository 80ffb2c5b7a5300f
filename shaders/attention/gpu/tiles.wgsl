// For GPUs. One workgroup does one head of one task: q and k go through workgroup memory, where 16
// neighbouring invocations share what they read; scores and outputs stay in registers; v is read
// once, straight from storage. The weights of keys, p, take k's place: [KEYS, queries / 4].

const WORKGROUP_SIZE: u32 = 64u;

const SIDES: u32 = 16u;  // invocations that share four queries

var<workgroup> side_by_side: array<vec4<f32>, WORKGROUP_SIZE>;  // one value of each invocation

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = tasks[params.first_task + group.x];
    let head4 = params.head4;
    let stride = params.qkv_stride4;
    let last_token = task.tokens - 1u;
    let q_column = group.y * head4;
    let v_column = (2u * params.heads + group.y) * head4;

    // Four queries, two keys of a tile and one group of four columns are an invocation's own.
    let four = lane / SIDES;
    let side = lane % SIDES;
    let column = group.z * COLUMNS + side;
    let from_v = v_column + min(column, head4 - 1u);

    var highest = vec4(LOWEST);
    var total = vec4(0.0);  // over this invocation's own keys
    var scores = vec4(0.0); // the same
    var sum0 = vec4(0.0);
    var sum1 = vec4(0.0);
    var sum2 = vec4(0.0);
    var sum3 = vec4(0.0);

    let own_queries = min(vec4(4u * four) + vec4(0u, 1u, 2u, 3u), vec4(task.queries - 1u));
    let seen = seen_by(vec4(task.first_query) + own_queries, last_token);
    let first_tile = first_key(task) / KEYS * KEYS;
    let end = end_key(task);
    for (var tile = first_tile; tile < end; tile += KEYS) {
        var score0 = vec4(0.0);
        var score1 = vec4(0.0);
        for (var depth = 0u; depth < head4; depth += DEPTH) {
            bring(task, group.y, tile, depth, lane, tile == first_tile || head4 > COLUMNS);
            workgroupBarrier();

            let from_q = depth % COLUMNS * QUERY_ROW + 4u * four;
            for (var i = 0u; i < min(DEPTH, head4 - depth); i++) {
                let key0 = k[i * KEY_ROW + side];
                let key1 = k[i * KEY_ROW + side + SIDES];
                let at = from_q + i * QUERY_ROW;
                let q0 = q[at];
                let q1 = q[at + 1u];
                let q2 = q[at + 2u];
                let q3 = q[at + 3u];
                score0 += vec4(dot(q0, key0), dot(q1, key0), dot(q2, key0), dot(q3, key0));
                score1 += vec4(dot(q0, key1), dot(q1, key1), dot(q2, key1), dot(q3, key1));
            }
            if depth + DEPTH >= head4 {
                scores += score0 + score1;
                score0 = where_seen(score0, tile + side, seen);
                score1 = where_seen(score1, tile + side + SIDES, seen);
                side_by_side[lane] = max(score0, score1);
            }
            // The next k, or p, overwrites this one.
            workgroupBarrier();
        }

        var higher = highest;
        for (var i = 0u; i < SIDES; i++) {
            higher = max(higher, side_by_side[four * SIDES + i]);
        }
        let shrink = exp(highest - higher);
        highest = higher;
        let p0 = exp(score0 - higher);
        let p1 = exp(score1 - higher);
        k[side * 4u + four] = p0;
        k[(side + SIDES) * 4u + four] = p1;
        total = fma(total, shrink, p0 + p1);
        sum0 *= shrink.x;
        sum1 *= shrink.y;
        sum2 *= shrink.z;
        sum3 *= shrink.w;
        workgroupBarrier();

        // Four keys at a time, so that four reads are under way. Those past the end weigh zero.
        for (var i = 0u; i < min(KEYS, task.tokens - tile); i += 4u) {
            let key = tile + i;
            let v0 = load4(qkv[(task.first_token + key) * stride + from_v]);
            let v1 = load4(qkv[(task.first_token + min(key + 1u, last_token)) * stride + from_v]);
            let v2 = load4(qkv[(task.first_token + min(key + 2u, last_token)) * stride + from_v]);
            let v3 = load4(qkv[(task.first_token + min(key + 3u, last_token)) * stride + from_v]);
            let w0 = k[i * 4u + four];
            let w1 = k[i * 4u + 4u + four];
            let w2 = k[i * 4u + 8u + four];
            let w3 = k[i * 4u + 12u + four];
            sum0 = weigh(vec4(w0.x, w1.x, w2.x, w3.x), v0, v1, v2, v3, sum0);
            sum1 = weigh(vec4(w0.y, w1.y, w2.y, w3.y), v0, v1, v2, v3, sum1);
            sum2 = weigh(vec4(w0.z, w1.z, w2.z, w3.z), v0, v1, v2, v3, sum2);
            sum3 = weigh(vec4(w0.w, w1.w, w2.w, w3.w), v0, v1, v2, v3, sum3);
        }
        // The next tile's k overwrites p.
        workgroupBarrier();
    }

    side_by_side[lane] = sound(total, scores);
    workgroupBarrier();
    total = vec4(0.0);
    for (var i = 0u; i < SIDES; i++) {
        total += side_by_side[four * SIDES + i];
    }
    if column < head4 {
        let query = 4u * four;
        let to = (task.out_row + query) * params.out_stride4 + q_column + column;
        store(query < task.queries, to, sum0 / total.x);
        store(query + 1u < task.queries, to + params.out_stride4, sum1 / total.y);
        store(query + 2u < task.queries, to + 2u * params.out_stride4, sum2 / total.z);
        store(query + 3u < task.queries, to + 3u * params.out_stride4, sum3 / total.w);
    }
}

fn weigh(
    weights: vec4<f32>,
    v0: vec4<f32>,
    v1: vec4<f32>,
    v2: vec4<f32>,
    v3: vec4<f32>,
    sum: vec4<f32>,
) -> vec4<f32> {
    let first = fma(vec4(weights.y), v1, fma(vec4(weights.x), v0, sum));
    return fma(vec4(weights.w), v3, fma(vec4(weights.z), v2, first));
}
