// This is put before the kernels for GPUs. q and k of a tile of keys go through workgroup memory, some of
// their depth at a time. WORKGROUP_SIZE is each kernel's own.

const KEYS: u32 = 32u;           // keys of a tile
const DEPTH: u32 = 8u;           // groups of four of k in workgroup memory at a time
const KEY_ROW: u32 = KEYS + 1u;  // one more than needed, or the writes to k would collide in banks
const QUERY_ROW: u32 = QUERIES + 1u;

@group(0) @binding(2) var<storage, read> qkv: array<elem4>;        // [tokens, q heads | k heads | v heads]
@group(0) @binding(3) var<storage, read_write> out: array<elem4>;  // [rows, heads]

var<workgroup> q: array<vec4<f32>, COLUMNS * QUERY_ROW>;  // [depth % COLUMNS, QUERIES], scaled
var<workgroup> k: array<vec4<f32>, DEPTH * KEY_ROW>;      // [DEPTH, KEYS]

// Brings DEPTH groups of four of a head's keys from `tile` on, beginning at `depth`, and of its queries where these
// are not there yet. Eight invocations read 64 bytes side by side. Past the head's end they read what lies there,
// which is not used.
fn bring(task: Task, head: u32, tile: u32, depth: u32, lane: u32, with_queries: bool) {
    let d = lane % DEPTH;
    let q_column = head * params.head4 + depth + d;
    let k_column = q_column + params.heads * params.head4;
    if with_queries {
        for (var i = lane / DEPTH; i < QUERIES; i += WORKGROUP_SIZE / DEPTH) {
            // Queries past the end repeat the last one and are not stored.
            let query = task.first_token + task.first_query + min(i, task.queries - 1u);
            let value = load4(qkv[query * params.qkv_stride4 + q_column]) * params.scale;
            q[(depth + d) % COLUMNS * QUERY_ROW + i] = value;
        }
    }
    for (var i = lane / DEPTH; i < KEYS; i += WORKGROUP_SIZE / DEPTH) {
        let key = task.first_token + min(tile + i, task.tokens - 1u);
        k[d * KEY_ROW + i] = load4(qkv[key * params.qkv_stride4 + k_column]);
    }
}

// Stores four columns of a query, if there is one.
fn store(exists: bool, to: u32, value: vec4<f32>) {
    if exists {
        out[to] = store4(value);
    }
}
