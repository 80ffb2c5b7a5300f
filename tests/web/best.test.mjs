// Scorer.best in Chromium, Firefox and under Node: the best by the scores that ranking gives, from a source that is closed in time.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { openChromium, openFirefox, openNode, serve } from "./hosts.mjs";

const INSTRUCTION = "Name the animal that barks.";
const CANDIDATES = ["cat", "a dog", "dog", "dog", "sofa", "the dog barks"];

/** Runs where the package is: chooses with several options, and tells what the source saw meanwhile. */
async function inHost({ module, source, instruction, candidates, atMost, throws }) {
  const { Scorer } = await import(module);
  const scorer = await Scorer.load(source, { cache: false, device: "gpu" });
  const scores = [...(await scorer.score(instruction, candidates))];
  const top = Math.max(...scores);
  const chosen = [];
  for (const options of [{}, { atMost }, { enough: top }, { patience: 1 }]) {
    const seen = { made: 0, closed: false, scored: [] };
    const samples = (async function* () {
      try {
        for (const text of candidates) {
          seen.made += 1;
          yield text;
        }
      } finally {
        seen.closed = true;
      }
    })();
    const onScore = ({ score }) => {
      seen.scored.push(score);
      if (throws) throw new Error("what a listener throws stops nothing");
    };
    const best = await scorer.best(instruction, samples, { ...options, onScore });
    chosen.push({ best, seen: { ...seen } });
  }
  const failure = (work) =>
    work.then(
      () => "nothing failed",
      ({ code, message }) => `${code}: ${message}`,
    );
  const objects = candidates.map((text, id) => ({ text, id }));
  const object = (await scorer.best(instruction, objects)).candidate;
  const nothing = await scorer.best(instruction, []);
  // A source that never answers.
  const stop = new AbortController();
  let closed = 0;
  const mute = {
    [Symbol.asyncIterator]: () => ({
      next: () => {
        setTimeout(() => stop.abort(), 20);
        return new Promise(() => {});
      },
      return: async () => {
        closed += 1;
        return { done: true, value: undefined };
      },
    }),
  };
  const aborted = await failure(scorer.best(instruction, mute, { signal: stop.signal }));
  const faults = [
    await failure(scorer.best(instruction, ["cat", 5])),
    await failure(scorer.best(instruction, candidates, { patience: 0 })),
  ];
  scorer.dispose();
  faults.push(await failure(scorer.best(instruction, candidates)));
  return { scores, chosen, object, nothing: nothing === undefined, aborted, closed, faults };
}

let site;

before(async () => {
  site = await serve(fileURLToPath(new URL("../..", import.meta.url)));
});

after(async () => {
  await site?.close();
});

for (const [where, open] of Object.entries({ Chromium: openChromium, Firefox: openFirefox, Node: openNode })) {
  describe(where, () => {
    let host;
    before(async () => {
      host = await open(site);
    });
    after(() => host?.close());

    test(`${where}: the best is that of ranking, and no more is asked for than needed`, {
      timeout: 300_000,
    }, async () => {
      const module = host.page ? "/dist/index.js" : new URL("../../dist/index.js", import.meta.url).href;
      const given = {
        module,
        source: `${site.url}/models/cappy-mini/`,
        instruction: INSTRUCTION,
        candidates: CANDIDATES,
        atMost: 2,
        throws: Boolean(host.page),
      };
      const got = await (host.page ? host.page.evaluate(inHost, given) : inHost(given));

      const { scores } = got;
      const firstBestOf = (count) => scores.indexOf(Math.max(...scores.slice(0, count)));
      const all = CANDIDATES.length;
      // How many candidates there are until one was no better.
      const worse = scores.findIndex((score, at) => at > 0 && score <= Math.max(...scores.slice(0, at)));
      for (const [at, [count, stopped]] of /** @type {const} */ ([
        [all, "end"],
        [2, "at-most"],
        [firstBestOf(all) + 1, "enough"],
        [worse + 1, "patience"],
      ]).entries()) {
        const { best, seen } = got.chosen[at];
        const index = firstBestOf(count);
        assert.deepEqual(
          { index: best.index, score: best.score, text: best.text, scored: best.scored, stopped: best.stopped },
          { index, score: scores[index], text: CANDIDATES[index], scored: count, stopped },
        );
        assert.deepEqual(seen, { made: count, closed: true, scored: scores.slice(0, count) });
      }
      assert.deepEqual(got.object, { text: CANDIDATES[firstBestOf(all)], id: firstBestOf(all) });
      assert.ok(got.nothing);
      assert.match(got.aborted, /^aborted: best: /);
      assert.equal(got.closed, 1);
      assert.match(got.faults[0], /^input: candidates\[1\]: is neither/);
      assert.match(got.faults[1], /^input: patience: is 0/);
      assert.match(got.faults[2], /^disposed: /);
    });
  });
}
