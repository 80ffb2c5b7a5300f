// npm run bench:peers. See README.md beside this file.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { serve } from "../../tests/web/hosts.mjs";
import { bestOfTheirs, contest, isOurs, Referee, say } from "./contest.mjs";
import { cpuContestants } from "./cpu.mjs";
import { downloads } from "./downloads.mjs";
import { hosts, noShaderCache, wasmHosts } from "./hosts.mjs";
import { machine } from "./machine.mjs";
import { otherWork } from "./quiet.mjs";
import { markdown } from "./report.mjs";
import { plot } from "./plot.mjs";

const HELP = `npm run bench:peers -- [OPTION...]

  --hosts LIST      of dawn, firefox, chromium, cpu (all four), and without a GPU, in WebAssembly:
                    wasm-node, wasm-firefox, wasm-chromium
  --shapes LIST     of mini, base, large, ettin-17m, ettin-68m (all)
  --workloads LIST  of W1, W2, W3, W4, W5, S2, S4, S8 (all; S for the plot, and at the mini shape alone;
                    W5, pairs of 1,000 tokens, with Ettin's shapes)
  --dtypes LIST     of f16, q8, q4: how our weights are held, a row each (all)
  --ours            leave out the others, to compare ours among themselves
  --scaling         instead: our time per token at 16 to 1,024 candidates, mini, dawn and firefox
  --rounds N        calls of each, in turn (5; 3 where a call takes longer than 20 s)
  --longest S       leave out what would take longer than this a call (300 s)
  --no-first        leave out first runs
  --lead N          who of the others go on: those that take up to N times as long as their best (1 or 1.5 by shape)
  --cappy FILE      our command line, for cpu (target/release/cappy)
  --python FILE     a Python that has torch, for cpu (python3)
  --out FILE.json   all samples; a table .md and a plot .svg lie beside it (target/peers/results.json)
`;

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const CPU = "CPU, each in a process of its own";
const WASM_TITLES = {
  "wasm-node": "Node, WebAssembly",
  "wasm-firefox": "Firefox, WebAssembly",
  "wasm-chromium": "Chromium, WebAssembly",
};
const MODELS = join(ROOT, "target/peers");
/** Both of onnxruntime-web's WebGPU backends: `webgpu` is the new one, `jsep` the one before. */
const BACKENDS = { webgpu: "ort.webgpu.min.mjs", jsep: "ort.all.min.mjs" };
const GRAPHS = ["plain", "fused"];
/** Where nobody has a GPU, theirs by threads. A page that is not isolated gives one. */
const THEIRS_IN_WASM = {
  "wasm-node": [
    ["q8", 1],
    ["q8", 2],
    ["fp32", 1],
  ],
  others: [
    ["q8", 1],
    ["fp32", 1],
  ],
};
const LEAD_IN_WASM = 1.5;
/** How much slower than their best the others may be and still go on; at base only the best does. */
const LEAD = { mini: 1.5, base: 1, large: 1, "ettin-17m": 1.5, "ettin-68m": 1 };
/** Whose tokenizer made the ids of a shape's texts. */
const familyOf = (shape) => (shape.startsWith("ettin") ? "modernbert" : "roberta");

const { values: options } = parseArgs({
  options: {
    hosts: { type: "string" },
    shapes: { type: "string" },
    workloads: { type: "string" },
    dtypes: { type: "string", default: "f16,q8,q4" },
    ours: { type: "boolean" },
    scaling: { type: "boolean" },
    rounds: { type: "string", default: "5" },
    longest: { type: "string", default: "300" },
    lead: { type: "string" },
    "no-first": { type: "boolean" },
    help: { type: "boolean" },
    out: { type: "string", default: join(MODELS, "results.json") },
    cappy: { type: "string", default: join(ROOT, process.env.CARGO_TARGET_DIR ?? "target", "release/cappy") },
    python: { type: "string", default: "python3" },
  },
});
if (options.help) {
  process.stdout.write(HELP);
  process.exit();
}
const list = (given, usual) => given?.split(",") ?? usual;
const hostNames = list(options.hosts, options.scaling ? ["dawn", "firefox"] : [...Object.keys(hosts), "cpu"]);
const shapes = list(options.shapes, options.scaling ? ["mini"] : Object.keys(LEAD));
const dtypes = options.scaling ? ["f16"] : options.dtypes.split(",");
const rounds = Number(options.rounds);
const longest = Number(options.longest);

