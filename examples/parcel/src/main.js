// Parcel takes the model's JSON files for scripts and loses a part of the package's worker. An address
// that it cannot follow makes it leave the package as it is, beside the app.
const address = new URL("cappy-web/index.js", document.baseURI).href;
/** @type {typeof import("cappy-web")} */
const { Scorer } = await import(address);

const scorer = await Scorer.load();
const candidates = ["I like turtles.", "The capital of France is Berlin.", "The capital of France is Paris."];
const ranked = await scorer.rank("What is the capital of France?", candidates);

const list = document.querySelector("ol");
for (const { score, text } of ranked) {
  const item = document.createElement("li");
  item.textContent = `${text} (${score.toFixed(3)})`;
  list.append(item);
}
