// What runs without a browser: ours natively, onnxruntime-web in WebAssembly, PyTorch. Each has a
// process of its own and waits in it while another one is measured.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

import { say } from "./contest.mjs";
import { openPlainNode, openProgram } from "./hosts.mjs";
import { lavapipe } from "../../tests/web/hosts.mjs";

const THREADS = 2;

/** All that can run here; what cannot is named on standard error. */
export async function cpuContestants({ root, site, shape, dtypes, cappy, python, oursAlone }) {
  const folder = join(root, "target/peers", shape);
  const contestants = [];
  if (existsSync(cappy))
    contestants.push(
      ...["gpu", "cpu"].flatMap((device) => dtypes.map((dtype) => native(cappy, folder, device, dtype))),
    );
  else say(`no ${cappy}: ours natively is left out; cargo build --release makes it`);
  if (oursAlone) return contestants;
  for (const precision of ["fp32", "q8"]) contestants.push(wasm(site, shape, precision));
  if (hasTorch(python)) {
    for (const precision of ["fp32", "bf16"]) contestants.push(torch(python, folder, precision));
  } else {
    say(`${python} has no torch: PyTorch is left out`);
  }
  return contestants;
}

/** The command line: a line of JSON in, a line of JSON out. */
function native(cappy, folder, device, dtype) {
  const rounded = dtype !== "f16";
  const model = join(folder, rounded ? `model-${dtype}` : "model");
  let workloads;
  let program;
  const methods = {
    prepare: async ({ address }) => {
      workloads = await (await fetch(address)).json();
    },
    async enter() {
      const begin = performance.now();
      program = openProgram(
        cappy,
        ["score", "--model", model, "--device", device, "--dtype", rounded ? dtype : "auto"],
        {
          env: lavapipe(),
          read: (line) => ({ result: JSON.parse(line) }),
        },
      );
      // It has no other sign that the model is loaded.
      await methods.run({ workload: "W2", variant: 0 });
      return { seconds: (performance.now() - begin) / 1000 };
    },
    async run({ workload, variant }) {
      const { variants } = workloads[workload];
      const { instruction, candidates } = variants[variant % variants.length];
      const line = JSON.stringify({ instruction, responses: candidates });
      const begin = performance.now();
      const { scores } = await program.send(line);
      return { seconds: (performance.now() - begin) / 1000, scores };
    },
    memory: async () => program.peakBytes(),
  };
  return {
    name: `ours${rounded ? `, ${dtype}` : ""}, native ${device === "gpu" ? "on lavapipe" : "without a GPU"}`,
    dtype,
    device,
    precision: rounded ? `ours ${dtype}` : "ours",
    call: (method, argument) => methods[method](argument),
    close: () => program?.close(),
  };
}

function wasm(site, shape, precision) {
  const host = openPlainNode();
  return {
    name: `onnxruntime-web wasm ${precision}, ${THREADS} threads`,
    kind: "theirs",
    precision,
    provider: "wasm",
    threads: THREADS,
    module: host.module("node_modules/onnxruntime-web/dist/ort.node.min.mjs"),
    model: `${site.url}/target/peers/${shape}/plain-${precision}.onnx`,
    call: (method, argument) => (method === "memory" ? host.memory() : host.call(method, argument)),
    close: host.close,
  };
}

function torch(python, folder, precision) {
  const script = new URL("torch_cpu.py", import.meta.url).pathname;
  const program = openProgram(python, [script, folder, precision, String(THREADS)]);
  return {
    name: `PyTorch ${precision}, ${THREADS} threads`,
    precision,
    call: (method, argument) =>
      method === "memory" ? program.peakBytes() : program.send(JSON.stringify({ method, argument })),
    close: program.close,
  };
}

function hasTorch(python) {
  try {
    execFileSync(python, ["-c", "import torch, transformers"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
