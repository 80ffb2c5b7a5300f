import { Scorer } from "cappy-web";
import { create, globals } from "webgpu";

// Node has no WebGPU of its own; this package brings Chrome's.
Object.assign(globalThis, globals);
/** @type {any} */ (globalThis).navigator ??= {};
/** @type {any} */ (navigator).gpu = create([]);

const scorer = await Scorer.load();
const candidates = ["I like turtles.", "The capital of France is Berlin.", "The capital of France is Paris."];
for (const { score, text } of await scorer.rank("What is the capital of France?", candidates)) {
  console.log(`${score.toFixed(3).padStart(6)}  ${text}`);
}
scorer.dispose();
