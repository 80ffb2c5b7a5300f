// What the package promises, in a real browser under a strict policy: scores, order, fairness,
// stopping, progress, a smooth page. CHROME_PATH names the browser.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";

import { onSoftwareAdapter } from "./browser.mjs";
import { startPackage } from "./harness.mjs";

let host;
before(async () => (host = await startPackage()));
after(() => host?.close());

/** `act` with a page and a scorer of the tiny model in it, as `scorer`. */
async function withScorer(options, act) {
  const page = await host.open();
  try {
    await page.evaluate(async (options) => {
      globalThis.scorer = await cappy.Scorer.load("/m/", { device: "gpu", batchTokens: 32, cache: false, ...options });
    }, options);
    await act(page);
    assert.deepEqual(page.complaints, []);
  } finally {
    await page.context().close();
  }
}

test("worker and page give the same bits, alone and in a batch, and no isolation is needed", () =>
  withScorer({}, async (page) => {
    const got = await page.evaluate(async () => {
      const other = await cappy.Scorer.load("../m", { device: "gpu", worker: false, batchTokens: 300, cache: false });
      const alone = [];
      for (const text of candidates.slice(0, 5)) alone.push(await scorer.score(instruction, text));
      return {
        isolated: crossOriginIsolated,
        workers: [scorer.info().worker, other.info().worker],
        worker: [...(await scorer.score(instruction, candidates))],
        page: [...(await other.score(instruction, candidates))],
        logits: (await scorer.logits(instruction, candidates)).map(([logit]) => logit),
        alone,
      };
    });
    assert.equal(got.isolated, false);
    assert.deepEqual(got.workers, [true, false]);
    assert.equal(got.worker.length, 24);
    assert.ok(new Set(got.worker).size > 12, "scores differ between candidates");
    assert.deepEqual(got.worker, got.page);
    assert.deepEqual(got.worker, got.logits);
    assert.deepEqual(got.alone, got.worker.slice(0, 5));
  }));