if (!existsSync(join(ROOT, "dist/index.js"))) throw new Error("dist/ is missing: run scripts/build-web");
const workloadsFile = (shape) => `workloads-${familyOf(shape)}.json`;
const missing = shapes.map(workloadsFile).find((file) => !existsSync(join(MODELS, file)));
if (missing) throw new Error(`target/peers/${missing} is missing: run bench/peers/make_models.py`);
/** Each shape's workloads. */
const sizes = Object.fromEntries(
  shapes.map((shape) => [shape, JSON.parse(readFileSync(join(MODELS, workloadsFile(shape)), "utf8"))]),
);
const scaling = Object.keys(sizes[shapes[0]]).filter((name) => /^(mixed|equal)/.test(name));

const site = await serve(ROOT);
const busyCores = await otherWork();
if (busyCores > 0.2)
  say(`other work keeps ${busyCores.toFixed(1)} cores busy: times will be too long, and unevenly so`);
const results = {
  ...machine(ROOT),
  busyCores,
  mode: options.scaling ? "scaling" : "peers",
  downloads: downloads(ROOT),
  hosts: {},
};

/** After every piece, so that what was measured is not lost when something fails. */
function save() {
  mkdirSync(dirname(options.out), { recursive: true });
  const base = options.out.replace(/\.json$/, "");
  writeFileSync(`${base}.json`, `${JSON.stringify(results, null, 1)}\n`);
  writeFileSync(`${base}.md`, markdown(results));
  if (!options.scaling) writeFileSync(`${base}.svg`, plot(results));
}

/** What a shape is measured at. */
function workloadsOf(shape) {
  const usual = {
    mini: ["W2", "W4", "S2", "S4", "S8", "W1", "W3"],
    base: ["W2", "W4", "W1", "W3"],
    large: ["W2", "W4"],
    "ettin-17m": ["W2", "W4", "W1", "W3", "W5"],
    "ettin-68m": ["W2", "W4", "W1", "W3", "W5"],
  }[shape];
  return options.workloads ? usual.filter((name) => options.workloads.split(",").includes(name)) : usual;
}

/** Ours by how weights are held, each from files of its own. */
function oursAt(shape) {
  return dtypes.map((dtype) => {
    const folder = dtype === "f16" ? "model" : `model-${dtype}`;
    if (!existsSync(join(MODELS, shape, folder)))
      throw new Error(`target/peers/${shape}/${folder} is missing: run bench/peers/make_models.py`);
    return {
      name: dtype === "f16" ? "ours" : `ours, ${dtype}`,
      kind: "ours",
      dtype,
      precision: dtype === "f16" ? "ours" : `ours ${dtype}`,
      model: `${site.url}/target/peers/${shape}/${folder}`,
    };
  });
}

/** Ours and theirs in a host with a GPU. */
function contestantsOf(host, shape, f16) {
  const precision = f16 ? "fp16" : "fp32";
  const ours = oursAt(shape).map((entry) => ({ ...entry, module: host.module("dist/index.js") }));
  const theirs = Object.entries(BACKENDS).flatMap(([backend, file]) =>
    GRAPHS.map((graph) => ({
      name: `onnxruntime-web ${backend}, ${graph}`,
      kind: "theirs",
      precision,
      provider: "webgpu",
      module: host.module(`node_modules/onnxruntime-web/dist/${file}`),
      model: `${site.url}/target/peers/${shape}/${graph}-${precision}.onnx`,
    })),
  );
  return [...ours, ...(options.scaling || options.ours ? [] : theirs)].map((contestant) => ({
    ...contestant,
    call: host.call,
  }));
}

