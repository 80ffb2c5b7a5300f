import { Scorer } from "cappy-web";

const scorer = await Scorer.load();
const candidates = ["I like turtles.", "The capital of France is Berlin.", "The capital of France is Paris."];
const ranked = await scorer.rank("What is the capital of France?", candidates);

const list = document.querySelector("ol");
for (const { score, text } of ranked) {
  const item = document.createElement("li");
  item.textContent = `${text} (${score.toFixed(3)})`;
  list.append(item);
}
