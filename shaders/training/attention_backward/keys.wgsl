// d_k and d_v of a task's tokens for one head, in one pass over the sequence's queries. The
// maximum and sum of each softmax are known from stats.

const WORKGROUP_SIZE: u32 = 16u;

@group(0) @binding(2) var<storage, read> qkv: array<u32>;                // [tokens, q | k | v of all heads]
@group(0) @binding(3) var<storage, read> d_out: array<vec2<f32>>;        // [rows, heads]
@group(0) @binding(4) var<storage, read> stats: array<vec4<f32>>;        // [rows, heads] (maximum, 1 / sum, delta, 0)
@group(0) @binding(5) var<storage, read_write> d_qkv: array<vec2<f32>>;  // [tokens, q | k | v of all heads]

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = tasks[params.first_task + group.x];
    let head2 = params.head2;
    let stride = params.qkv_stride2;
    let out_stride = params.out_stride2;
    let part = params.heads * head2;  // from q to k, and from k to v
    let head = group.y * head2;
    let own = OWN * lane;

    // Tokens to store. Beyond them the last one is repeated.
    let count = min(OWN, task.count - min(own, task.count));
    let last_key = task.count - 1u;
    let first_row = task.first_token + task.first;
    let from_k0 = (first_row + min(own, last_key)) * stride + part + head;
    let from_k1 = (first_row + min(own + 1u, last_key)) * stride + part + head;
    let from_k2 = (first_row + min(own + 2u, last_key)) * stride + part + head;
    let from_k3 = (first_row + min(own + 3u, last_key)) * stride + part + head;
    // Of each pair the even and the odd column.
    var k_even: array<vec4<f32>, MAX_PAIRS>;
    var k_odd: array<vec4<f32>, MAX_PAIRS>;
    var v_even: array<vec4<f32>, MAX_PAIRS>;
    var v_odd: array<vec4<f32>, MAX_PAIRS>;
    var d_k_even: array<vec4<f32>, MAX_PAIRS>;
    var d_k_odd: array<vec4<f32>, MAX_PAIRS>;
    var d_v_even: array<vec4<f32>, MAX_PAIRS>;
    var d_v_odd: array<vec4<f32>, MAX_PAIRS>;
    for (var d = 0u; d < head2; d++) {
        let k0 = unpack2x16float(qkv[from_k0 + d]);
        let k1 = unpack2x16float(qkv[from_k1 + d]);
        let k2 = unpack2x16float(qkv[from_k2 + d]);
        let k3 = unpack2x16float(qkv[from_k3 + d]);
        let v0 = unpack2x16float(qkv[from_k0 + part + d]);
        let v1 = unpack2x16float(qkv[from_k1 + part + d]);
        let v2 = unpack2x16float(qkv[from_k2 + part + d]);
        let v3 = unpack2x16float(qkv[from_k3 + part + d]);
        k_even[d] = vec4(k0.x, k1.x, k2.x, k3.x);
        k_odd[d] = vec4(k0.y, k1.y, k2.y, k3.y);
        v_even[d] = vec4(v0.x, v1.x, v2.x, v3.x);
        v_odd[d] = vec4(v0.y, v1.y, v2.y, v3.y);
        d_k_even[d] = vec4(0.0);
        d_k_odd[d] = vec4(0.0);
        d_v_even[d] = vec4(0.0);
        d_v_odd[d] = vec4(0.0);
    }

    let last_query = task.queries - 1u;
    let end_query = end_seen(task, task.queries);
    let tokens = task.first + min(own + vec4(0u, 1u, 2u, 3u), vec4(last_key));
    let seen = seen_by(tokens, last_query);
    let from_q = task.first_token * stride + head;
    let from_g = task.out_row * out_stride + head;
    let from_stats = task.out_row * params.heads + group.y;
    for (var tile = first_seen(task); tile < end_query; tile += OTHERS) {
        // Queries past the end repeat the last one. Like those whose window does not reach a key they weigh zero.
        let query0 = min(tile, last_query);
        let query1 = min(tile + 1u, last_query);
        let query2 = min(tile + 2u, last_query);
        let query3 = min(tile + 3u, last_query);
        let query4 = min(tile + 4u, last_query);
        let query5 = min(tile + 5u, last_query);
        let query6 = min(tile + 6u, last_query);
        let query7 = min(tile + 7u, last_query);
        let from_q0 = from_q + query0 * stride;
        let from_q1 = from_q + query1 * stride;
        let from_q2 = from_q + query2 * stride;
        let from_q3 = from_q + query3 * stride;
        let from_q4 = from_q + query4 * stride;
        let from_q5 = from_q + query5 * stride;
        let from_q6 = from_q + query6 * stride;
        let from_q7 = from_q + query7 * stride;
        let from_g0 = from_g + query0 * out_stride;
        let from_g1 = from_g + query1 * out_stride;
        let from_g2 = from_g + query2 * out_stride;
        let from_g3 = from_g + query3 * out_stride;
        let from_g4 = from_g + query4 * out_stride;
        let from_g5 = from_g + query5 * out_stride;
        let from_g6 = from_g + query6 * out_stride;
        let from_g7 = from_g + query7 * out_stride;
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
            let packed_q0 = qkv[from_q0 + d];
            let packed_q1 = qkv[from_q1 + d];
            let packed_q2 = qkv[from_q2 + d];
            let packed_q3 = qkv[from_q3 + d];
            let packed_q4 = qkv[from_q4 + d];
            let packed_q5 = qkv[from_q5 + d];
            let packed_q6 = qkv[from_q6 + d];
            let packed_q7 = qkv[from_q7 + d];
            let g0 = d_out[from_g0 + d];
            let g1 = d_out[from_g1 + d];
            let g2 = d_out[from_g2 + d];
            let g3 = d_out[from_g3 + d];
            let g4 = d_out[from_g4 + d];
            let g5 = d_out[from_g5 + d];
            let g6 = d_out[from_g6 + d];
            let g7 = d_out[from_g7 + d];
            let own_k_even = k_even[d];
            let own_k_odd = k_odd[d];
            let own_v_even = v_even[d];
            let own_v_odd = v_odd[d];
            let q0 = unpack2x16float(packed_q0);
            score0 = fma(vec4(q0.y), own_k_odd, fma(vec4(q0.x), own_k_even, score0));
            let q1 = unpack2x16float(packed_q1);
            score1 = fma(vec4(q1.y), own_k_odd, fma(vec4(q1.x), own_k_even, score1));
            let q2 = unpack2x16float(packed_q2);
            score2 = fma(vec4(q2.y), own_k_odd, fma(vec4(q2.x), own_k_even, score2));
            let q3 = unpack2x16float(packed_q3);
            score3 = fma(vec4(q3.y), own_k_odd, fma(vec4(q3.x), own_k_even, score3));
            let q4 = unpack2x16float(packed_q4);
            score4 = fma(vec4(q4.y), own_k_odd, fma(vec4(q4.x), own_k_even, score4));
            let q5 = unpack2x16float(packed_q5);
            score5 = fma(vec4(q5.y), own_k_odd, fma(vec4(q5.x), own_k_even, score5));
            let q6 = unpack2x16float(packed_q6);
            score6 = fma(vec4(q6.y), own_k_odd, fma(vec4(q6.x), own_k_even, score6));
            let q7 = unpack2x16float(packed_q7);
            score7 = fma(vec4(q7.y), own_k_odd, fma(vec4(q7.x), own_k_even, score7));
            d_p0 = fma(vec4(g0.y), own_v_odd, fma(vec4(g0.x), own_v_even, d_p0));
            d_p1 = fma(vec4(g1.y), own_v_odd, fma(vec4(g1.x), own_v_even, d_p1));
            d_p2 = fma(vec4(g2.y), own_v_odd, fma(vec4(g2.x), own_v_even, d_p2));
            d_p3 = fma(vec4(g3.y), own_v_odd, fma(vec4(g3.x), own_v_even, d_p3));
            d_p4 = fma(vec4(g4.y), own_v_odd, fma(vec4(g4.x), own_v_even, d_p4));
            d_p5 = fma(vec4(g5.y), own_v_odd, fma(vec4(g5.x), own_v_even, d_p5));
            d_p6 = fma(vec4(g6.y), own_v_odd, fma(vec4(g6.x), own_v_even, d_p6));
            d_p7 = fma(vec4(g7.y), own_v_odd, fma(vec4(g7.x), own_v_even, d_p7));
        }

        let stats0 = stats[from_stats + query0 * params.heads];
        let stats1 = stats[from_stats + query1 * params.heads];
        let stats2 = stats[from_stats + query2 * params.heads];
        let stats3 = stats[from_stats + query3 * params.heads];
        let stats4 = stats[from_stats + query4 * params.heads];
        let stats5 = stats[from_stats + query5 * params.heads];
        let stats6 = stats[from_stats + query6 * params.heads];
        let stats7 = stats[from_stats + query7 * params.heads];
        let p0 = where_seen(exp(score0 * params.scale - stats0.x) * stats0.y, tile, seen, 0.0);
        let p1 = where_seen(exp(score1 * params.scale - stats1.x) * stats1.y, tile + 1u, seen, 0.0);
        let p2 = where_seen(exp(score2 * params.scale - stats2.x) * stats2.y, tile + 2u, seen, 0.0);
        let p3 = where_seen(exp(score3 * params.scale - stats3.x) * stats3.y, tile + 3u, seen, 0.0);
        let p4 = where_seen(exp(score4 * params.scale - stats4.x) * stats4.y, tile + 4u, seen, 0.0);
        let p5 = where_seen(exp(score5 * params.scale - stats5.x) * stats5.y, tile + 5u, seen, 0.0);
        let p6 = where_seen(exp(score6 * params.scale - stats6.x) * stats6.y, tile + 6u, seen, 0.0);
        let p7 = where_seen(exp(score7 * params.scale - stats7.x) * stats7.y, tile + 7u, seen, 0.0);
        let d_s0 = p0 * (d_p0 - stats0.z);
        let d_s1 = p1 * (d_p1 - stats1.z);
        let d_s2 = p2 * (d_p2 - stats2.z);
        let d_s3 = p3 * (d_p3 - stats3.z);
        let d_s4 = p4 * (d_p4 - stats4.z);
        let d_s5 = p5 * (d_p5 - stats5.z);
        let d_s6 = p6 * (d_p6 - stats6.z);
        let d_s7 = p7 * (d_p7 - stats7.z);

        for (var d = 0u; d < head2; d++) {
            let packed_q0 = qkv[from_q0 + d];
            let packed_q1 = qkv[from_q1 + d];
            let packed_q2 = qkv[from_q2 + d];
            let packed_q3 = qkv[from_q3 + d];
            let packed_q4 = qkv[from_q4 + d];
            let packed_q5 = qkv[from_q5 + d];
            let packed_q6 = qkv[from_q6 + d];
            let packed_q7 = qkv[from_q7 + d];
            let g0 = d_out[from_g0 + d];
            let g1 = d_out[from_g1 + d];
            let g2 = d_out[from_g2 + d];
            let g3 = d_out[from_g3 + d];
            let g4 = d_out[from_g4 + d];
            let g5 = d_out[from_g5 + d];
            let g6 = d_out[from_g6 + d];
            let g7 = d_out[from_g7 + d];
            var even = d_k_even[d];
            var odd = d_k_odd[d];
            let q0 = unpack2x16float(packed_q0);
            even = fma(vec4(q0.x), d_s0, even);
            odd = fma(vec4(q0.y), d_s0, odd);
            let q1 = unpack2x16float(packed_q1);
            even = fma(vec4(q1.x), d_s1, even);
            odd = fma(vec4(q1.y), d_s1, odd);
            let q2 = unpack2x16float(packed_q2);
            even = fma(vec4(q2.x), d_s2, even);
            odd = fma(vec4(q2.y), d_s2, odd);
            let q3 = unpack2x16float(packed_q3);
            even = fma(vec4(q3.x), d_s3, even);
            odd = fma(vec4(q3.y), d_s3, odd);
            let q4 = unpack2x16float(packed_q4);
            even = fma(vec4(q4.x), d_s4, even);
            odd = fma(vec4(q4.y), d_s4, odd);
            let q5 = unpack2x16float(packed_q5);
            even = fma(vec4(q5.x), d_s5, even);
            odd = fma(vec4(q5.y), d_s5, odd);
            let q6 = unpack2x16float(packed_q6);
            even = fma(vec4(q6.x), d_s6, even);
            odd = fma(vec4(q6.y), d_s6, odd);
            let q7 = unpack2x16float(packed_q7);
            even = fma(vec4(q7.x), d_s7, even);
            odd = fma(vec4(q7.y), d_s7, odd);
            d_k_even[d] = even;
            d_k_odd[d] = odd;
            even = d_v_even[d];
            odd = d_v_odd[d];
            even = fma(vec4(g0.x), p0, even);
            odd = fma(vec4(g0.y), p0, odd);
            even = fma(vec4(g1.x), p1, even);
            odd = fma(vec4(g1.y), p1, odd);
            even = fma(vec4(g2.x), p2, even);
            odd = fma(vec4(g2.y), p2, odd);
            even = fma(vec4(g3.x), p3, even);
            odd = fma(vec4(g3.y), p3, odd);
            even = fma(vec4(g4.x), p4, even);
            odd = fma(vec4(g4.y), p4, odd);
            even = fma(vec4(g5.x), p5, even);
            odd = fma(vec4(g5.y), p5, odd);
            even = fma(vec4(g6.x), p6, even);
            odd = fma(vec4(g6.y), p6, odd);
            even = fma(vec4(g7.x), p7, even);
            odd = fma(vec4(g7.y), p7, odd);
            d_v_even[d] = even;
            d_v_odd[d] = odd;
        }
    }

    let to = (first_row + own) * stride + part + head;
    for (var d = 0u; d < head2; d++) {
        let even_k = d_k_even[d] * params.scale;
        let odd_k = d_k_odd[d] * params.scale;
        let even_v = d_v_even[d];
        let odd_v = d_v_odd[d];
        for (var r = 0u; r < count; r++) {
            d_qkv[to + r * stride + d] = vec2(even_k[r], odd_k[r]);
            d_qkv[to + part + r * stride + d] = vec2(even_v[r], odd_v[r]);
        }
    }
}
