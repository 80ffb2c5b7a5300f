// Runs under Node, Deno and Bun: scores with the package and prints one line of JSON.
//   score.mjs SOURCE OPTIONS [leave]    leave: the scorer is not disposed of, and the program must end all the same
const before = Object.getOwnPropertyNames(globalThis).sort();
const [source, options, leave] = process.argv.slice(2);
const pairs = JSON.parse(await (await import("node:fs/promises")).readFile(new URL("../../golden/pairs.json", import.meta.url))).pairs;
const { Scorer } = await import("../../../dist/index.js");
globalThis.warned = [];
console.warn = (...texts) => warned.push(texts.join(" "));

const some = pairs.filter((_, i) => i % 18 === 4);
let result;
try {
  const scorer = await Scorer.load(source || undefined, JSON.parse(options));
  const logits = [];
  for (const { instruction, response } of some) logits.push([await scorer.score(instruction, response)]);
  // How often timers ran while the scorer was busy, and the longest that one had to wait.
  const gaps = [];
  let last = performance.now();
  const timer = setInterval(() => gaps.push(-last + (last = performance.now())), 5);
  const lots = Array.from({ length: 400 }, (_, i) => `${i} ${"dog ".repeat(60)}`);
  const began = performance.now();
  await scorer.rank("Which of these is an animal?", lots);
  const busy = performance.now() - began;
  clearInterval(timer);
  result = { info: scorer.info(), logits, busy, ticks: gaps.length, longest: Math.max(...gaps) };
  if (leave !== "leave") scorer.dispose();
} catch (error) {
  result = { code: error.code, message: error.message, name: error.name };
}
const added = Object.getOwnPropertyNames(globalThis).filter((name) => !before.includes(name) && name !== "warned");
const gpu = Boolean(globalThis.navigator && Object.hasOwn(globalThis.navigator, "gpu"));
console.log(JSON.stringify({ ...result, added, gpu, warned }));