/** Ours and theirs in a host without a GPU. */
function wasmContestantsOf(hostName, host, shape) {
  const folder = `${site.url}/target/peers/${shape}`;
  // Without the option it would compute with 16-bit integers, whatever was rounded before.
  const ours = oursAt(shape).flatMap((entry) =>
    [...new Set([cpus().length, 1])].map((threads) => ({
      ...entry,
      name: `${entry.name}, ${threads} worker${threads > 1 ? "s" : ""}`,
      device: "cpu",
      module: host.module("dist/index.js"),
      options: { cache: false, device: "cpu", threads, dtype: entry.dtype === "f16" ? "auto" : entry.dtype },
    })),
  );
  const theirs = (THEIRS_IN_WASM[hostName] ?? THEIRS_IN_WASM.others).map(([precision, threads]) => ({
    name: `onnxruntime-web wasm ${precision}, ${threads} thread${threads > 1 ? "s" : ""}`,
    kind: "theirs",
    precision,
    threads,
    provider: "wasm",
    module: host.module(`node_modules/onnxruntime-web/dist/ort.${host.inNode ? "node" : "wasm"}.min.mjs`),
    model: `${folder}/plain-${precision}.onnx`,
  }));
  return [...ours, ...(options.ours ? [] : theirs)].map((contestant) => ({
    ...contestant,
    call: host.call(contestant.threads),
  }));
}

const prepare = (call, shape) => call("prepare", { address: `${site.url}/target/peers/${workloadsFile(shape)}` });
const sizeOf = (shape, workload) => {
  const { pairs, realTokens, paddedTokens } = sizes[shape][workload];
  return { pairs, realTokens, paddedTokens };
};
function refereeOf(shape) {
  const read = (name) => JSON.parse(readFileSync(join(MODELS, shape, name), "utf8"));
  const rounded = dtypes.filter((dtype) => dtype !== "f16").map((dtype) => [dtype, read(`expected-${dtype}.json`)]);
  return new Referee(shape, read("expected.json"), Object.fromEntries(rounded));
}

/** `call` is no plain data and stays here. */
const enter = ({ call, ...contestant }) => call("enter", contestant);

/** Which of theirs was best in a host, at the largest shape so far. */
const theirBest = {};

async function measureOnGpu(name, shape, into) {
  const { open } = hosts[name];
  const host = await open(site);
  let contestants;
  try {
    const adapter = (results.hosts[name].adapter = await host.call("adapter"));
    contestants = contestantsOf(host, shape, adapter.f16);
    // One of theirs takes 3 GB there, so it has to be the one that was best before.
    if (shape === "large") {
      const best = theirBest[name] ?? "onnxruntime-web webgpu, plain";
      contestants = contestants.filter(({ name }) => isOurs(name) || name === best);
    }
    await prepare(host.call, shape);
    for (const contestant of contestants) {
      // By itself ours would take the CPU where that is faster, and these rows are about the adapter.
      const options = contestant.kind === "ours" ? { cache: false, device: "gpu" } : undefined;
      into.contestants[contestant.name] = (await enter({ ...contestant, options })).info;
    }
    const referee = refereeOf(shape);
    if (options.scaling) {
      const runs = await referee.interleave(contestants, scaling, rounds);
      for (const workload of scaling) into.cases[workload] = { ...sizeOf(shape, workload), runs: runs[workload] };
      return;
    }
    const limits = { rounds, longest, lead: Number(options.lead ?? LEAD[shape]) };
    contestants = await contest(referee, contestants, workloadsOf(shape), sizes[shape], limits, (workload, result) => {
      into.cases[workload] = result;
      if (result.runs) theirBest[name] = bestOfTheirs(result.runs)?.[0];
      save();
    });
  } finally {
    await host.close();
  }
  if (options["no-first"]) return;
  for (const contestant of contestants.flatMap(firstOf)) {
    into.first[contestant.name] = await firstRun(open, contestant, refereeOf(shape));
    save();
  }
}

