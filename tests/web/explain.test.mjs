// Scorer.explain in Chromium, Firefox and Node: texts are divided as natively, and effects are differences of scores.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { openChromium, openFirefox, openNode, serve } from "./hosts.mjs";

const cases = JSON.parse(await readFile(new URL("../fixtures/explain/units.json", import.meta.url), "utf8"));

/** Runs where the package is. */
async function inHost({ module, divide, source, texts }) {
  const { units } = await import(divide);
  const cut = (text, unit) => units(text, unit).map(({ start, end }) => text.slice(start, end));
  const divided = texts.map((text) => ({ text, words: cut(text, "word"), sentences: cut(text, "sentence") }));

  const { Scorer } = await import(module);
  const failure = (work) =>
    work.then(
      () => "nothing failed",
      ({ code, message }) => `${code}: ${message}`,
    );
  const scorer = await Scorer.load(source, { cache: false, device: "gpu" });
  const question = "Name the animal that barks. Be short.";
  const answer = "The dog barks.";
  const progress = [];
  const explained = await scorer.explain(question, answer, {
    onProgress: ({ done, total }) => progress.push([done, total]),
  });
  const scores = [...(await scorer.score(question, [answer, "dog barks.", "The barks.", "The dog."]))];
  const of = await scorer.explain(question, answer, { of: "instruction", unit: "sentence" });
  const shorter = await scorer.score("Be short.", answer);
  const long = await scorer.explain("Talk.", "This one has just six words. ".repeat(11));
  const stopped = new AbortController();
  const faults = [
    await failure(
      scorer.explain("Talk.", "word ".repeat(500), {
        unit: "word",
        signal: stopped.signal,
        onProgress: () => stopped.abort(),
      }),
    ),
    await failure(scorer.explain("Talk.", " … ")),
    await failure(scorer.explain("Talk.", "a b c", { atMost: 2 })),
    await failure(scorer.explain("Talk.", "a b c", { atMost: Number.NaN })),
    await failure(scorer.explain("Talk.", "a b c", { unit: "letter" })),
    await failure(scorer.explain("Talk.", 5)),
  ];
  scorer.dispose();
  const processor = await Scorer.load(source, { cache: false, device: "cpu" });
  const onCpu = await processor.explain(question, answer);
  processor.dispose();
  return { onCpu, divided, explained, scores, progress, of, shorter, long: [long.unit, long.units.length], faults };
}

let site;

before(async () => {
  site = await serve(fileURLToPath(new URL("../..", import.meta.url)));
});

after(async () => {
  await site?.close();
});

for (const [where, open] of Object.entries({ Chromium: openChromium, Firefox: openFirefox, Node: openNode })) {
  test(`${where}: effects are differences of scores, and units the same as natively`, {
    timeout: 300_000,
  }, async () => {
    const host = await open(site);
    const file = (name) => (host.page ? `/${name}` : new URL(`../../${name}`, import.meta.url).href);
    const given = {
      module: file("dist/index.js"),
      divide: file("target/modules/explain/units.js"),
      source: `${site.url}/models/cappy-mini/`,
      texts: cases.map(({ text }) => text),
    };
    const got = await (host.page ? host.page.evaluate(inHost, given) : inHost(given)).finally(() => host.close());
    assert.deepEqual(got.divided, cases);

    const [whole, ...rest] = got.scores;
    const effect = (index) => Math.fround(whole - rest[index]);
    assert.deepEqual(got.explained, {
      score: whole,
      truncated: 0,
      unit: "word",
      units: [
        { text: "The", start: 0, end: 3, effect: effect(0) },
        { text: "dog", start: 4, end: 7, effect: effect(1) },
        { text: "barks", start: 8, end: 13, effect: effect(2) },
      ],
    });
    assert.equal(got.onCpu.units.length, 3);
    got.onCpu.units.forEach(({ text, effect: onCpu }, index) => {
      assert.equal(text, got.explained.units[index].text);
      assert.ok(Math.abs(onCpu - effect(index)) < 4e-3, `${text} on the CPU: ${onCpu}, on the GPU ${effect(index)}`);
    });
    assert.ok(Math.abs(effect(1)) > 1e-3, "leaving out the animal must not go unnoticed");
    assert.deepEqual(
      [got.progress[0], got.progress.at(-1)],
      [
        [0, 4],
        [4, 4],
      ],
    );
    assert.deepEqual(
      got.of.units.map(({ text }) => text),
      ["Name the animal that barks.", "Be short."],
    );
    assert.equal(got.of.units[0].effect, Math.fround(whole - got.shorter));
    assert.deepEqual(got.long, ["sentence", 11]);
    const expected = [
      /^aborted: /,
      /^input: response: has no words/,
      /^input: response: has 3 words, and at most 2 .* raise atMost/,
      /^input: response: has 3 words, and at most NaN/,
      /^input: unit: is "letter"; .*word and sentence/,
      /^input: response: is not a string/,
    ];
    expected.forEach((pattern, index) => assert.match(got.faults[index], pattern));
  });
}
