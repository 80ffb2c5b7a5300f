// The package outside of browsers: Node, and Deno and Bun from npm. Each scores as PyTorch does, by the
// GPU where it works there and by the CPU otherwise, and leaves the program's event loop and globals alone.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";

import { compare } from "./compare.mjs";
import { golden } from "./goldens.mjs";
import { lavapipe } from "./hosts.mjs";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const script = fileURLToPath(new URL("runtimes/score.mjs", import.meta.url));
const { bound, scores, source } = await golden("cappy-mini");
/** Any model would do for most of this, and cappy-mini is quick. */
const MINI = join(root, source.directory);
const expected = scores.filter((_, i) => i % 18 === 4);

/** A program that comes inside a package of npm, for this system; its install scripts, which would link it, do not run here. */
function fromNpm(name, packages, path) {
  const folder = dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));
  const found = packages.map((other) => join(folder, "..", other, path)).find((file) => existsSync(file));
  assert.ok(found, `${name}: no program for this system in ${packages.join(", ")}; run npm ci`);
  return found;
}

const { platform, arch } = process;
const RUNTIMES = {
  Node: { command: () => [process.execPath], device: "gpu" },
  Deno: {
    command: () => [
      fromNpm("deno", [`@deno/${platform}-${arch}-glibc`, `@deno/${platform}-${arch}`], "deno"),
      "run",
      "-A",
    ],
    device: "gpu",
  },
  Bun: { command: () => [fromNpm("bun", [`@oven/bun-${platform}-${arch}`], "bin/bun"), "run"], device: "gpu" },
};

for (const [name, { command, device }] of Object.entries(RUNTIMES)) {
  describe(name, () => {
    const score = async (source, options, busy = "", cwd = root) => {
      const [program, ...args] = command();
      const env = { ...process.env, ...lavapipe(), NO_COLOR: "1" };
      const { stdout } = await run(program, [...args, script, source, JSON.stringify(options), busy], {
        env,
        cwd,
        timeout: 240_000,
      });
      return JSON.parse(stdout.trim().split("\n").at(-1));
    };
    const assertRight = (got) => {
      assert.equal(got.code, undefined, got.message);
      compare(expected, got.logits, bound);
      assert.deepEqual(got.added, [], "globals that were not there before");
      assert.equal(got.gpu, false, "navigator.gpu was not there before");
    };

    for (const worker of [undefined, false]) {
      test(`the GPU computes where it works, with worker: ${worker}`, { timeout: 300_000 }, async (t) => {
        const got = await score(MINI, { device, worker });
        assertRight(got);
        assert.deepEqual([got.info.device, got.info.worker], [device, worker !== false]);
        t.diagnostic(`${got.info.adapter.description}, ${got.info.dtype}, ${got.info.kernels}`);
      });
    }

    test("without a source the package's own model scores, in a thread", { timeout: 300_000 }, async () => {
      const { code, message, info, logits } = await score("", { device });
      assert.equal(code, undefined, message);
      assert.deepEqual([info.model, info.device, info.worker], ["cappy-small", device, true]);
      assert.ok(logits.flat().every(Number.isFinite), `${logits}`);
    });

    test("the faster device computes by default, without a message on the console", { timeout: 300_000 }, async (t) => {
      const got = await score(MINI, {});
      assertRight(got);
      assert.deepEqual(got.warned, []);
      // Small as it is, the model begins on the CPU.
      assert.equal(got.first, "cpu");
      if (got.info.device === "cpu") assert.match(got.info.note, /was measured to be faster/);
      t.diagnostic(`${got.info.device}. ${got.info.note}`);
    });

    test("the CPU computes in a thread: timers go on, and the program ends by itself", {
      timeout: 900_000,
    }, async (t) => {
      // The machine may be busy with other things: one run of three whose timers go on proves that they can.
      const runs = [];
      const goesOn = ({ ticks, busy, longest }) => ticks > busy / 50 && longest < busy / 3;
      while (runs.length < 3 && !runs.some(goesOn)) {
        const got = await score(MINI, { device: "cpu" }, "busy");
        assertRight(got);
        assert.deepEqual([got.info.device, got.info.worker], ["cpu", true]);
        runs.push(got);
        t.diagnostic(
          `busy for ${got.busy.toFixed(0)} ms, ${got.ticks} timers ran, the longest wait was ${got.longest.toFixed(0)} ms`,
        );
      }
      // On this thread one batch alone would hold them up for longer.
      assert.ok(
        runs.some(goesOn),
        runs.map(({ ticks, busy, longest }) => `${ticks} in ${busy} ms, up to ${longest} ms`).join("; "),
      );
    });

    test("a path of the disk names a model's folder", { timeout: 300_000 }, async () => {
      for (const [path, cwd] of [
        ["./cappy-mini", dirname(MINI)],
        [MINI, root],
        [pathToFileURL(MINI).href, root],
        ["../cappy-mini/", MINI],
      ]) {
        assertRight(await score(path, { device: "cpu" }, "", cwd));
      }
      for (const missing of ["./nowhere", join(root, "nowhere"), "C:\\models\\m", "C:/models/m"]) {
        const got = await score(missing, { device: "cpu" });
        assert.deepEqual([got.name, got.code], ["CappyError", "not-found"], `${missing}: ${got.message}`);
        assert.match(got.message, /config\.json/);
      }
    });
  });
}

test("a program of Node that stands on the command line, and only waits for adapt, gets its result", {
  timeout: 300_000,
}, async () => {
  const program = `
    const { Scorer } = await import(${JSON.stringify(pathToFileURL(join(root, "dist/index.js")).href)});
    const scorer = await Scorer.load(${JSON.stringify(MINI)}, { device: "gpu" });
    const adapted = await scorer.adapt([{ instruction: "Greet me.", chosen: "Hello!", rejected: "What." }], { epochs: 1 });
    console.log(adapted.files.map(({ name }) => name).join(" "));
    scorer.dispose();`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", program], {
    env: { ...process.env, ...lavapipe() },
    cwd: root,
    timeout: 240_000,
  });
  assert.match(stdout, /adapter_model\.safetensors/);
});
