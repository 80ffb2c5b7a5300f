// For software adapters (lavapipe, SwiftShader). There a workgroup of WORKGROUP_SIZE invocations is
// one SIMD vector; a read of storage or workgroup memory is taken apart invocation by invocation
// and costs as much as some 30 multiply-adds, and a barrier makes every variable live in memory. So
// invocations share nothing: each does four queries of one head, with eight keys at a time in
// registers: 12 reads for 64 multiply-adds of a vector. Only the outputs, too many for registers,
// lie in arrays of the invocation's own, each read and written once for eight keys. Eight queries
// an invocation run a fifth faster, and take almost twice as long to compile (docs/kernels-log.md).
//
// Two neighbouring numbers are read as one u32, whatever the prelude: no read is smaller.

const WORKGROUP_SIZE: u32 = 8u;
const HEADS: u32 = 2u;  // heads of a workgroup

const OWN_QUERIES: u32 = 4u;  // queries of an invocation: QUERIES * HEADS / WORKGROUP_SIZE
const KEYS: u32 = 8u;         // keys of a tile
const PAIRS: u32 = 2u * COLUMNS;

@group(0) @binding(2) var<storage, read> qkv: array<u32>;        // [tokens, q heads | k heads | v heads]
@group(0) @binding(3) var<storage, read_write> out: array<u32>;  // [rows, heads]

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = tasks[params.first_task + group.x];
    let head2 = 2u * params.head4;
    let stride2 = 2u * params.qkv_stride4;
    let part2 = params.heads * head2;  // from q to k, and from k to v

    // Beyond the last head the last one is repeated and not stored.
    let own_head = group.y * HEADS + lane % HEADS;
    let head = min(own_head, params.heads - 1u) * head2;
    let first_pair = group.z * PAIRS;
    let pairs = min(PAIRS, head2 - first_pair);
    let query = lane / HEADS * OWN_QUERIES;
    let last_query = task.queries - 1u;
    let last_token = task.tokens - 1u;
    let first = task.first_token + task.first_query;
    let from_q0 = (first + min(query, last_query)) * stride2 + head;
    let from_q1 = (first + min(query + 1u, last_query)) * stride2 + head;
    let from_q2 = (first + min(query + 2u, last_query)) * stride2 + head;
    let from_q3 = (first + min(query + 3u, last_query)) * stride2 + head;

    let own_queries = min(vec4(query) + vec4(0u, 1u, 2u, 3u), vec4(last_query));
    let seen = seen_by(vec4(task.first_query) + own_queries, last_token);
    let end = end_key(task);

    // Each vector is the invocation's four queries.
    var highest = vec4(LOWEST);
    var total = vec4(0.0);
    var scores = vec4(0.0);
    // Outputs of the even and the odd column of each pair. One array for both compiled slower.
    var even: array<vec4<f32>, PAIRS>;
    var odd: array<vec4<f32>, PAIRS>;

    for (var tile = first_key(task) / KEYS * KEYS; tile < end; tile += KEYS) {
        let from_k0 = (task.first_token + min(tile, last_token)) * stride2 + part2 + head;
        let from_k1 = (task.first_token + min(tile + 1u, last_token)) * stride2 + part2 + head;
        let from_k2 = (task.first_token + min(tile + 2u, last_token)) * stride2 + part2 + head;
        let from_k3 = (task.first_token + min(tile + 3u, last_token)) * stride2 + part2 + head;
        let from_k4 = (task.first_token + min(tile + 4u, last_token)) * stride2 + part2 + head;
        let from_k5 = (task.first_token + min(tile + 5u, last_token)) * stride2 + part2 + head;
        let from_k6 = (task.first_token + min(tile + 6u, last_token)) * stride2 + part2 + head;
        let from_k7 = (task.first_token + min(tile + 7u, last_token)) * stride2 + part2 + head;
        var score0 = vec4(0.0);
        var score1 = vec4(0.0);
        var score2 = vec4(0.0);
        var score3 = vec4(0.0);
        var score4 = vec4(0.0);
        var score5 = vec4(0.0);
        var score6 = vec4(0.0);
        var score7 = vec4(0.0);
        for (var d = 0u; d < head2; d++) {
            // All reads first: mixed with arithmetic they are slower, as in matmul.
            let packed_k0 = qkv[from_k0 + d];
            let packed_k1 = qkv[from_k1 + d];
            let packed_k2 = qkv[from_k2 + d];
            let packed_k3 = qkv[from_k3 + d];
            let packed_k4 = qkv[from_k4 + d];
            let packed_k5 = qkv[from_k5 + d];
            let packed_k6 = qkv[from_k6 + d];
            let packed_k7 = qkv[from_k7 + d];
            let packed_q0 = qkv[from_q0 + d];
            let packed_q1 = qkv[from_q1 + d];
            let packed_q2 = qkv[from_q2 + d];
            let packed_q3 = qkv[from_q3 + d];
            let q0 = unpack2x16float(packed_q0);
            let q1 = unpack2x16float(packed_q1);
            let q2 = unpack2x16float(packed_q2);
            let q3 = unpack2x16float(packed_q3);
            let q_even = vec4(q0.x, q1.x, q2.x, q3.x);
            let q_odd = vec4(q0.y, q1.y, q2.y, q3.y);
            let k0 = unpack2x16float(packed_k0);
            score0 = fma(vec4(k0.y), q_odd, fma(vec4(k0.x), q_even, score0));
            let k1 = unpack2x16float(packed_k1);
            score1 = fma(vec4(k1.y), q_odd, fma(vec4(k1.x), q_even, score1));
            let k2 = unpack2x16float(packed_k2);
            score2 = fma(vec4(k2.y), q_odd, fma(vec4(k2.x), q_even, score2));
            let k3 = unpack2x16float(packed_k3);
            score3 = fma(vec4(k3.y), q_odd, fma(vec4(k3.x), q_even, score3));
            let k4 = unpack2x16float(packed_k4);
            score4 = fma(vec4(k4.y), q_odd, fma(vec4(k4.x), q_even, score4));
            let k5 = unpack2x16float(packed_k5);
            score5 = fma(vec4(k5.y), q_odd, fma(vec4(k5.x), q_even, score5));
            let k6 = unpack2x16float(packed_k6);
            score6 = fma(vec4(k6.y), q_odd, fma(vec4(k6.x), q_even, score6));
            let k7 = unpack2x16float(packed_k7);
            score7 = fma(vec4(k7.y), q_odd, fma(vec4(k7.x), q_even, score7));
        }

        scores += (score0 + score1) + (score2 + score3) + ((score4 + score5) + (score6 + score7));
        // Keys past the end, which repeat the last one, and those that a query does not see weigh zero.
        score0 = where_seen(score0 * params.scale, tile + 0u, seen);
        score1 = where_seen(score1 * params.scale, tile + 1u, seen);
        score2 = where_seen(score2 * params.scale, tile + 2u, seen);
        score3 = where_seen(score3 * params.scale, tile + 3u, seen);
        score4 = where_seen(score4 * params.scale, tile + 4u, seen);
        score5 = where_seen(score5 * params.scale, tile + 5u, seen);
        score6 = where_seen(score6 * params.scale, tile + 6u, seen);
        score7 = where_seen(score7 * params.scale, tile + 7u, seen);
        var higher = max(highest, score0);
        higher = max(higher, score1);
        higher = max(higher, score2);
        higher = max(higher, score3);
        higher = max(higher, score4);
        higher = max(higher, score5);
        higher = max(higher, score6);
        higher = max(higher, score7);
        let shrink = exp(highest - higher);
        highest = higher;
        let weight0 = exp(score0 - higher);
        let weight1 = exp(score1 - higher);
        let weight2 = exp(score2 - higher);
        let weight3 = exp(score3 - higher);
        let weight4 = exp(score4 - higher);
        let weight5 = exp(score5 - higher);
        let weight6 = exp(score6 - higher);
        let weight7 = exp(score7 - higher);
        total *= shrink;
        total += weight0;
        total += weight1;
        total += weight2;
        total += weight3;
        total += weight4;
        total += weight5;
        total += weight6;
        total += weight7;

        for (var i = 0u; i < pairs; i++) {
            let column = part2 + first_pair + i;
            let packed_v0 = qkv[from_k0 + column];
            let packed_v1 = qkv[from_k1 + column];
            let packed_v2 = qkv[from_k2 + column];
            let packed_v3 = qkv[from_k3 + column];
            let packed_v4 = qkv[from_k4 + column];
            let packed_v5 = qkv[from_k5 + column];
            let packed_v6 = qkv[from_k6 + column];
            let packed_v7 = qkv[from_k7 + column];
            let even0 = even[i] * shrink;
            let odd0 = odd[i] * shrink;
            let v0 = unpack2x16float(packed_v0);
            let even1 = fma(vec4(v0.x), weight0, even0);
            let odd1 = fma(vec4(v0.y), weight0, odd0);
            let v1 = unpack2x16float(packed_v1);
            let even2 = fma(vec4(v1.x), weight1, even1);
            let odd2 = fma(vec4(v1.y), weight1, odd1);
            let v2 = unpack2x16float(packed_v2);
            let even3 = fma(vec4(v2.x), weight2, even2);
            let odd3 = fma(vec4(v2.y), weight2, odd2);
            let v3 = unpack2x16float(packed_v3);
            let even4 = fma(vec4(v3.x), weight3, even3);
            let odd4 = fma(vec4(v3.y), weight3, odd3);
            let v4 = unpack2x16float(packed_v4);
            let even5 = fma(vec4(v4.x), weight4, even4);
            let odd5 = fma(vec4(v4.y), weight4, odd4);
            let v5 = unpack2x16float(packed_v5);
            let even6 = fma(vec4(v5.x), weight5, even5);
            let odd6 = fma(vec4(v5.y), weight5, odd5);
            let v6 = unpack2x16float(packed_v6);
            let even7 = fma(vec4(v6.x), weight6, even6);
            let odd7 = fma(vec4(v6.y), weight6, odd6);
            let v7 = unpack2x16float(packed_v7);
            let even8 = fma(vec4(v7.x), weight7, even7);
            let odd8 = fma(vec4(v7.y), weight7, odd7);
            even[i] = even8;
            odd[i] = odd8;
        }
    }

    total = sound(total, scores);
    let out_stride2 = 2u * params.out_stride4;
    let queries = select(0u, task.queries, own_head < params.heads);
    let left = min(OWN_QUERIES, max(queries, query) - query);
    let to = (task.out_row + query) * out_stride2 + head + first_pair;
    for (var i = 0u; i < pairs; i++) {
        let even_column = even[i] / total;
        let odd_column = odd[i] / total;
        // One place that stores, as a loop whose end is not known stays one.
        for (var r = 0u; r < left; r++) {
            out[to + r * out_stride2 + i] = pack2(vec2(even_column[r], odd_column[r]));
        }
    }
}
