import { Scorer } from "./cappy-web/index.js";

const scorer = await Scorer.load();
const candidates = ["I like turtles.", "The capital of France is Berlin.", "The capital of France is Paris."];
const ranked = await scorer.rank("What is the capital of France?", candidates);
document
  .querySelector("ol")
  .append(
    ...ranked.map(({ score, text }) =>
      Object.assign(document.createElement("li"), { textContent: `${text} (${score.toFixed(3)})` }),
    ),
  );
