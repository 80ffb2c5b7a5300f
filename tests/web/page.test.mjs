/**
 * The demo page in a real browser, on a fake of the package (fake-cappy.mjs), where states are
 * provoked. site.test.mjs has the page as it is built.
 *
 * CHROME_PATH  the browser, if it is not in a usual place
 */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { examples } from "../../www/examples.js";
import { dropOn } from "./drop.mjs";
import { noBrowser, ranked, ready, setUp, texts, values, write } from "./demo-page.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

describe("the page on a fake of the package", { skip: noBrowser }, () => {
  const open = setUp([
    ["cappy-web/index.js", here("fake-cappy.mjs")],
    ["order.js", here("../../target/modules/order.js")],
    ["", here("../../www")],
  ]);

  test("the page loads the package's own model, with progress, and says what it is and how large", () =>
    // Steps so long that a rate, which needs half a second, and each phase can be seen on a busy machine, too.
    open("?step=150", async (page) => {
      await page.getByRole("progressbar", { name: "Downloading" }).waitFor();
      assert.equal(await page.locator("#loading-model").textContent(), "cappy-small");
      const bar = page.getByRole("progressbar", { name: "Loading onto the graphics adapter" });
      await bar.waitFor();
      await page.waitForFunction(() => document.querySelector("#loading-bar").value > 0);
      await page.locator("#loading-detail", { hasText: /of 12\.3 MB · model\.safetensors · .+\/s/ }).waitFor();
      await ready(page);
      assert.match(
        await page.locator("#model-about").textContent(),
        /^Comes with this page: 12\.3 MB of weights, for English\./,
      );
      const line = await page.locator("#facts-line").textContent();
      assert.match(
        line,
        /software \(slow\) · A fake adapter, fake paper · f32 · weights in 4 bits · 22\.3 million parameters/,
      );
      await page.locator("#facts-line").click();
      const facts = await page.locator("#facts").innerText();
      for (const fact of ["711 MB", "512 tokens", "12.3 MB, safetensors", "no shader-f16"])
        assert.ok(facts.includes(fact), facts);
      const sources = await page.locator("#example-sources").textContent();
      for (const { source, licence } of examples)
        assert.ok(sources.includes(source) && sources.includes(licence), source);
    }));

  test("the page ranks live, best first, with scores, bars and what was cut", () =>
    // After two candidates no more come until the test says so.
    open("?hold=2", async (page) => {
      await ready(page);
      await write(page, "Which?", ["[0.25] low", "[0.9] best", "", "[-0.5] worst", `[0.5] ${"long ".repeat(500)}`]);
      await page.locator("#rank").click();
      await page.locator("#running-detail", { hasText: "2 of 4 scored" }).waitFor();
      assert.deepEqual(await texts(page), ["[0.9] best", "[0.25] low"], "the order changes while it goes on");
      await page.evaluate(() => globalThis.fakeScoresGoOn());
      await ranked(page);
      assert.deepEqual(
        (await texts(page)).map((text) => text.slice(0, 8).trim()),
        ["[0.9] be", "[0.5] lo", "[0.25] l", "[-0.5] w"],
      );
      assert.deepEqual(await page.locator(".result .value").allTextContents(), [
        "0.9000",
        "0.5000",
        "0.2500",
        "-0.5000",
      ]);
      assert.deepEqual(await page.locator(".result .rank").allTextContents(), ["1", "2", "3", "4"]);
      assert.match(await page.locator(".result .note").nth(1).textContent(), /^Candidate 5, 506 tokens cut/);
      const widths = await page.locator(".fill").evaluateAll(async (fills) => {
        await Promise.all(fills.flatMap((fill) => fill.getAnimations()).map(({ finished }) => finished));
        return fills.map((fill) => fill.clientWidth / fill.parentElement.clientWidth);
      });
      for (const [at, share] of [1.4 / 1.5, 1 / 1.5, 0.75 / 1.5, 0].entries()) {
        assert.ok(Math.abs(widths[at] - share) < 0.01, `bars: ${widths}`);
      }
      assert.match(
        await page.locator("#ranking-status").textContent(),
        /^4 candidates in \d.* m?s on the processor, in software \(slow\)\. Bars run from -0\.50 to 1\.00\.$/,
      );
      await page.getByRole("button", { name: "Show all" }).click();
      assert.equal(await page.getByRole("button", { name: "Show less" }).getAttribute("aria-expanded"), "true");
      assert.equal(await page.locator("#stale").isVisible(), false);
      await page.locator("#instruction").fill("Something else?");
      assert.equal(await page.locator("#stale").isVisible(), true);
    }));

  test("the page copies the ranking as JSON, with places as on the page", () =>
    open(
      "",
      async (page) => {
        await ready(page);
        await write(page, "Which?", ["", "[0.1] a", "[0.7] b"]);
        await page.locator("#rank").click();
        await page.locator("#copy").click();
        await page.locator("#ranking-status", { hasText: "Copied 2 candidates" }).waitFor();
        assert.deepEqual(JSON.parse(await page.evaluate(() => navigator.clipboard.readText())), [
          { rank: 1, index: 2, score: 0.7, text: "[0.7] b", truncated: 0 },
          { rank: 2, index: 1, score: 0.1, text: "[0.1] a", truncated: 0 },
        ]);
      },
      { permissions: ["clipboard-read", "clipboard-write"] },
    ));

  test("the page adds, removes, undoes, and keeps the task over a reload", () =>
    open("", async (page) => {
      await write(page, "Mine", ["one", "two", "three"]);
      await page.getByRole("button", { name: "Remove candidate 2" }).click();
      assert.deepEqual(await values(page, ".candidate textarea"), ["one", "three"]);
      assert.equal(await page.evaluate(() => document.activeElement.ariaLabel), "Remove candidate 2");
      await page.getByRole("button", { name: "Undo" }).click();
      assert.deepEqual(await values(page, ".candidate textarea"), ["one", "two", "three"]);
      await page.reload();
      assert.equal(await page.locator("#instruction").inputValue(), "Mine");
      await page.selectOption("#examples", { index: 1 });
      await page.selectOption("#examples", { index: 2 });
      assert.equal(await page.locator("#instruction").inputValue(), examples[1].instruction);
      const { source, candidates, best } = examples[1];
      const says = `Everyday question 2. By ${source}, “${candidates[best]}” is right.`;
      assert.equal(await page.locator("#task-status").textContent(), says);
      await page.getByRole("button", { name: "Undo" }).click();
      assert.equal(await page.locator("#instruction").inputValue(), "Mine", "two examples later it is still there");
      await page.getByRole("button", { name: "Forget it" }).click();
      assert.deepEqual(await values(page, "#instruction, .candidate textarea"), ["", "", ""]);
      assert.deepEqual(await page.evaluate(() => Object.keys(localStorage)), []);
    }));

  test("the page takes many candidates from pasted text", () =>
    open("", async (page) => {
      await page.getByRole("button", { name: "Forget it" }).click();
      for (const [by, text, expected] of [
        ["a line", "a\r\n\r\nb\n", ["a", "b"]],
        ["a block between blank lines", "c\nd\n \n\n  e", ["a", "b", "c\nd", "  e"]],
        ["a line of JSON", '"f"\n{"text": "g"}', ["a", "b", "c\nd", "  e", "f", "g"]],
      ]) {
        await page.getByRole("button", { name: "Paste many" }).click();
        await page.locator("#paste-text").fill(text);
        await page.getByRole("radio", { name: by, exact: true }).check();
        assert.equal(await page.locator("#paste-count").textContent(), "2 candidates");
        await page.locator("#paste-add").click();
        assert.deepEqual(await values(page, ".candidate textarea"), expected);
      }
    }));

  test("the page reads dropped JSON lines and names bad ones by number", () =>
    open("", async (page) => {
      const drop = (name, text) =>
        page.evaluate(
          ([name, text]) => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([text], name));
            for (const type of ["dragover", "drop"]) {
              document.body.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
            }
          },
          [name, text],
        );
      await page.getByRole("button", { name: "Forget it" }).click();
      await drop("loose.jsonl", '"a"\n{oops\n\n{"text": 3}\n{"text": "b"}\n[1]\n');
      await page.locator("#problems").waitFor();
      assert.deepEqual(await values(page, ".candidate textarea"), ["a", "b"]);
      const lines = await page.locator("#problem-list li").allTextContents();
      assert.equal(lines.length, 3);
      for (const [at, start] of ["Line 2: not JSON. {oops", "Line 4: ", "Line 6: "].entries()) {
        assert.ok(lines[at].startsWith(start), lines[at]);
      }
      await drop(
        "tasks.jsonl",
        [
          '{"instruction": "First?", "response": "x"}',
          '{"instruction": "Second?", "responses": ["p", {"text": "q"}]}',
          '{"instruction": "First?", "response": "y"}',
          '{"instruction": "Third?", "responses": ["p", 4]}',
        ].join("\n"),
      );
      await page.locator("#file-tasks").waitFor();
      assert.deepEqual(await values(page, "#instruction, .candidate textarea"), ["First?", "x", "y"]);
      assert.match(await page.locator("#problem-list").textContent(), /^Line 4: item 2 of/);
      await page.selectOption("#file-tasks", { index: 1 });
      assert.deepEqual(await values(page, "#instruction, .candidate textarea"), ["Second?", "p", "q"]);
    }));

  test("the page opens a file of JSON lines by its button", () =>
    open("", async (page) => {
      const chooser = page.waitForEvent("filechooser");
      await page.getByRole("button", { name: "Open file" }).click();
      await (await chooser).setFiles({
        name: "a.jsonl",
        mimeType: "",
        buffer: Buffer.from('\uFEFF{"instruction": "I?", "response": "r"}'),
      });
      await page.locator("#task-status", { hasText: "from a.jsonl" }).waitFor();
      assert.deepEqual(await values(page, "#instruction, .candidate textarea"), ["I?", "r"]);
    }));

  test("the page cancels loading and ranking", () =>
    // The first load and each ranking wait until they are cancelled.
    open("?stay=1&hold=2", async (page) => {
      await page.locator("#loading-cancel").click();
      await page.locator("#model-about", { hasText: "cancelled" }).waitFor();
      assert.equal(await page.locator("#rank").getAttribute("aria-disabled"), "true");
      // By the keyboard: what the ways of holding weights cost comes in, and moves the button.
      await page.locator("#rank").press("Enter");
      await page.locator("#task-status", { hasText: /no model yet/i }).waitFor();
      await page.getByRole("button", { name: "Load cappy-small" }).click();
      await ready(page);
      await page.keyboard.press("Control+Enter");
      await page.locator(".result").first().waitFor();
      await page.locator("#running-cancel").click();
      await page.locator("#ranking-status", { hasText: /^Cancelled after [1-3] of 4 candidates\.$/ }).waitFor();
      await page.waitForFunction(() => document.activeElement.id === "rank");
      await page.keyboard.press("Control+Enter");
      await page.locator(".result").first().waitFor();
      await page.keyboard.press("Escape");
      await page.locator("#ranking-status", { hasText: "Cancelled" }).waitFor();
    }));

  test("the page asks before a large download, and shows kept models", () =>
    open("?quota=900000000", async (page) => {
      await ready(page);
      await page.getByRole("button", { name: "Change model" }).click();
      await page.getByLabel("Hub id").fill("btan2/cappy-large");
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: "Download 1.42 GB for btan2/cappy-large?" }).waitFor();
      const facts = await page.locator("#cost-facts").innerText();
      for (const fact of ["0 bytes", "900 MB", "pytorch_model.bin"]) assert.ok(facts.includes(fact), facts);
      assert.match(
        await page.locator("#cost-weights").innerText(),
        /As they are stored\s+download 1.42 GB, graphics memory 711 MB/,
      );
      assert.equal(await page.locator("#cost-warning").isVisible(), true);
      await page.getByRole("button", { name: "Not now" }).click();
      await ready(page);
      assert.equal(await page.evaluate(() => fakeLoads.length), 1, "nothing was loaded without consent");
      await page.getByText("Private model").click();
      await page.locator("#token").fill("secret");
      await page.getByRole("button", { name: "Look up" }).click();
      await page.getByRole("button", { name: "Download and load" }).click();
      await ready(page, "btan2/cappy-large");
      const { headers, cache } = await page.evaluate(() => fakeLoads[1]);
      assert.deepEqual([headers, cache], [{ Authorization: "Bearer secret" }, true]);
      assert.equal(await page.locator("#token").inputValue(), "", "the next model's server does not get it");
      // The former model is disposed of, once nothing uses it any more.
      await page.waitForFunction(() => globalThis.fakeDisposed === 1);
      assert.equal(await page.locator("#model-about").isVisible(), false);
      await page.getByRole("button", { name: "Change model" }).click();
      // The list is read anew each time: until then it is the one of before this download.
      await page.locator("#kept li", { hasText: "btan2/cappy-large" }).waitFor();
      await page.getByRole("button", { name: "Delete someone/kept-model from this browser" }).click();
      await page.locator("#kept li", { hasText: "someone/kept-model" }).waitFor({ state: "detached" });
      assert.match(await page.locator("#kept").innerText(), /^btan2\/cappy-large\s+1\.42 GB/);
      await page.getByRole("button", { name: "Load btan2/cappy-large" }).click();
      await page.waitForFunction(() => fakeLoads.length === 3, null, { polling: 50 });
    }));

  test("the page offers larger models with their sizes, and asks before it downloads one", () =>
    open("", async (page) => {
      await ready(page);
      await page.getByRole("button", { name: "Change model" }).click();
      const offered = page.locator("#offered li");
      assert.equal(await offered.count(), 3);
      for (const text of await offered.allInnerTexts()) assert.match(text, /\d (MB|GB) in memory/);
      const model = "cross-encoder/ettin-reranker-17m-v1";
      await page.getByRole("button", { name: `Choose ${model}` }).click();
      await page.getByRole("heading", { name: `Download 1.42 GB for ${model}?` }).waitFor();
      assert.equal(await page.evaluate(() => fakeLoads.length), 1, "nothing was loaded without consent");
      await page.getByRole("button", { name: "Download and load" }).click();
      await ready(page, model);
    }));

  test("the page loads a model from chosen files", () =>
    open("", async (page) => {
      await ready(page);
      await page.getByRole("button", { name: "Change model" }).click();
      await page
        .locator("#model-files")
        .setInputFiles(
          ["config.json", "model.safetensors"].map((name) => ({ name, mimeType: "", buffer: Buffer.from("x") })),
        );
      await ready(page, "files of this device");
      assert.equal(await page.evaluate(() => fakeLoads[1].source), "config.json, model.safetensors");
    }));

  test("the page takes of a dropped folder its own files, and not those of checkpoints in it", () =>
    open("", async (page) => {
      await ready(page);
      const folder = await mkdtemp(join(tmpdir(), "model-"));
      try {
        await mkdir(join(folder, "checkpoint-500"));
        await writeFile(join(folder, "checkpoint-500", "config.json"), "x");
        await dropOn(page, folder);
        await page
          .locator("#task-status", { hasText: /has no files of its own; drop the folder with the model's files/ })
          .waitFor();
        for (const name of ["config.json", "model.safetensors"]) await writeFile(join(folder, name), "x");
        await dropOn(page, folder);
        await ready(page, basename(folder));
        const taken = async (at) => (await page.evaluate((at) => fakeLoads[at].source, at)).split(", ").sort();
        assert.deepEqual(await taken(1), ["config.json", "model.safetensors"]);
        // A chain of modules has each in a folder of its own.
        await rm(join(folder, "checkpoint-500"), { recursive: true });
        await mkdir(join(folder, "2_Dense"));
        for (const name of ["modules.json", "2_Dense/weights.bin"]) await writeFile(join(folder, name), "x");
        await dropOn(page, folder);
        await page.waitForFunction(() => fakeLoads.length > 2);
        await ready(page, basename(folder));
        assert.deepEqual(await taken(2), ["config.json", "model.safetensors", "modules.json", "weights.bin"]);
      } finally {
        await rm(folder, { recursive: true });
      }
    }));

  test("the page offers how weights are held, with what each takes, and keeps the choice", () =>
    open("", async (page) => {
      await ready(page);
      await page.getByRole("button", { name: "Change model" }).click();
      const group = page.getByRole("group", { name: "How weights are held" });
      await page.locator("#kept li").waitFor();
      assert.equal(await group.isVisible(), false, "the package's own model has the bits that it was trained for");

      // The question before a download offers the choice, which changes nothing about the download.
      await page.getByLabel("Hub id").fill("btan2/cappy-large");
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: "Download 1.42 GB" }).waitFor();
      assert.equal(await group.getByRole("radio", { name: "As they are stored" }).isChecked(), true);
      assert.match(
        await group.innerText(),
        /4 bits \(q4\).*\s+download 1.42 GB, graphics memory 215 MB[^]*The download stays the same/,
      );
      await group.getByRole("radio", { name: "8 bits (q8)" }).check();
      assert.equal(await page.locator("#weights-apply").isVisible(), false);
      await page.getByRole("button", { name: "Download and load" }).click();
      await page.locator("#facts-line", { hasText: "weights in 8 bits" }).waitFor();
      assert.deepEqual(await page.evaluate(() => [fakeLoads[1].source, fakeLoads[1].dtype]), [
        "btan2/cappy-large",
        "q8",
      ]);
      await page.getByRole("button", { name: "Change model" }).click();
      for (const [name, costs] of [
        ["As they are stored", "nothing to download, graphics memory 711 MB"],
        ["16 bits (f16)", "nothing to download, graphics memory 711 MB"],
        ["8 bits (q8)", "nothing to download, graphics memory 375 MB"],
        ["4 bits (q4)", "nothing to download, graphics memory 215 MB"],
      ]) {
        await group.locator("label", { hasText: name }).getByText(costs).waitFor();
      }
      // Arrows choose, and load nothing yet.
      await group.getByRole("radio", { name: "8 bits (q8)" }).focus();
      await page.keyboard.press("ArrowDown");
      assert.equal(await page.evaluate(() => fakeLoads.length), 2);
      await page.keyboard.press("Tab");
      await page.keyboard.press("Enter");
      await page.locator("#facts-line", { hasText: "weights in 4 bits" }).waitFor();
      assert.equal(await page.locator("#announce").textContent(), "Ready: btan2/cappy-large, weights in 4 bits");
      assert.equal(await page.evaluate(() => document.activeElement.id), "change-model");
      assert.equal(await page.evaluate(() => fakeLoads[2].dtype), "q4");

      // The choice is kept, and is none for the package's own model.
      await page.reload();
      await ready(page);
      assert.equal(await page.evaluate(() => fakeLoads[0].dtype), "auto");
      assert.equal(await page.locator('#weights [value="q4"]').isChecked(), true);
    }));

  const errors = {
    "no-webgpu": /no WebGPU/,
    "no-adapter": /no graphics adapter/,
    "adapter-too-small": /too small/,
    "out-of-memory": /memory is full/,
    quota: /too little storage/,
    network: /could not be reached/,
    unauthorized: /access token/,
    "not-found": /no such model/,
    checkpoint: /weights is broken/,
  };
  for (const [code, title] of Object.entries(errors)) {
    test(`the page says what to do about ${code}, and tries again`, () =>
      open(`?fail=${code}&times=1`, async (page) => {
        const alert = page.locator("#model-error");
        assert.equal(await alert.getAttribute("role"), "alert");
        await alert.getByRole("heading", { name: title }).waitFor();
        assert.ok((await alert.getByRole("listitem").count()) > 0, "advice");
        assert.equal(
          await alert.locator("code").textContent(),
          `${code}: the fake: fails on request while it is to load`,
        );
        await alert.getByRole("button", { name: "Try again" }).click();
        await ready(page);
        assert.equal(await alert.textContent(), "");
      }));
  }

  test("the page shows errors of looking up and of ranking where they belong", async () => {
    await open("?fail=not-found&at=probe", async (page) => {
      await ready(page);
      await page.getByRole("button", { name: "Change model" }).click();
      await page.getByLabel("Hub id").fill("no/where");
      await page.keyboard.press("Enter");
      await page.locator("#source-error h3", { hasText: "no such model" }).waitFor();
      await ready(page);
    });
    await open("?fail=device-lost&at=rank&times=1", async (page) => {
      // The ranking that the page begins by itself fails, and leaves the focus where it is.
      await page.locator("#ranking-error h3", { hasText: "went away" }).waitFor();
      assert.equal(await page.evaluate(() => document.activeElement.tagName), "BODY");
      assert.match(await page.locator("#ranking-status").textContent(), /error after 1 of 4/);
      await page.getByRole("button", { name: "Try again" }).click();
      await page.waitForFunction(() => fakeLoads.length === 2, null, { polling: 50 });
    });
  });

  test("the page can be used with the keyboard alone", () =>
    open("", async (page) => {
      await ready(page);
      const seen = [];
      const tabTo = async (id) => {
        for (let steps = 0; steps < 30; steps += 1) {
          await page.keyboard.press("Tab");
          const now = await page.evaluate(() => {
            const { id, ariaLabel, tagName } = document.activeElement;
            const outline = getComputedStyle(document.activeElement).outlineStyle;
            return { name: id || ariaLabel || tagName, outline };
          });
          assert.notEqual(now.outline, "none", `${now.name} shows its focus`);
          seen.push(now.name);
          if (now.name === id) return;
        }
        assert.fail(`${id} is not reached: ${seen}`);
      };
      await tabTo("examples");
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("ArrowDown");
      await tabTo("instruction");
      assert.equal(await page.locator("#instruction").inputValue(), examples[1].instruction);
      await tabTo("paste-many");
      await page.keyboard.press("Enter");
      await page.keyboard.type("[0.9] typed");
      await page.keyboard.press("Escape");
      await page.locator("#paste-dialog").waitFor({ state: "hidden" });
      await tabTo("Remove candidate 4");
      await page.keyboard.press("Enter");
      await tabTo("add");
      await page.keyboard.press("Enter");
      await page.keyboard.type("[0.8] mine");
      await page.keyboard.press("Control+Enter");
      await ranked(page);
      assert.equal((await texts(page))[0], "[0.8] mine");
      await tabTo("rank");
      const links = ["A", "A", "A", "A"];
      assert.deepEqual(seen.slice(0, 9), [
        ...links,
        "change-model",
        "facts-line",
        "tab-rank",
        "examples",
        "instruction",
      ]);
    }));

  test("the page fits 320 px, and every control has a name", () =>
    open(
      "",
      async (page) => {
        await ready(page);
        await page.getByRole("button", { name: "Change model" }).click();
        await page.locator("#kept li").waitFor();
        await write(page, "w".repeat(300), ["w".repeat(300), "b"]);
        await page.locator("#rank").click();
        await ranked(page);
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 320);
        const nameless = await page
          .locator("button, input, select, textarea, progress")
          .evaluateAll((all) =>
            all
              .filter(
                (each) =>
                  !each.labels?.length &&
                  !each.ariaLabel &&
                  !each.getAttribute("aria-labelledby") &&
                  !each.innerText?.trim() &&
                  !each.hidden &&
                  each.checkVisibility(),
              )
              .map(({ id }) => id),
          );
        assert.deepEqual(nameless, []);
        const ids = await page.locator("[id]").evaluateAll((all) => all.map(({ id }) => id));
        assert.equal(new Set(ids).size, ids.length, "ids are unique");
        const small = await page
          .locator("button:not(.link)")
          .evaluateAll((all) =>
            all
              .filter((each) => each.checkVisibility() && each.getBoundingClientRect().height < 40)
              .map(({ id }) => id),
          );
        assert.deepEqual(small, [], "targets are large enough for fingers");
      },
      { viewport: { width: 320, height: 640 } },
    ));

  test("says so when the package's files are not there", () =>
    open("", async (page) => {
      await page.route("**/cappy-web/index.js", (route) =>
        route.fulfill({ status: 200, contentType: "text/javascript", body: "throw new Error('broken')" }),
      );
      await page.reload();
      await page.locator("#model-error code", { hasText: "broken" }).waitFor();
    }));
});
