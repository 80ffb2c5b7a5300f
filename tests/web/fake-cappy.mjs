/**
 * A FAKE of the package, for tests of the page only: no model, no GPU. It stands in where states have
 * to be provoked that a real run cannot give on demand (errors, slow downloads, full storage). It is
 * never shipped. Scores are read from the candidates' own text: "[0.75] some text" scores 0.75.
 *
 * The page's query decides what happens:
 *   fail=CODE     loading fails with this code; with at=rank it is ranking, with at=probe looking up, with at=adapt teaching,
 *                 with at=decide deciding, with at=explain explaining
 *   times=N       it fails so many times, then works (always, unless given)
 *   step=MS       how long a twentieth of a phase of loading takes (default 1)
 *   stay=N        the first N loads wait in their middle, until the caller stops them or the test calls fakeLoadsGoOn()
 *   pace=MS       how long a candidate takes (default 1)
 *   hold=N        after so many texts of a call no more come, until the caller stops it or the test calls fakeScoresGoOn()
 *   quota=BYTES   the storage that is free
 *   lesson=MS     how long a step of learning takes (default 1)
 *   rest=N        after so many steps of learning no more come, until the caller stops it or the test calls fakeLessonsGoOn()
 *   labels=A,B    the model's labels, for deciding (default: score)
 *
 * What it learns: marked texts score 1 or 0. How decisions become pairs, and scores answers, and what units are left out is
 * the package's own code, which tests that decide or explain serve beside this file.
 */

const query = new URLSearchParams(location.search);
const step = Number(query.get("step") ?? 1);
const pace = Number(query.get("pace") ?? 1);
let failures = Number(query.get("times") ?? Infinity);
const lesson = Number(query.get("lesson") ?? 1);
const kept = new Map([["someone/kept-model", { bytes: 250e6, complete: true }]]);

export class CappyError extends Error {
  name = "CappyError";
  constructor(code, atFault, what) {
    super(`${atFault}: ${what}`);
    this.code = code;
    this.atFault = atFault;
  }
}

const part = (name) => import(new URL(`${name}.js`, import.meta.url).href);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A promise that the test fulfils by calling the global function of this name, before or after something waits for it. */
const called = (name) =>
  new Promise((resolve) => {
    globalThis[name] = () => resolve(undefined);
  });
const [loadsGoOn, scoresGoOn, lessonsGoOn] = ["fakeLoadsGoOn", "fakeScoresGoOn", "fakeLessonsGoOn"].map(called);
let staying = Number(query.get("stay") ?? 0);

/** Waits until the caller stops the work, or the test lets it go on. */
const held = (signal, goesOn) =>
  new Promise((resolve) => {
    if (signal?.aborted) resolve(undefined);
    signal?.addEventListener("abort", resolve, { once: true });
    void goesOn.then(resolve);
  });

function check(signal) {
  if (signal?.aborted) throw new CappyError("aborted", "the fake", "the caller stopped the work");
}

function failHere(place) {
  if (query.get("fail") === null || (query.get("at") ?? "load") !== place || failures < 1) return;
  failures -= 1;
  throw new CappyError(query.get("fail"), "the fake", `fails on request while it is to ${place}`);
}

export class Scorer {
  #model;
  #software;
  #weights;
  #disposed = false;
  #adapted;

  /** @param {any} source @param {any} [options] */
  static async load(source, { signal, onProgress, cache, headers, dtype = "auto" } = {}) {
    globalThis.fakeLoads = [...(globalThis.fakeLoads ?? []), { source: describe(source), cache, headers, dtype }];
    const own = source === undefined;
    const phases = own || typeof source === "string" ? ["download", "load"] : ["load"];
    const total = own ? OWN : 1_420_000_000;
    staying -= 1;
    const stays = staying >= 0;
    for (const phase of phases) {
      for (let part = 0; part <= 20; part += 1) {
        if (part === 10 && stays) await held(signal, loadsGoOn);
        check(signal);
        onProgress?.({ phase, model: describe(source), file: "model.safetensors", bytes: (total * part) / 20, total });
        await pause(step);
        if (part === 10) failHere("load");
      }
    }
    if (typeof source === "string" && cache !== false) kept.set(source, { bytes: total, complete: true });
    const stored = own ? "q4" : "f16";
    return new Scorer(describe(source), own, dtype === "q8" || dtype === "q4" ? dtype : stored);
  }

  constructor(model, software, weights) {
    this.#model = model;
    this.#software = software;
    this.#weights = weights;
  }

