// What a badge's note tells of the words that carried its score, in real Chromium with cappy-mini.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { note, openFixture, ranked, tell } from "./fixtures/open.mjs";
import { openChromium, until } from "./harness.mjs";

const EGG = "How do I boil an egg for breakfast?";
const EIGHT = "Put the egg into boiling water and wait about eight minutes.";

let host, client;

before(async () => {
  host = await openChromium({ colorScheme: "light" });
  await host.useMini();
  await host.grant(["https://chatgpt.com/*"]);
  client = await host.openClient();
});
after(() => host?.close());

/** What the engine itself says of answers. */
function scores(instruction, answers) {
  return client.evaluate(
    async ([instruction, answers]) => {
      const all = [];
      const onScored = (first, some) => all.splice(first, some.length, ...some.map(({ score }) => score));
      await client.score(instruction, answers, { onScored });
      return all;
    },
    [instruction, answers],
  );
}

test("a badge's note tells what carried its score, when asked, by keyboard alone", async (t) => {
  const page = await openFixture(host, "https://chatgpt.com/c/6", "chatgpt.html");
  t.after(() => page.close());
  await ranked(page, 2);
  await tell(host, page, "focus-badge");
  await tell(host, page, "focus-badge");
  await page.keyboard.press("Enter");
  await until(async () => /^Rank 1 of 2[^]*What carried this score\?/.test(await note(page)), { what: "the note" });
  assert.doesNotMatch(await note(page), /the score: /);
  await page.keyboard.press("Enter");
  const said = await until(async () => /reacts to, not a reason/.test(await note(page)) && (await note(page)), {
    what: "what carried the score",
  });
  // The number of one word, computed by hand.
  const [, word, sign, number] = /“(\w+)” ([+−])(\d\.\d\d)/.exec(said);
  const answer = EIGHT;
  const without = answer.replace(new RegExp(`\\b${word}( |(?=\\.))`), "").replace(/ \.$/, ".");
  const [whole, rest] = await scores(EGG, [answer, without]);
  assert.equal(Math.abs(whole - rest).toFixed(2), number, said);
  assert.equal(sign, whole > rest ? "+" : "−", said);
  await page.keyboard.press("Escape");
  await page.keyboard.press("Enter");
  await until(async () => /^Rank 1 of 2[^]*What carried this score\?/.test(await note(page)), {
    what: "the note again",
  });
  assert.doesNotMatch(await note(page), /the score: /, "what was found is not kept");
});