/** How a contestant is loaded on a first visit: ours as it is by default, and so that it waits for the GPU. */
function firstOf(contestant) {
  if (contestant.kind !== "ours") return [contestant];
  const waiting = { ...contestant, name: `${contestant.name}, on the GPU`, options: { device: "gpu" } };
  return [{ ...contestant, device: "cpu" }, waiting];
}

/** Somebody's first visit: a fresh process or profile, no shader cache, options as they are by default. */
async function firstRun(open, contestant, referee) {
  const host = await open(site, noShaderCache);
  try {
    await prepare(host.call, referee.shape);
    const here = { ...contestant, call: host.call };
    const load = (await enter(here)).seconds;
    const score = (await referee.run(here, "W2", 0)).seconds;
    const peakBytes = await host.memory?.();
    say(
      `${referee.shape} first run, ${contestant.name}: ${load.toFixed(2)} s to load, ${score.toFixed(2)} s to the first score`,
    );
    return { load, score, total: load + score, peakBytes };
  } finally {
    await host.close();
  }
}

/** Without a GPU, in one page, or a process for each number of threads: theirs keeps the first it is told. */
async function measureInWasm(name, shape, into) {
  const host = await wasmHosts[name](site);
  try {
    const contestants = wasmContestantsOf(name, host, shape);
    for (const contestant of contestants) {
      await prepare(contestant.call, shape);
      into.contestants[contestant.name] = (await enter(contestant)).info;
    }
    await contest(
      refereeOf(shape),
      contestants,
      workloadsOf(shape),
      sizes[shape],
      { rounds, longest, lead: LEAD_IN_WASM },
      (workload, result) => {
        into.cases[workload] = result;
        save();
      },
    );
  } finally {
    await host.close();
  }
}

/** Ours natively beside what runs on a CPU, each in a process of its own. */
async function measureOnCpu(shape, into) {
  const contestants = await cpuContestants({ root: ROOT, site, shape, ...options, dtypes, oursAlone: options.ours });
  try {
    for (const contestant of contestants) {
      await prepare(contestant.call, shape);
      const { seconds, info } = await enter(contestant);
      into.contestants[contestant.name] = info ?? {};
      say(`${shape} ${contestant.name}: loaded in ${seconds.toFixed(2)} s`);
    }
    const limits = { rounds, longest, lead: Infinity };
    await contest(refereeOf(shape), contestants, workloadsOf(shape), sizes[shape], limits, (workload, result) => {
      into.cases[workload] = result;
      save();
    });
    for (const { name, call } of contestants) into.contestants[name].peakBytes = await call("memory");
  } finally {
    for (const { close } of contestants) await close();
  }
}

try {
  for (const name of hostNames) {
    const { title } = (results.hosts[name] = { title: hosts[name]?.title ?? WASM_TITLES[name] ?? CPU, shapes: {} });
    for (const shape of shapes) {
      say(`${title}, ${shape}`);
      /** @type {any} */
      const into = (results.hosts[name].shapes[shape] = { contestants: {}, cases: {}, first: {} });
      try {
        if (name === "cpu") await measureOnCpu(shape, into);
        else if (name in wasmHosts) await measureInWasm(name, shape, into);
        else await measureOnGpu(name, shape, into);
      } catch (error) {
        // What others did or will do still counts.
        into.failed = String(error.message ?? error).split("\n")[0];
        say(`${title}, ${shape} failed: ${error.stack ?? error}`);
        process.exitCode = 1;
      }
      save();
    }
  }
  process.stdout.write(markdown(results));
} finally {
  await site.close();
}
