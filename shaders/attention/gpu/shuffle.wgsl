// For GPUs with subgroups of at least eight invocations. One workgroup does one head of one task, as in
// tiles.wgsl, and q and k go through workgroup memory as there. But eight neighbouring invocations
// share four queries, and whatever they have to tell each other, the highest scores and the weights of
// keys, they exchange within their subgroup. So each reads a third less for a multiply-add, and two of
// six barriers are gone.
enable subgroups;

const SMALLEST_SUBGROUP: u32 = SIDES;  // invocations

const WORKGROUP_SIZE: u32 = 32u;

const SIDES: u32 = 8u;  // invocations that share four queries

// What four queries put out in a group of four columns.
struct Sums {
    query0: vec4<f32>,
    query1: vec4<f32>,
    query2: vec4<f32>,
    query3: vec4<f32>,
}

fn products(q0: vec4<f32>, q1: vec4<f32>, q2: vec4<f32>, q3: vec4<f32>, key: vec4<f32>) -> vec4<f32> {
    return vec4(dot(q0, key), dot(q1, key), dot(q2, key), dot(q3, key));
}

fn weigh(weights: vec4<f32>, value: vec4<f32>, sums: Sums) -> Sums {
    return Sums(
        fma(vec4(weights.x), value, sums.query0),
        fma(vec4(weights.y), value, sums.query1),
        fma(vec4(weights.z), value, sums.query2),
        fma(vec4(weights.w), value, sums.query3),
    );
}

fn shrunk(sums: Sums, by: vec4<f32>) -> Sums {
    return Sums(sums.query0 * by.x, sums.query1 * by.y, sums.query2 * by.z, sums.query3 * by.w);
}

// The highest of the invocations that share queries.
fn highest_of(scores: vec4<f32>) -> vec4<f32> {
    var highest = max(scores, subgroupShuffleXor(scores, 1u));
    highest = max(highest, subgroupShuffleXor(highest, 2u));
    return max(highest, subgroupShuffleXor(highest, 4u));
}

// Their sum: the same bits in each, because a + b is b + a.
fn total_of(weights: vec4<f32>) -> vec4<f32> {
    var total = weights + subgroupShuffleXor(weights, 1u);
    total += subgroupShuffleXor(total, 2u);
    return total + subgroupShuffleXor(total, 4u);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_invocation_id) within: u32,
) {
    let task = tasks[params.first_task + group.x];
    let head4 = params.head4;
    let stride = params.qkv_stride4;
    let last_token = task.tokens - 1u;
    let q_column = group.y * head4;
    let v_column = (2u * params.heads + group.y) * head4;

    // Four queries, four keys of a tile and two groups of four columns are an invocation's own.
    let four = lane / SIDES;
    let side = lane % SIDES;
    let first_of_four = within / SIDES * SIDES;  // in its subgroup
    let near_column = group.z * COLUMNS + side;
    let far_column = near_column + SIDES;
    let from_near = v_column + min(near_column, head4 - 1u);
    let from_far = v_column + min(far_column, head4 - 1u);
    let has_far = group.z * COLUMNS + SIDES < head4;

    var highest = vec4(LOWEST);
    var total = vec4(0.0);  // over this invocation's own keys
    var scores = vec4(0.0); // the same
    var near = Sums();
    var far = Sums();

    let own_queries = min(vec4(4u * four) + vec4(0u, 1u, 2u, 3u), vec4(task.queries - 1u));
    let seen = seen_by(vec4(task.first_query) + own_queries, last_token);
    let first_tile = first_key(task) / KEYS * KEYS;
    let end = end_key(task);
    for (var tile = first_tile; tile < end; tile += KEYS) {
        var score0 = vec4(0.0);
        var score1 = vec4(0.0);
        var score2 = vec4(0.0);
        var score3 = vec4(0.0);
        for (var depth = 0u; depth < head4; depth += DEPTH) {
            bring(task, group.y, tile, depth, lane, tile == first_tile || head4 > COLUMNS);
            workgroupBarrier();

            let from_q = depth % COLUMNS * QUERY_ROW + 4u * four;
            for (var i = 0u; i < min(DEPTH, head4 - depth); i++) {
                let from_k = i * KEY_ROW + side;
                let at = from_q + i * QUERY_ROW;
                let q0 = q[at];
                let q1 = q[at + 1u];
                let q2 = q[at + 2u];
                let q3 = q[at + 3u];
                score0 += products(q0, q1, q2, q3, k[from_k]);
                score1 += products(q0, q1, q2, q3, k[from_k + SIDES]);
                score2 += products(q0, q1, q2, q3, k[from_k + 2u * SIDES]);
                score3 += products(q0, q1, q2, q3, k[from_k + 3u * SIDES]);
            }
            // The next k overwrites this one.
            workgroupBarrier();
        }

        scores += (score0 + score1) + (score2 + score3);
        score0 = where_seen(score0, tile + side, seen);
        score1 = where_seen(score1, tile + side + SIDES, seen);
        score2 = where_seen(score2, tile + side + 2u * SIDES, seen);
        score3 = where_seen(score3, tile + side + 3u * SIDES, seen);
        let higher = max(highest, highest_of(max(max(score0, score1), max(score2, score3))));
        let shrink = exp(highest - higher);
        highest = higher;
        let p0 = exp(score0 - higher);
        let p1 = exp(score1 - higher);
        let p2 = exp(score2 - higher);
        let p3 = exp(score3 - higher);
        total = fma(total, shrink, (p0 + p1) + (p2 + p3));
        near = shrunk(near, shrink);
        far = shrunk(far, shrink);

        // Keys past the end weigh zero, and those that lie a multiple of eight apart are one invocation's.
        for (var i = 0u; i < min(KEYS, task.tokens - tile); i++) {
            var own = p0;
            switch i / SIDES {
                case 1u: { own = p1; }
                case 2u: { own = p2; }
                case 3u: { own = p3; }
                default: {}
            }
            let weights = subgroupShuffle(own, first_of_four + i % SIDES);
            let row = (task.first_token + tile + i) * stride;
            near = weigh(weights, load4(qkv[row + from_near]), near);
            if has_far {
                far = weigh(weights, load4(qkv[row + from_far]), far);
            }
        }
    }

    total = total_of(sound(total, scores));
    let query = 4u * four;
    let to = (task.out_row + query) * params.out_stride4 + q_column;
    finish(query, task, to, near_column, near, total);
    finish(query, task, to, far_column, far, total);
}

// Stores a group of four columns of four queries.
fn finish(query: u32, task: Task, to: u32, column: u32, sums: Sums, total: vec4<f32>) {
    if column >= params.head4 {
        return;
    }
    let at = to + column;
    store(query < task.queries, at, sums.query0 / total.x);
    store(query + 1u < task.queries, at + params.out_stride4, sums.query1 / total.y);
    store(query + 2u < task.queries, at + 2u * params.out_stride4, sums.query2 / total.z);
    store(query + 3u < task.queries, at + 3u * params.out_stride4, sums.query3 / total.w);
}
