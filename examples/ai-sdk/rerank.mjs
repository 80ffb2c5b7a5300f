import { rerank } from "ai";
import { Scorer } from "cappy-web";
import { cappyReranker } from "cappy-web/ai-sdk";
import { create, globals } from "webgpu";

// Node has no WebGPU of its own; this package brings Chrome's.
Object.assign(globalThis, globals);
/** @type {any} */ (globalThis).navigator ??= {};
/** @type {any} */ (navigator).gpu = create([]);

const scorer = await Scorer.load();
const { ranking } = await rerank({
  model: cappyReranker(scorer),
  query: "How do I boil an egg for breakfast?",
  documents: [
    "The train leaves at noon.",
    "Put the egg into boiling water and wait about eight minutes.",
    "My favourite colour is purple.",
  ],
  topN: 2,
});
for (const { score, document } of ranking) {
  console.log(`${score.toFixed(3).padStart(6)}  ${document}`);
}
scorer.dispose();