  /** @param {string} instruction @param {any[]} candidates @param {any} [options] */
  async *stream(instruction, candidates, { signal } = {}) {
    for (const [index, candidate] of candidates.entries()) {
      await pause(pace);
      if (index === Number(query.get("hold") ?? -1)) await held(signal, scoresGoOn);
      check(signal);
      if (this.#disposed) throw new CappyError("disposed", "the fake", "was disposed of");
      if (index === 1) failHere("rank");
      const text = typeof candidate === "string" ? candidate : candidate.text;
      const learned = this.#adapted?.labels[text];
      const score = learned ?? Number(/^\[(-?[\d.]+)\]/.exec(text)?.[1] ?? text.length / 1000);
      yield { index, score, text, candidate, tokens: 4 + text.length, truncated: Math.max(0, text.length - 2000) };
    }
  }

  async settled() {
    return this.info();
  }

  async rank(instruction, candidates, options) {
    globalThis.fakeRanked = (globalThis.fakeRanked ?? 0) + 1;
    const all = await Array.fromAsync(this.stream(instruction, candidates, options));
    return all.sort((a, b) => b.score - a.score);
  }

  async decide(decision, options = {}) {
    const [{ decide }, { defaultRendering }] = await Promise.all([part("decide/decide"), part("decide/rendering")]);
    failHere("decide");
    const labels = (query.get("labels") ?? "score").split(",");
    const score = this.#pairs.bind(this);
    return decide({ labels, rendering: async () => defaultRendering(1, true), score }, decision, options);
  }

  async explain(instruction, response, options = {}) {
    const { explain } = await part("explain/explain");
    globalThis.fakeExplained = (globalThis.fakeExplained ?? 0) + 1;
    failHere("explain");
    return explain(this.#pairs.bind(this), instruction, response, options);
  }

  async *#pairs(instructions, texts, { signal, onProgress }) {
    let done = 0;
    for await (const { score, truncated } of this.stream("", texts, { signal })) {
      const cut = Math.max(truncated, instructions[done].length - 2000);
      done += 1;
      onProgress?.({ done, total: texts.length });
      yield [{ logits: [score, score], tokens: 1, truncated: cut }];
    }
  }

  async adapt(lessons, { keep, depth, size, batch, signal, onPlan, onProgress }) {
    globalThis.fakeLessons = { lessons, depth };
    const labels = {};
    for (const { response, label, chosen = [], rejected = [] } of lessons) {
      if (response !== undefined) labels[response] = label;
      for (const text of chosen) labels[text] = 1;
      for (const text of rejected) labels[text] = 0;
    }
    const plan = { steps: size / batch, examples: size, heldOut: 0, gpuBytes: 1e6, batchTokens: 512, recompute: false };
    onPlan?.(plan);
    const steps = [];
    for (let step = 1; step <= plan.steps; step += 1) {
      await pause(lesson);
      if (step === Number(query.get("rest") ?? -1) + 1) await held(signal, lessonsGoOn);
      check(signal);
      if (step === 10) failHere("adapt");
      steps.push({ step, loss: 0.5 / step, norm: 1, learningRate: 1e-3, heldOut: null });
      onProgress?.({ ...steps.at(-1), steps: plan.steps });
    }
    const adapted = {
      name: keep ?? `${depth}, ${plan.steps} steps`,
      model: this.#model,
      depth,
      plan,
      files: [],
      labels,
      history: { heldOutBefore: null, steps, best: null, stoppedEarly: false },
    };
    if (keep) localStorage.setItem(`fake ${keep}`, JSON.stringify(adapted));
    return adapted;
  }

  async apply(adaptation) {
    await pause(step);
    this.#adapted =
      typeof adaptation === "string" ? JSON.parse(localStorage.getItem(`fake ${adaptation}`)) : adaptation;
  }

  info() {
    return {
      adaptation: this.#adapted?.name ?? "",
      model: this.#model,
      format: "safetensors",
      parameters: this.#software ? 22_300_000 : 355_000_000,
      fileBytes: this.#software ? OWN : 1_420_000_000,
      gpuBytes: 711_000_000,
      maxTokens: 512,
      labels: ["score"],
      output: "a score",
      dtype: this.#software ? "f32" : "f16",
      weights: this.#weights,
      batchTokens: 4096,
      kernels: "lanes",
      tuningSeconds: 0,
      worker: true,
      losses: 0,
      note: this.#software ? "the adapter has no shader-f16" : "",
      adapter: {
        vendor: "fake",
        architecture: "paper",
        description: "A fake adapter",
        software: this.#software,
        f16: !this.#software,
        subgroupSize: 0,
        subgroupMaxSize: 0,
        subgroupSizeControl: false,
        maxBindingBytes: 134_217_728,
      },
    };
  }

  dispose() {
    this.#disposed = true;
    globalThis.fakeDisposed = (globalThis.fakeDisposed ?? 0) + 1;
  }
}

export async function probe(source) {
  await pause(step);
  failHere("probe");
  const bytes = 1_420_000_000;
  const download = kept.has(source) ? 0 : bytes;
  const quota = query.has("quota") ? Number(query.get("quota")) : 20e9;
  const gpuBytesAs = { f16: 711_000_000, q8: 375_000_000, q4: 215_000_000 };
  return {
    model: source,
    bytes,
    download,
    gpuBytes: gpuBytesAs.f16,
    gpuBytesAs,
    weights: "pytorch_model.bin",
    quota,
  };
}

export async function keptModels() {
  return Array.from(kept, ([model, rest]) => ({ model, ...rest }));
}

export async function deleteAdaptation(name) {
  localStorage.removeItem(`fake ${name}`);
}

export async function deleteKept(model) {
  kept.delete(model);
}

/** The bytes of the package's own model. */
const OWN = 12_300_000;

function describe(source) {
  if (source === undefined) return "cappy-small";
  return typeof source === "string" ? source : Array.from(source, ({ name }) => name).join(", ");
}