for (const worker of [true, false]) {
  describe(`with worker: ${worker}`, () => {
    test("score, rank, stream, info and dispose do what they say", () =>
      withScorer({ worker }, async (page) => {
        const got = await page.evaluate(async () => {
          const objects = candidates.slice(0, 6).map((text) => ({ text, tag: Symbol(text) }));
          const list = [objects[3], objects[1], objects[3], objects[0], objects[1]];
          const scores = await scorer.score(instruction, list);
          const ranked = await scorer.rank(instruction, list);
          const streamed = [];
          for await (const item of scorer.stream(instruction, list)) streamed.push(item);
          const done = [];
          const long = "dog ".repeat(100);
          const [{ truncated }] = await scorer.rank(instruction, [long], { onProgress: (p) => done.push(p) });
          const empty = [
            (await scorer.score(instruction, [])).length,
            (await scorer.rank(instruction, [])).length,
            (await scorer.logits(instruction, [])).length,
          ];
          return {
            scores: [...scores],
            ranked,
            streamed,
            truncated,
            done,
            empty,
            info: scorer.info(),
            same: ranked.every(({ index, candidate }) => candidate === list[index]),
            best: (await scorer.rank(instruction, list, { topK: 2 })).map(({ index }) => index),
            none: (await scorer.rank(instruction, list, { topK: 0 })).length,
            wrong: await Promise.all(
              [
                scorer.rank(instruction, list, { topK: -1 }),
                scorer.score(instruction, [7]),
                scorer.score(instruction),
                scorer.score(7, "a"),
                cappy.Scorer.load("/m/", { dtype: "f8" }),
                cappy.Scorer.load("/m/", { headers: { "a b": "c" } }),
                cappy.Scorer.load("/m/", { endpoint: () => {}, worker: true }),
              ].map(failure),
            ),
          };
        });
        const order = [0, 1, 2, 3, 4].sort((a, b) => got.scores[b] - got.scores[a] || a - b);
        assert.equal(got.scores[0], got.scores[2]);
        assert.deepEqual(
          got.ranked.map(({ index }) => index),
          order,
        );
        assert.ok(got.same, "objects come back as they went in");
        assert.deepEqual(got.best, order.slice(0, 2));
        assert.equal(got.none, 0);
        assert.deepEqual(
          got.streamed.map(({ index, score }) => [index, score]),
          got.scores.map((score, i) => [i, score]),
        );
        assert.ok(got.truncated > 70, `${got.truncated} tokens cut`);
        assert.deepEqual(got.done, [{ done: 1, total: 1 }]);
        assert.deepEqual(got.empty, [0, 0, 0]);
        assert.deepEqual(
          [got.info.worker, got.info.maxTokens, got.info.batchTokens, got.info.losses, got.info.adapter.software],
          [worker, 32, 32, 0, onSoftwareAdapter],
        );
        assert.match(got.info.model, /\/m\/$/);
        assert.deepEqual(
          got.wrong.map(({ code, cappy }) => [code, cappy]),
          got.wrong.map(() => ["input", true]),
        );

        const end = await page.evaluate(async () => {
          let under;
          await new Promise((begun) => {
            const lots = Array(10).fill(candidates).flat();
            under = failure(scorer.score(instruction, lots, { onProgress: begun }));
          });
          scorer.dispose();
          scorer.dispose();
          const later = [scorer.score(instruction, "x"), scorer.score(instruction, []), (async () => scorer.info())()];
          return Promise.all([under, ...later.map(failure)]);
        });
        assert.deepEqual(
          end.map(({ code }) => code),
          Array(4).fill("disposed"),
        );
      }));

    test("a short call does not wait for a long one, and leaving a loop stops its work", () =>
      withScorer({ worker }, async (page) => {
        const got = await page.evaluate(async () => {
          const lots = Array(10).fill(candidates).flat();
          let done = 0;
          const counting = { onProgress: (progress) => (done = progress.done) };
          // The machine may be busy with other things than this page: one fair run of three proves that it can be.
          let short;
          for (let run = 0; run < 3 && !(short && !short.over && short.meanwhile < 40); run += 1) {
            done = 0;
            let over = false;
            const long = scorer.score(instruction, lots, counting).then(() => (over = true));
            while (done === 0) await sleep(1);
            const before = done;
            await scorer.score(instruction, candidates.slice(0, 2));
            short = { over, meanwhile: done - before };
            await long;
          }
          done = 0;
          for await (const { index } of scorer.stream(instruction, lots, counting)) if (index === 3) break;
          const left = done;
          await scorer.score(instruction, "x");
          await sleep(100);
          return { short, left, after: done, lots: lots.length };
        });
        assert.equal(got.short.over, false);
        assert.ok(got.short.meanwhile < 40, `${got.short.meanwhile} of the long call's were done meanwhile`);
        assert.ok(got.left < 100, `${got.left} were done before the loop was left`);
        assert.equal(got.after, got.left);
      }));

    test("a signal stops scoring, and the scorer is usable afterwards", () =>
      withScorer({ worker }, async (page) => {
        const got = await page.evaluate(async () => {
          const lots = Array(10).fill(candidates).flat();
          const gone = AbortSignal.abort("why");
          const before = [lots, []].map((list) => failure(scorer.score(instruction, list, { signal: gone })));
          const first = await scorer.score(instruction, "x");
          const stopper = new AbortController();
          let done = 0;
          const onProgress = (progress) => {
            // The first batch is told of at once, and later ones only after a tenth of a second.
            done = progress.done;
            stopper.abort(new Error("why"));
          };
          const scoring = await failure(scorer.score(instruction, lots, { signal: stopper.signal, onProgress }));
          const stop = new AbortController();
          const seen = [];
          const streaming = await failure(
            (async () => {
              for await (const { index } of scorer.stream(instruction, lots, { signal: stop.signal })) {
                seen.push(index);
                stop.abort();
              }
            })(),
          );
          const cause = await scorer.score(instruction, "x", { signal: gone }).catch((error) => error.cause);
          return {
            before: await Promise.all(before),
            scoring,
            streaming,
            done,
            seen: seen.length,
            cause,
            same: first === (await scorer.score(instruction, "x")),
          };
        });
        for (const { code } of [...got.before, got.scoring, got.streaming]) assert.equal(code, "aborted");
        assert.ok(got.done < 60 && got.seen < 60, `${got.done} and ${got.seen} of 240`);
        assert.equal(got.cause, "why");
        assert.ok(got.same);
      }));
  });
}

