// The two who are measured, ours and onnxruntime-web, in whatever host imports this file: a page or
// Node. The referee (contest.mjs) calls in with plain data, one timed call at a time.

const PAD = 1;
const entered = new Map();
let workloads;

/** Texts and ids, sent once. */
export async function prepare({ address }) {
  workloads = await (await fetch(address)).json();
  for (const workload of Object.values(workloads)) {
    for (const variant of workload.variants) variant.batch = batchOf(variant.ids);
  }
}

/**
 * Enters a contestant: begins with its files on a local server, ends when it can be run.
 * @param {any} contestant
 */
export async function enter({ name, kind, ...how }) {
  const begin = performance.now();
  entered.set(name, kind === "ours" ? await ours(how) : await theirs(how));
  return { seconds: (performance.now() - begin) / 1000, info: entered.get(name).info };
}

/** One call: all pairs of a workload. Making tensors of ids and turning texts to ids both count. */
export async function run({ name, workload, variant }) {
  const { variants } = workloads[workload];
  const begin = performance.now();
  const scores = await entered.get(name).score(variants[variant % variants.length]);
  return { seconds: (performance.now() - begin) / 1000, scores: [...scores] };
}

/** Frees what a contestant holds. */
export async function leave({ name }) {
  await entered.get(name)?.leave();
  entered.delete(name);
}

/** The adapter that both get. */
export async function adapter() {
  const found = await navigator.gpu.requestAdapter();
  const { vendor, architecture, device, description } = found.info;
  return { vendor, architecture, device, description, f16: found.features.has("shader-f16") };
}

async function ours({ module, model, options }) {
  const { Scorer } = await import(module);
  const scorer = await Scorer.load(model, options);
  return {
    info: scorer.info(),
    score: ({ instruction, candidates }) => scorer.score(instruction, candidates),
    leave: () => scorer.dispose(),
  };
}

async function theirs({ module, model, provider, threads, options }) {
  const ort = await import(module);
  ort.env.logLevel = "error";
  ort.env.wasm.numThreads = threads ?? 1;
  // From bytes, because onnxruntime-web reads no address under Node. In a page it does the same.
  const bytes = new Uint8Array(await (await fetch(model)).arrayBuffer());
  const session = await ort.InferenceSession.create(bytes, { executionProviders: [provider], ...options });
  return {
    info: { version: ort.env.versions.web, provider },
    async score({ batch: { shape, input_ids, attention_mask, position_ids } }) {
      const tensor = (data) => new ort.Tensor("int64", data, shape);
      const { logits } = await session.run({
        input_ids: tensor(input_ids),
        attention_mask: tensor(attention_mask),
        position_ids: tensor(position_ids),
      });
      return logits.data;
    },
    leave: () => session.release(),
  };
}

/** Rows padded to the longest, as their users do it. */
function batchOf(ids) {
  const longest = Math.max(...ids.map((row) => row.length));
  const fill = (of) =>
    BigInt64Array.from(ids.flatMap((row) => Array.from({ length: longest }, (_, i) => BigInt(of(row, i)))));
  return {
    shape: [ids.length, longest],
    input_ids: fill((row, i) => row[i] ?? PAD),
    attention_mask: fill((row, i) => (i < row.length ? 1 : 0)),
    position_ids: fill((row, i) => (i < row.length ? PAD + 1 + i : PAD)),
  };
}
