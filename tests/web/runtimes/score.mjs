// Runs under Node, Deno and Bun: scores with the package and prints one line of JSON.
//   score.mjs SOURCE OPTIONS [busy]    busy: looks at timers meanwhile, and does not dispose of the scorer:
//                                      the program must end all the same
const [source, options, busy] = process.argv.slice(2);
const pairs = JSON.parse(
  await (await import("node:fs/promises")).readFile(new URL("../../golden/pairs.json", import.meta.url), "utf8"),
).pairs;
// Deno makes a global of its own when it is first asked for a module of Node's.
process.getBuiltinModule("node:fs");
const before = Object.getOwnPropertyNames(globalThis);
const { Scorer } = await import("../../../dist/index.js");
globalThis.warned = [];
console.warn = (...texts) => warned.push(texts.join(" "));

const some = pairs.filter((_, i) => i % 18 === 4);
let result;
try {
  const scorer = await Scorer.load(source || undefined, JSON.parse(options));
  const first = scorer.info().device;
  await scorer.settled();
  const logits = [];
  for (const { instruction, response } of some) logits.push([await scorer.score(instruction, response)]);
  result = { first, info: scorer.info(), logits };
  if (busy === "busy") {
    // How often timers ran while the scorer was at work, and the longest that one had to wait.
    const gaps = [];
    let last = performance.now();
    const timer = setInterval(() => gaps.push(-last + (last = performance.now())), 5);
    const began = performance.now();
    await scorer.rank(
      "Which of these is an animal?",
      Array.from({ length: 200 }, (_, i) => `${i} ${"dog ".repeat(60)}`),
    );
    Object.assign(result, { busy: performance.now() - began, ticks: gaps.length, longest: Math.max(...gaps) });
    clearInterval(timer);
  } else {
    scorer.dispose();
  }
} catch (error) {
  result = { code: error.code, message: error.message, name: error.name };
}
const added = Object.getOwnPropertyNames(globalThis).filter((name) => !before.includes(name) && name !== "warned");
const gpu = Boolean(globalThis.navigator && Object.hasOwn(globalThis.navigator, "gpu"));
console.log(JSON.stringify({ ...result, added, gpu, warned }));
