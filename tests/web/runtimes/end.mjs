// A program of Node that ends a thread of the package while it works for the GPU: `node end.mjs WAY MILLISECONDS`.
import { Scorer } from "../../../dist/index.js";

const [way, wait] = process.argv.slice(2);
const [what, how] = way.split(" by ");
const stop = new AbortController();
const load = (signal) => Scorer.load(undefined, { cache: false, device: "gpu", batchTokens: 4096, signal });
const scorer = what === "load" ? undefined : await load();
// So many that they take seconds on any software adapter.
const texts = Array(256).fill("word ".repeat(1000));

const WAYS = {
  dispose: () => scorer.dispose(),
  abort: () => stop.abort(),
  exit: () => process.exit(3),
};

const work = {
  load: () => load(stop.signal),
  score: () => scorer.rank("Is it long?", texts, { signal: stop.signal }),
  adapt: () => {
    const lessons = texts.map((response, i) => ({ instruction: "Is it long?", response, label: i % 2 }));
    return scorer.adapt(lessons, { depth: "lora", signal: stop.signal });
  },
};
const done = work[what]().then(
  () => "it was done before",
  ({ code }) => code,
);
await new Promise((resolve) => setTimeout(resolve, Number(wait)));
console.log("ends");
WAYS[how]();
console.log(await done);
