// d_q of a task's queries for one head, in one pass over the sequence's keys with a running
// maximum and sum: delta is known before, from out, and p and d_s shrink alike. Tokens that are no
// queries get zeros. The maximum, 1 / sum and delta of each query and head go to stats, for the
// other kernel.

const WORKGROUP_SIZE: u32 = 16u;

const LOWEST: f32 = -3.0e38;  // the maximum of no scores

@group(0) @binding(2) var<storage, read> qkv: array<u32>;                // [tokens, q | k | v of all heads]
@group(0) @binding(3) var<storage, read> out: array<u32>;                // [rows, heads]
@group(0) @binding(4) var<storage, read> d_out: array<vec2<f32>>;        // [rows, heads]
@group(0) @binding(5) var<storage, read_write> stats: array<vec4<f32>>;  // [rows, heads] (maximum, 1 / sum, delta, 0)
@group(0) @binding(6) var<storage, read_write> d_qkv: array<vec2<f32>>;  // [tokens, q | k | v of all heads]

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = tasks[params.first_task + group.x];
    let head2 = params.head2;
    let stride = params.qkv_stride2;
    let out_stride = params.out_stride2;
    let part = params.heads * head2;  // from q to k, and from k to v
    let head = group.y * head2;
    let own = OWN * lane;
    let first = task.first + own;

    // Tokens to store, and those among them that are queries. Beyond these the sequence's last query
    // is repeated. A task without queries looks at no key.
    let count = min(OWN, task.count - min(own, task.count));
    let queries = min(count, task.queries - min(first, task.queries));
    let keys = select(0u, end_seen(task, task.tokens), task.first < task.queries);
    let last_query = task.queries - 1u;
    let query0 = min(first, last_query);
    let query1 = min(first + 1u, last_query);
    let query2 = min(first + 2u, last_query);
    let query3 = min(first + 3u, last_query);
    let from_q0 = (task.first_token + query0) * stride + head;
    let from_q1 = (task.first_token + query1) * stride + head;
    let from_q2 = (task.first_token + query2) * stride + head;
    let from_q3 = (task.first_token + query3) * stride + head;
    let from_g0 = (task.out_row + query0) * out_stride + head;
    let from_g1 = (task.out_row + query1) * out_stride + head;
    let from_g2 = (task.out_row + query2) * out_stride + head;
    let from_g3 = (task.out_row + query3) * out_stride + head;
    // Of each pair the even and the odd column.
    var q_even: array<vec4<f32>, MAX_PAIRS>;
    var q_odd: array<vec4<f32>, MAX_PAIRS>;
    var g_even: array<vec4<f32>, MAX_PAIRS>;  // d_out
    var g_odd: array<vec4<f32>, MAX_PAIRS>;
    var sum_even: array<vec4<f32>, MAX_PAIRS>;
    var sum_odd: array<vec4<f32>, MAX_PAIRS>;
    var delta = vec4(0.0);
    for (var d = 0u; d < head2; d++) {
        let q0 = unpack2x16float(qkv[from_q0 + d]);
        let q1 = unpack2x16float(qkv[from_q1 + d]);
        let q2 = unpack2x16float(qkv[from_q2 + d]);
        let q3 = unpack2x16float(qkv[from_q3 + d]);
        let o0 = unpack2x16float(out[from_g0 + d]);
        let o1 = unpack2x16float(out[from_g1 + d]);
        let o2 = unpack2x16float(out[from_g2 + d]);
        let o3 = unpack2x16float(out[from_g3 + d]);
        let g0 = d_out[from_g0 + d];
        let g1 = d_out[from_g1 + d];
        let g2 = d_out[from_g2 + d];
        let g3 = d_out[from_g3 + d];
        let even = vec4(g0.x, g1.x, g2.x, g3.x);
        let odd = vec4(g0.y, g1.y, g2.y, g3.y);
        delta = fma(even, vec4(o0.x, o1.x, o2.x, o3.x), delta);
        delta = fma(odd, vec4(o0.y, o1.y, o2.y, o3.y), delta);
        q_even[d] = vec4(q0.x, q1.x, q2.x, q3.x);
        q_odd[d] = vec4(q0.y, q1.y, q2.y, q3.y);
        g_even[d] = even;
        g_odd[d] = odd;
        sum_even[d] = vec4(0.0);
        sum_odd[d] = vec4(0.0);
    }

    var highest = vec4(LOWEST);
    var total = vec4(0.0);
    let last = task.tokens - 1u;
    let seen = seen_by(vec4(query0, query1, query2, query3), last);
    let from_k = task.first_token * stride + part + head;
    for (var tile = first_seen(task); tile < keys; tile += OTHERS) {
        // Keys past the end repeat the last one. Like those outside of a query's window they weigh zero.
        let from_k0 = from_k + min(tile, last) * stride;
        let from_k1 = from_k + min(tile + 1u, last) * stride;
        let from_k2 = from_k + min(tile + 2u, last) * stride;
        let from_k3 = from_k + min(tile + 3u, last) * stride;
        let from_k4 = from_k + min(tile + 4u, last) * stride;
        let from_k5 = from_k + min(tile + 5u, last) * stride;
        let from_k6 = from_k + min(tile + 6u, last) * stride;
        let from_k7 = from_k + min(tile + 7u, last) * stride;
        var score0 = vec4(0.0);
        var score1 = vec4(0.0);
        var score2 = vec4(0.0);
        var score3 = vec4(0.0);
        var score4 = vec4(0.0);
        var score5 = vec4(0.0);
        var score6 = vec4(0.0);
        var score7 = vec4(0.0);
        var d_p0 = vec4(0.0);
        var d_p1 = vec4(0.0);
        var d_p2 = vec4(0.0);
        var d_p3 = vec4(0.0);
        var d_p4 = vec4(0.0);
        var d_p5 = vec4(0.0);
        var d_p6 = vec4(0.0);
        var d_p7 = vec4(0.0);
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
            let packed_v0 = qkv[from_k0 + part + d];
            let packed_v1 = qkv[from_k1 + part + d];
            let packed_v2 = qkv[from_k2 + part + d];
            let packed_v3 = qkv[from_k3 + part + d];
            let packed_v4 = qkv[from_k4 + part + d];
            let packed_v5 = qkv[from_k5 + part + d];
            let packed_v6 = qkv[from_k6 + part + d];
            let packed_v7 = qkv[from_k7 + part + d];
            let own_q_even = q_even[d];
            let own_q_odd = q_odd[d];
            let own_g_even = g_even[d];
            let own_g_odd = g_odd[d];
            let k0 = unpack2x16float(packed_k0);
            score0 = fma(vec4(k0.y), own_q_odd, fma(vec4(k0.x), own_q_even, score0));
            let k1 = unpack2x16float(packed_k1);
            score1 = fma(vec4(k1.y), own_q_odd, fma(vec4(k1.x), own_q_even, score1));
            let k2 = unpack2x16float(packed_k2);
            score2 = fma(vec4(k2.y), own_q_odd, fma(vec4(k2.x), own_q_even, score2));
            let k3 = unpack2x16float(packed_k3);
            score3 = fma(vec4(k3.y), own_q_odd, fma(vec4(k3.x), own_q_even, score3));
            let k4 = unpack2x16float(packed_k4);
            score4 = fma(vec4(k4.y), own_q_odd, fma(vec4(k4.x), own_q_even, score4));
            let k5 = unpack2x16float(packed_k5);
            score5 = fma(vec4(k5.y), own_q_odd, fma(vec4(k5.x), own_q_even, score5));
            let k6 = unpack2x16float(packed_k6);
            score6 = fma(vec4(k6.y), own_q_odd, fma(vec4(k6.x), own_q_even, score6));
            let k7 = unpack2x16float(packed_k7);
            score7 = fma(vec4(k7.y), own_q_odd, fma(vec4(k7.x), own_q_even, score7));
            let v0 = unpack2x16float(packed_v0);
            d_p0 = fma(vec4(v0.y), own_g_odd, fma(vec4(v0.x), own_g_even, d_p0));
            let v1 = unpack2x16float(packed_v1);
            d_p1 = fma(vec4(v1.y), own_g_odd, fma(vec4(v1.x), own_g_even, d_p1));
            let v2 = unpack2x16float(packed_v2);
            d_p2 = fma(vec4(v2.y), own_g_odd, fma(vec4(v2.x), own_g_even, d_p2));
            let v3 = unpack2x16float(packed_v3);
            d_p3 = fma(vec4(v3.y), own_g_odd, fma(vec4(v3.x), own_g_even, d_p3));
            let v4 = unpack2x16float(packed_v4);
            d_p4 = fma(vec4(v4.y), own_g_odd, fma(vec4(v4.x), own_g_even, d_p4));
            let v5 = unpack2x16float(packed_v5);
            d_p5 = fma(vec4(v5.y), own_g_odd, fma(vec4(v5.x), own_g_even, d_p5));
            let v6 = unpack2x16float(packed_v6);
            d_p6 = fma(vec4(v6.y), own_g_odd, fma(vec4(v6.x), own_g_even, d_p6));
            let v7 = unpack2x16float(packed_v7);
            d_p7 = fma(vec4(v7.y), own_g_odd, fma(vec4(v7.x), own_g_even, d_p7));
        }

        score0 = where_seen(score0 * params.scale, tile, seen, LOWEST);
        score1 = where_seen(score1 * params.scale, tile + 1u, seen, LOWEST);
        score2 = where_seen(score2 * params.scale, tile + 2u, seen, LOWEST);
        score3 = where_seen(score3 * params.scale, tile + 3u, seen, LOWEST);
        score4 = where_seen(score4 * params.scale, tile + 4u, seen, LOWEST);
        score5 = where_seen(score5 * params.scale, tile + 5u, seen, LOWEST);
        score6 = where_seen(score6 * params.scale, tile + 6u, seen, LOWEST);
        score7 = where_seen(score7 * params.scale, tile + 7u, seen, LOWEST);
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
        total *= shrink;
        let p0 = exp(score0 - higher);
        let p1 = exp(score1 - higher);
        let p2 = exp(score2 - higher);
        let p3 = exp(score3 - higher);
        let p4 = exp(score4 - higher);
        let p5 = exp(score5 - higher);
        let p6 = exp(score6 - higher);
        let p7 = exp(score7 - higher);
        total += p0;
        total += p1;
        total += p2;
        total += p3;
        total += p4;
        total += p5;
        total += p6;
        total += p7;
        let d_s0 = p0 * (d_p0 - delta);
        let d_s1 = p1 * (d_p1 - delta);
        let d_s2 = p2 * (d_p2 - delta);
        let d_s3 = p3 * (d_p3 - delta);
        let d_s4 = p4 * (d_p4 - delta);
        let d_s5 = p5 * (d_p5 - delta);
        let d_s6 = p6 * (d_p6 - delta);
        let d_s7 = p7 * (d_p7 - delta);

        for (var d = 0u; d < head2; d++) {
            let packed_k0 = qkv[from_k0 + d];
            let packed_k1 = qkv[from_k1 + d];
            let packed_k2 = qkv[from_k2 + d];
            let packed_k3 = qkv[from_k3 + d];
            let packed_k4 = qkv[from_k4 + d];
            let packed_k5 = qkv[from_k5 + d];
            let packed_k6 = qkv[from_k6 + d];
            let packed_k7 = qkv[from_k7 + d];
            var even = sum_even[d] * shrink;
            var odd = sum_odd[d] * shrink;
            let k0 = unpack2x16float(packed_k0);
            even = fma(vec4(k0.x), d_s0, even);
            odd = fma(vec4(k0.y), d_s0, odd);
            let k1 = unpack2x16float(packed_k1);
            even = fma(vec4(k1.x), d_s1, even);
            odd = fma(vec4(k1.y), d_s1, odd);
            let k2 = unpack2x16float(packed_k2);
            even = fma(vec4(k2.x), d_s2, even);
            odd = fma(vec4(k2.y), d_s2, odd);
            let k3 = unpack2x16float(packed_k3);
            even = fma(vec4(k3.x), d_s3, even);
            odd = fma(vec4(k3.y), d_s3, odd);
            let k4 = unpack2x16float(packed_k4);
            even = fma(vec4(k4.x), d_s4, even);
            odd = fma(vec4(k4.y), d_s4, odd);
            let k5 = unpack2x16float(packed_k5);
            even = fma(vec4(k5.x), d_s5, even);
            odd = fma(vec4(k5.y), d_s5, odd);
            let k6 = unpack2x16float(packed_k6);
            even = fma(vec4(k6.x), d_s6, even);
            odd = fma(vec4(k6.y), d_s6, odd);
            let k7 = unpack2x16float(packed_k7);
            even = fma(vec4(k7.x), d_s7, even);
            odd = fma(vec4(k7.y), d_s7, odd);
            sum_even[d] = even;
            sum_odd[d] = odd;
        }
    }

    for (var r = 0u; r < queries; r++) {
        let to = (task.out_row + first + r) * params.heads + group.y;
        stats[to] = vec4(highest[r], 1.0 / total[r], delta[r], 0.0);
    }
    let to = (task.first_token + first) * stride + head;
    for (var d = 0u; d < head2; d++) {
        let even = sum_even[d] * params.scale / total;
        let odd = sum_odd[d] * params.scale / total;
        for (var r = 0u; r < count; r++) {
            d_qkv[to + r * stride + d] = select(vec2(0.0), vec2(even[r], odd[r]), r < queries);
        }
    }
}
