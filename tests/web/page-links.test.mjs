/**
 * Permanent links to a task or a decision: what a fragment holds, what hostile ones may not do, and the page that opens one.
 *
 * CHROME_PATH  the browser, if it is not in a usual place
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { decisionExamples } from "../../www/decision-examples.js";
import {
  fragmentOf,
  fragmentOfDecision,
  LONGEST_LINK,
  MOST_CANDIDATES,
  MOST_QUESTIONS,
  readDecision,
  readFragment,
} from "../../www/link.js";
import { noBrowser, ranked, ready, setUp, texts, values, write } from "./demo-page.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
/** A fragment with any value in it. */
const packed = (value, { version = "1", kind = "task" } = {}) => {
  const bytes = Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
  return `#${kind}=${version}.${bytes.toString("base64url")}`;
};
const packedDecision = (value, version = "1") => packed(value, { version, kind: "decide" });

describe("a task in a link", () => {
  test("comes out as it went in, in any script, without blank candidates", () => {
    const candidates = ["", "line\nbreak \u0000 \u202e", "Ωμέγα 中文 👩‍🔬", "<b>&amp;</b>", "#?%20", "  "];
    const fragment = fragmentOf({ instruction: "Which “one”?", candidates });
    assert.match(fragment, /^#task=1\.[\w-]+$/, "nothing in it needs escapes, so no program breaks it");
    assert.deepEqual(readFragment(fragment), {
      task: { instruction: "Which “one”?", candidates: candidates.slice(1, 5) },
    });
    assert.equal(new URL(fragment, "https://example.org/page").hash, fragment);
    const empty = fragmentOf({ instruction: "", candidates: ["a"] });
    assert.deepEqual(readFragment(empty), { task: { instruction: "", candidates: ["a"] } });
  });

  test("is limited in size, where it is written and where it is read", () => {
    const long = { instruction: "a".repeat(LONGEST_LINK), candidates: ["b"] };
    assert.equal(fragmentOf(long), null);
    assert.equal(fragmentOf({ instruction: "a", candidates: Array(MOST_CANDIDATES + 1).fill("b") }), null);
    assert.ok(fragmentOf({ instruction: "a", candidates: Array(MOST_CANDIDATES).fill("b") }));
    assert.match(readFragment(packed(["a".repeat(LONGEST_LINK), "b"])).fault, /longer than this page reads/);
    assert.match(readFragment(packed(Array(MOST_CANDIDATES + 2).fill("b"))).fault, /more than 100 candidates/);
  });

  test("is none in other fragments", () => {
    for (const other of ["", "#", "#decide", "#how-good", "#TASK=1.YQ", "#task"])
      assert.equal(readFragment(other), null, other);
  });

  test("that is broken, of another version or hostile is a fault, and never anything but texts", () => {
    const whole = fragmentOf({ instruction: "Which?", candidates: ["one", "two"] });
    const broken = [
      "#task=",
      "#task=1",
      "#task=1.",
      "#task=x.YQ",
      "#task=-1.YQ",
      "#task=1.Y Q",
      "#task=1.%5B%22a%22%5D",
      `${whole}!`,
      whole.slice(0, -3),
      packed("[]"),
      packed('["only an instruction"]'),
      packed("null"),
      packed("7"),
      packed('"text"'),
      packed('{"instruction": "a", "candidates": ["b"]}'),
      packed('["a", 1]'),
      packed('["a", null]'),
      packed('["a", ["b"]]'),
      packed('["a", {"toString": "b"}]'),
      packed('["a", "b"'),
      packed('["a", "b"] // more'),
      packed("alert(1)"),
      packed(`${"[".repeat(9000)}`),
      `#task=1.${Buffer.from([0x5b, 0x22, 0xff, 0x22, 0x2c, 0x22, 0x62, 0x22, 0x5d]).toString("base64url")}`,
      `#task=1.${Buffer.from('\uFEFF["a","b"]').toString("base64url")}`,
    ];
    for (const fragment of broken) {
      const { fault, ...rest } = readFragment(fragment);
      assert.match(fault, /broken/, fragment);
      assert.deepEqual(rest, {}, fragment);
    }
    assert.match(readFragment(packed(["a", "b"], { version: "2" })).fault, /newer version/);
    const polluted = readFragment(packed(["__proto__", "constructor"]));
    assert.deepEqual(polluted, { task: { instruction: "__proto__", candidates: ["constructor"] } });
  });
});

describe("a decision in a link", () => {
  const question = ["team", "choice", "Which team?", "billing", "Payments", "support", ""];

  test("comes out as it went in, in any script", () => {
    const forms = [
      ...decisionExamples.map(({ state, questions }) => ({ state, questions })),
      {
        state: "\u0000 Ωμέγα 中文 👩‍🔬 <b>&amp;</b> #?%20",
        questions: [{ name: "__proto__", type: "boolean", text: "", options: [], yes: "", no: "nein" }],
      },
    ];
    for (const form of forms) {
      const fragment = fragmentOfDecision(/** @type {any} */ (form));
      assert.match(fragment, /^#decide=1\.[\w-]+$/);
      const questions = form.questions.map((asked) =>
        asked.type === "boolean" ? { yes: "", no: "", ...asked, options: [] } : asked,
      );
      assert.deepEqual(readDecision(fragment), { form: { ...form, questions } });
      assert.equal(readFragment(fragment), null, "a decision is no task");
    }
    assert.equal(readDecision(fragmentOf({ instruction: "a", candidates: ["b"] })), null, "a task is no decision");
  });

  test("is limited in size, where it is written and where it is read", () => {
    const asked = { name: "a", type: /** @type {const} */ ("boolean"), text: "b", options: [] };
    assert.equal(fragmentOfDecision({ state: "a".repeat(LONGEST_LINK), questions: [asked] }), null);
    assert.equal(fragmentOfDecision({ state: "a", questions: Array(MOST_QUESTIONS + 1).fill(asked) }), null);
    assert.ok(fragmentOfDecision({ state: "a", questions: Array(MOST_QUESTIONS).fill(asked) }));
    const many = Array(MOST_QUESTIONS + 1).fill(question);
    assert.match(readDecision(packedDecision(["a", ...many])).fault, /more than 50 questions/);
    assert.match(readDecision(packedDecision(["a".repeat(LONGEST_LINK), question])).fault, /longer than/);
  });

  test("that is broken, of another version or hostile is a fault, and never anything but texts", () => {
    const broken = [
      "#decide=",
      "#decide=1.",
      packedDecision("[]"),
      packedDecision("{}"),
      packedDecision(["only a state"]),
      packedDecision([["no state"], question]),
      packedDecision(["a", "b"]),
      packedDecision(["a", { ...question, length: 7 }]),
      packedDecision(["a", []]),
      packedDecision(["a", ["name", "choice"]]),
      packedDecision(["a", ["name", "toString", "text", "a", ""]]),
      packedDecision(["a", ["name", "choice", "text", "an option without its description"]]),
      packedDecision(["a", ["name", "boolean", "text"]]),
      packedDecision(["a", ["name", "boolean", "text", "yes", "no", "a", "b"]]),
      packedDecision(["a", ["name", "score", "text", 1, 2]]),
      packedDecision(["a", ["name", ["choice"], "text", "a", ""]]),
      packedDecision(["a", question, null]),
    ];
    for (const fragment of broken) {
      const { fault, ...rest } = readDecision(fragment);
      assert.match(fault, /broken/, fragment);
      assert.deepEqual(rest, {}, fragment);
    }
    assert.match(readDecision(packedDecision(["a", question], "2")).fault, /newer version/);
    assert.equal(readDecision("#decide"), null, "the tab's own fragment");
  });
});

describe("the page and links", { skip: noBrowser }, () => {
  const open = setUp([
    ["cappy-web/index.js", here("fake-cappy.mjs")],
    ["cappy-web/", here("../../dist")],
    ["order.js", here("../../target/modules/order.js")],
    ["", here("../../www")],
  ]);
  const task = { instruction: "From afar?", candidates: ["[0.2] p", "[0.8] <img src=x onerror=alert(1)>"] };
  const fragment = fragmentOf(task);

  test("a link opens its task and ranks it, as texts; one's own task stays in the storage until this one is edited", () =>
    open("", async (page, context) => {
      await ready(page);
      await write(page, "My own?", ["mine", "yours"]);
      // To another fragment of the same page, and then in a new one.
      await page.evaluate((hash) => {
        location.hash = hash;
      }, fragment);
      // What the page had ranked by itself may still stand there.
      await page.locator(".result", { hasText: task.candidates[1] }).waitFor();
      await page.reload();
      await ranked(page);
      assert.deepEqual(await texts(page), [task.candidates[1], task.candidates[0]]);
      assert.deepEqual(await values(page, "#instruction, .candidate textarea"), [task.instruction, ...task.candidates]);
      assert.equal(await page.locator("#task-status").textContent(), "This task came with the link.");
      assert.equal(await page.locator(".result img").count(), 0);

      const other = await context.newPage();
      await other.goto(page.url().split("#")[0]);
      assert.equal(await other.locator("#instruction").inputValue(), "My own?", "the link has not replaced it");
      await other.close();

      await page.getByRole("button", { name: "Undo" }).click();
      assert.equal(await page.locator("#instruction").inputValue(), "My own?");
      assert.equal(await page.evaluate(() => location.hash), "", "the address is not that of another task");
    }));

  test("a link is copied, and an edit leaves it behind", () =>
    open(
      `?x${fragment}`,
      async (page) => {
        await ranked(page);
        await page.locator("#instruction").fill("Else?");
        assert.deepEqual(await page.evaluate(() => [location.hash, location.search]), ["", "?x"]);
        await page.getByRole("button", { name: "Copy link" }).click();
        await page.locator("#task-status", { hasText: "are sent to no server" }).waitFor();
        const copied = new URL(await page.evaluate(() => navigator.clipboard.readText()));
        assert.deepEqual(readFragment(copied.hash), { task: { ...task, instruction: "Else?" } });
        await page.locator("#instruction").fill("e".repeat(LONGEST_LINK));
        await page.getByRole("button", { name: "Copy link" }).click();
        await page.locator("#task-status", { hasText: "too long for a link" }).waitFor();
      },
      { permissions: ["clipboard-read", "clipboard-write"] },
    ));

  test("a broken link is said to be one, and the page shows what it shows without", () =>
    open(`${packed('["a", {}]')}`, async (page) => {
      await ranked(page);
      assert.match(await page.locator("#task-status").textContent(), /^The link's task cannot be read: it is broken/);
      assert.equal(await page.locator(".result").count(), 4);
    }));

  const form = {
    state: "From <b>afar</b>.",
    questions: [
      {
        name: "level",
        type: /** @type {const} */ ("score"),
        text: "How far?",
        options: ["[0.2] near", "[0.9] far"].map((name) => ({ name, description: "" })),
      },
    ],
  };
  const answered = (page) => page.locator("#answers-status", { hasText: /answered in/ }).waitFor();

  test("a link opens its questions and answers them, also on the page that is open; one's own come back", () =>
    open(fragmentOfDecision(form), async (page) => {
      await answered(page);
      assert.equal(await page.locator("#panel-decide").isVisible(), true);
      assert.equal(await page.locator("#state").inputValue(), form.state);
      assert.equal(await page.locator("#decision-status").textContent(), "These questions came with the link.");
      assert.equal(await page.locator("#decision-undo").isVisible(), false);
      assert.match(await page.locator(".answer").textContent(), /on a scale from 0 to 1/);
      await page.locator("#state").fill("My own.");
      assert.equal(await page.evaluate(() => location.hash), "#decide", "the address is not that of another decision");
      await page.evaluate((hash) => {
        location.hash = hash;
      }, fragmentOfDecision(form));
      await page.waitForFunction((state) => document.querySelector("#state").value === state, form.state);
      await answered(page);
      assert.equal(await page.locator("#state").inputValue(), form.state);
      await page.locator("#decision-undo").click();
      assert.equal(await page.locator("#state").inputValue(), "My own.");
      assert.equal(await page.evaluate(() => location.hash), "#decide");
    }));

  test("a link to the questions is copied, or shown where the browser forbids that", () =>
    open(
      "?x#decide",
      async (page) => {
        await ready(page);
        await page.locator("#state").fill("Else");
        await page.locator("#copy-decision-link").click();
        await page.locator("#decision-status", { hasText: "are sent to no server" }).waitFor();
        const copied = new URL(await page.evaluate(() => navigator.clipboard.readText()));
        assert.equal(copied.search, "?x");
        const [first] = decisionExamples;
        const { form } = readDecision(copied.hash);
        assert.deepEqual(
          [form.state, ...form.questions.map(({ name }) => name)],
          ["Else", ...first.questions.map(({ name }) => name)],
        );
        await page.evaluate(() => {
          navigator.clipboard.writeText = () => Promise.reject(new Error("forbidden"));
        });
        await page.locator("#copy-decision-link").click();
        await page.locator("#decision-by-hand").waitFor();
        assert.equal(await page.locator("#decision-by-hand").inputValue(), copied.href);
        await page.locator("#state").fill("e".repeat(LONGEST_LINK));
        await page.locator("#copy-decision-link").click();
        await page.locator("#decision-status", { hasText: "too much for a link" }).waitFor();
      },
      { permissions: ["clipboard-read", "clipboard-write"] },
    ));

  test("a broken link of a decision is said to be one, and the page's own question stays", () =>
    open(packedDecision(["a", ["b"]]), async (page) => {
      await ready(page);
      const said = await page.locator("#decision-status").textContent();
      assert.match(said, /^The link's questions cannot be read: it is broken/);
      assert.equal(await page.locator("#state").inputValue(), decisionExamples[0].state);
    }));
});