test("loading reports its phases, and a signal stops it in each of them", async () => {
  // Reports are a tenth of a second apart at least, in which a fast machine loads this model: here that time is short.
  const prelude = "const now = performance.now.bind(performance); performance.now = () => 100 * now()";
  const page = await host.open({ prelude });
  const load = (worker, phase) =>
    page.evaluate(
      async ({ worker, phase }) => {
        const stopper = new AbortController();
        if (phase === "before") stopper.abort();
        const told = [];
        let at;
        const result = await failure(
          cappy.Scorer.load("/m/", {
            device: "gpu",
            worker,
            cache: false,
            signal: stopper.signal,
            onProgress: (progress) => {
              told.push(progress);
              if (progress.phase === phase && progress.bytes > progress.total / 10 && !at) {
                at = Date.now();
                stopper.abort();
              }
            },
          }),
        );
        const late = at && Date.now() - at;
        if (result.value) {
          const { model } = result.value.info();
          result.value.dispose();
          result.value = told.every((progress) => progress.model === model)
            ? "loaded"
            : `not all progress is of ${model}`;
        }
        return { result, told, late };
      },
      { worker, phase },
    );

  for (const worker of [true, false]) {
    const { result, told } = await load(worker, "never");
    assert.equal(result.value, "loaded");
    for (const phase of ["download", "load"]) {
      const these = told.filter((progress) => progress.phase === phase);
      assert.ok(these.length > 1, phase);
      for (const [i, { bytes, total }] of these.entries()) {
        assert.ok(bytes <= total && total > 0);
        if (i > 0) assert.ok(bytes >= these[i - 1].bytes && total >= these[i - 1].total, "goes forward");
      }
      assert.equal(these.at(-1).bytes, these.at(-1).total);
    }
    assert.deepEqual([...new Set(told.map(({ phase }) => phase))], ["download", "load"]);

    for (const phase of ["before", "load", "download"]) {
      // The whole takes 12 seconds then, at least.
      host.site.slow = phase === "download" ? 1000 : 0;
      const { result, late } = await load(worker, phase);
      assert.equal(result.code, "aborted", `${phase}: ${JSON.stringify(result)}`);
      // The rest of the download would take ten seconds.
      if (phase !== "before") assert.ok(late < 5000, `${phase}: stopped after ${late} ms`);
    }
    host.site.slow = 0;
  }
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

/** Milliseconds of each long task of the page while a scorer is loaded and used. */
async function longTasks(worker) {
  const page = await host.open();
  try {
    return await page.evaluate(async (worker) => {
      await sleep(200);
      const tasks = [];
      const note = (entries) => tasks.push(...entries.filter(({ attribution: [by] }) => by.containerType === "window"));
      const watch = new PerformanceObserver((list) => note(list.getEntries()));
      watch.observe({ type: "longtask" });
      const scorer = await cappy.Scorer.load("/m/", { device: "gpu", batchTokens: 32, worker });
      // Long texts take long to cut into tokens.
      await scorer.score(instruction, [...candidates, "a dog that barks. ".repeat(50_000), ...candidates]);
      await sleep(200);
      note(watch.takeRecords());
      return tasks.map(({ duration }) => duration);
    }, worker);
  } finally {
    await page.context().close();
  }
}

test("the page stays smooth while the default worker loads and scores", async () => {
  assert.notDeepEqual(await longTasks(false), [], "without a worker long tasks are seen");
  // The machine may be busy with other things: one smooth run of five proves that it can be.
  const runs = [];
  while (runs.length < 5 && runs.at(-1)?.length !== 0) runs.push(await longTasks(undefined));
  assert.deepEqual(runs.at(-1), []);
});

test("what a listener throws is reported and stops nothing", async () => {
  for (const worker of [true, false]) {
    const page = await host.open();
    const score = await page.evaluate(async (worker) => {
      const onProgress = () => {
        throw new Error("mine");
      };
      const scorer = await cappy.Scorer.load("/m/", { device: "gpu", worker, onProgress });
      return scorer.score(instruction, "x", { onProgress });
    }, worker);
    assert.equal(typeof score, "number");
    assert.ok(page.complaints.length > 2 && page.complaints.every((what) => what === "Error: mine"));
    await page.context().close();
  }
});

test("a candidate that cannot be scored is named by its place", async () => {
  const page = await host.open();
  const of = (path) => readFile(new URL(`../golden/cases/${path}`, import.meta.url));
  for (const name of ["config.json", "tokenizer.json", "tokenizer_config.json"])
    host.site.files[`/bert/${name}`] = await of(`w-gamma-bert/${name}`);
  host.site.files["/bert/model.safetensors"] = await of("weights/bert.safetensors");
  const got = await page.evaluate(async () => {
    const scorer = await cappy.Scorer.load("/bert/", { device: "gpu" });
    const both = [candidates[0], "\ufdfa".repeat(4_000_000)];
    return [await failure(scorer.score(instruction, both)), await failure(scorer.best(instruction, both))];
  });
  for (const { code, message } of got) {
    assert.equal(code, "input", message);
    assert.match(message, /^candidates\[1\] with its instruction: of \d+ bytes could have/);
  }
  await page.context().close();
});
