// Which lessons follow from thumbs, and how many thumbs are stored.
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { bundleText } from "../../extension/build.mjs";

const load = async (path) => import(`data:text/javascript,${encodeURIComponent(await bundleText(path))}`);
const { asLines, lessonsOf, likedOf, MOST_BYTES, MOST_OPINIONS, opinionsIn, withoutLesson, withOpinion } =
  await load("learn/opinions.ts");

/** Presses thumbs one after the other: `[instruction, response, liked]`. */
const pressed = (...thumbs) => thumbs.reduce((kept, thumb) => withOpinion(kept, ...thumb), []);

describe("lessons", () => {
  test("thumbs of one kind alone make one lesson with a label each", () => {
    assert.deepEqual(lessonsOf(pressed(["q", "a", true], ["q", "b", true], ["r", "c", false])), [
      { instruction: "q", response: "a", label: 1 },
      { instruction: "q", response: "b", label: 1 },
      { instruction: "r", response: "c", label: 0 },
    ]);
  });

  test("thumbs up and down for one instruction make one lesson of chosen and rejected answers", () => {
    const kept = pressed(["q", "a", true], ["r", "x", true], ["q", "b", false], ["q", "c", false], ["q", "d", true]);
    assert.deepEqual(lessonsOf(kept), [
      { instruction: "q", chosen: ["a", "d"], rejected: ["b", "c"] },
      { instruction: "r", response: "x", label: 1 },
    ]);
  });

  test("lessons follow an opinion that changes, and one that is taken back", () => {
    const kept = pressed(["q", "a", true], ["q", "b", false], ["q", "a", false], ["q", "b", true]);
    assert.deepEqual(lessonsOf(kept), [{ instruction: "q", chosen: ["b"], rejected: ["a"] }]);
    assert.deepEqual(likedOf(kept, "q", ["a", "b", "c"]), [false, true, undefined]);
    assert.deepEqual(likedOf(kept, "another", ["a"]), [undefined]);
    assert.deepEqual(lessonsOf(withOpinion(kept, "q", "b", undefined)), [
      { instruction: "q", response: "a", label: 0 },
    ]);
    assert.deepEqual(pressed(["q", "a", true], ["q", "a", undefined], ["q", "b", undefined]), []);
  });

  test("lessons are deleted one by one, and no others with them", () => {
    const kept = pressed(["q", "a", true], ["q", "b", false], ["r", "a", true], ["r", "b", true]);
    const [choice, label] = lessonsOf(kept);
    assert.deepEqual(lessonsOf(withoutLesson(kept, choice)), [
      { instruction: "r", response: "a", label: 1 },
      { instruction: "r", response: "b", label: 1 },
    ]);
    assert.deepEqual(
      withoutLesson(kept, label).map(({ instruction, response }) => instruction + response),
      ["qa", "qb", "rb"],
    );
  });

  test("lessons are JSON lines when they are exported, whatever is in the texts", () => {
    const text = 'a "line"\nand \u2028 another 🐕';
    const lines = asLines(lessonsOf(pressed([text, "a", true], [text, "b", false], ["r", text, true])));
    assert.ok(lines.endsWith("\n"));
    assert.deepEqual(
      lines
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line)),
      [
        { instruction: text, chosen: ["a"], rejected: ["b"] },
        { instruction: "r", response: text, label: 1 },
      ],
    );
  });
});

describe("stored opinions", () => {
  test("the newest opinions are stored, up to a number", () => {
    let kept = Array.from({ length: MOST_OPINIONS }, (_, at) => ({ instruction: "q", response: `${at}`, liked: true }));
    kept = withOpinion(kept, "q", "new", false);
    assert.equal(kept.length, MOST_OPINIONS);
    assert.deepEqual([kept[0].response, kept.at(-1).response], ["1", "new"]);
    // A changed mind makes an opinion new.
    kept = withOpinion(kept, "q", "1", false);
    kept = withOpinion(kept, "q", "newer", true);
    assert.deepEqual([kept[0].response, kept.at(-2).response, kept.length], ["3", "1", MOST_OPINIONS]);
  });

  test("the newest opinions are stored, up to a number of bytes in UTF-8", () => {
    // 20,000 characters of three bytes each.
    const long = "あ".repeat(19_990);
    const fits = Math.floor(MOST_BYTES / (2 * 3 * 19_990));
    const kept = Array.from({ length: fits + 5 }, (_, at) => at).reduce(
      (all, at) => withOpinion(all, long, long.slice(1) + String.fromCharCode(97 + at), true),
      [],
    );
    assert.ok(kept.length <= fits && kept.length >= fits - 1, `${kept.length} of ${fits}`);
    const bytes = kept.reduce(
      (sum, { instruction, response }) => sum + Buffer.byteLength(instruction) + Buffer.byteLength(response),
      0,
    );
    assert.ok(bytes <= MOST_BYTES && bytes > MOST_BYTES - 2 * 3 * 20_000, `${bytes} bytes`);
  });

  test("stored opinions are read without those that are not valid", () => {
    const good = { instruction: "q", response: "a", liked: true };
    assert.deepEqual(
      opinionsIn([
        good,
        { ...good, liked: 1 },
        { ...good, response: "x".repeat(20_001) },
        null,
        "x",
        { instruction: "q" },
      ]),
      [good],
    );
    for (const broken of [undefined, null, "x", 3, { 0: good }]) assert.deepEqual(opinionsIn(broken), []);
  });
});
