/**
 * The side panel in real Chromium, opened as a tab, with the real engine and cappy-mini.
 * Build first: scripts/build-extension.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { until } from "./harness.mjs";
import { MINI } from "./mini.mjs";
import { serveModel } from "./model-server.mjs";
import { ANSWERS, button, noBrowser, QUESTION, ranked, setUp, slowTimers, write } from "./pages.mjs";

describe("the side panel", { skip: noBrowser }, () => {
  const pages = setUp();
  const texts = (page) => page.locator(".result .text").allTextContents();
  const areas = (page) => page.locator("#answers textarea").evaluateAll((all) => all.map(({ value }) => value));
  /** Waits until these are the answers: what was written last may be stored a moment after another panel has read them. */
  const has = async (page, wanted) => {
    await until(async () => isDeepStrictEqual(await areas(page), wanted)).catch(() => {});
    assert.deepEqual(await areas(page), wanted);
  };
  const clipboard = (page) => page.evaluate(() => navigator.clipboard.readText());

  /** What the package itself says, in a page of its own, on the device that the panel's model is on. */
  const scoresOf = (instruction, answers) =>
    pages.inPage(
      async ([name, instruction, answers]) => {
        const { Scorer } = await import("/cappy-web/index.js");
        const root = await navigator.storage.getDirectory();
        const folder = await (await root.getDirectoryHandle("picked")).getDirectoryHandle(name);
        const files = [];
        for await (const file of folder.keys()) files.push(await (await folder.getFileHandle(file)).getFile());
        const scorer = await Scorer.load(files, { device: "cpu" });
        const scores = [...(await scorer.score(instruction, answers))];
        scorer.dispose();
        return scores;
      },
      [MINI.name, instruction, answers],
    );

  test("the panel ranks as the package does, live, and copies", () =>
    pages.panel(async (page) => {
      await button(page, "Rank").click();
      assert.equal(await page.locator("#task-status").textContent(), "Write the instruction first.");
      await page.locator("#instruction").fill(QUESTION);
      await button(page, "Add an answer").click();
      await page.keyboard.type(ANSWERS[0]);
      await button(page, "Paste several").click();
      await page
        .locator("#paste-text")
        .fill(`${ANSWERS[1]}\nIt has\r\n --- \r\n${ANSWERS[2]}\n\n-----\n${ANSWERS[3]}\n---\n`);
      assert.equal(await page.locator("#paste-count").textContent(), "3 answers");
      await page.getByLabel("one answer").check();
      assert.equal(await page.locator("#paste-count").textContent(), "1 answer");
      await page.getByLabel(/several answers/).check();
      await button(page, "Add").click();
      const answers = [ANSWERS[0], `${ANSWERS[1]}\nIt has`, ...ANSWERS.slice(2)];
      // The event of a closed dialog comes a little later.
      await page.locator("#answers textarea").nth(3).waitFor();
      assert.deepEqual(await areas(page), answers);
      await page.locator("#instruction").focus();
      await page.keyboard.press("Control+Enter");
      await ranked(page);

      const scores = await scoresOf(QUESTION, answers);
      const order = [...answers.keys()].sort((a, b) => scores[b] - scores[a]);
      assert.equal(order[0], 1, "the model knows which animal barks");
      assert.deepEqual(
        await texts(page),
        order.map((at) => answers[at]),
      );
      assert.deepEqual(
        await page.locator(".result .value").allTextContents(),
        order.map((at) => scores[at].toFixed(4)),
      );
      assert.deepEqual(
        await page.locator(".result .which").allTextContents(),
        order.map((at, place) => `Answer ${at + 1}${place ? "" : " · best"}`),
      );
      const marks = await page.locator(".mark").allTextContents();
      assert.deepEqual(
        marks,
        answers.map(
          (_, at) =>
            `${order[0] === at ? "Best" : `Rank ${order.indexOf(at) + 1}`} · ${scores[at].toFixed(2).replace("-0.00", "0.00")}`,
        ),
      );
      assert.match(await page.locator("#ranking-about").textContent(), /^4 answers in .+ · Folder cappy-mini, f32\.$/);

      await button(page, "Copy the best").click();
      await page.getByText("Copied the best answer.").waitFor();
      assert.equal(await clipboard(page), answers[1]);
      await button(page, "Copy the result").click();
      await page.getByText("Copied as a list in Markdown.").waitFor();
      const copied = await clipboard(page);
      assert.ok(
        copied.startsWith(`> ${QUESTION}\n\n1. **${scores[1].toFixed(4)}**\n\n   ${ANSWERS[1]}\n   It has\n\n2. **`),
        copied,
      );
      assert.ok(copied.endsWith("\nRanked by Folder cappy-mini.\n"), copied);
    }));

  test("the panel says when a ranking is stale, also by another model, and stores it over closing", async () => {
    await pages.panel(async (page) => {
      await write(page, QUESTION, ANSWERS);
      await button(page, "Rank").click();
      await ranked(page);
      const stale = page.locator("#stale");
      assert.equal(await stale.textContent(), "");
      await page.locator("#answers textarea").first().fill("changed");
      assert.match(await stale.textContent(), /have changed since/);
      assert.deepEqual(
        (await page.locator(".mark").allTextContents()).map((mark) => mark === ""),
        [true, false, false, false],
      );
      await page.locator("#answers textarea").first().fill(ANSWERS[0]);
      assert.equal(await stale.textContent(), "", "as it was");
      const up = button(page, "Move answer 2 up");
      await up.focus();
      await page.keyboard.press("Enter");
      assert.deepEqual(await areas(page), [ANSWERS[1], ANSWERS[0], ...ANSWERS.slice(2)]);
      assert.equal(
        await page.evaluate(() => document.activeElement.ariaLabel),
        "Move answer 1 up",
        "the focus goes along",
      );
      assert.equal(await stale.textContent(), "", "the order does not matter");
      assert.equal(await page.locator(".result .which").first().textContent(), "Answer 1 · best");
    });
    await pages.host.settings({ model: { kind: "folder", name: "other" } });
    await pages.panel(
      async (page) => {
        await ranked(page);
        assert.equal((await texts(page))[0], ANSWERS[1]);
        await has(page, [ANSWERS[1], ANSWERS[0], ...ANSWERS.slice(2)]);
        await page
          .locator("#stale", { hasText: "Another model has been chosen since this ranking: Folder other." })
          .waitFor();
      },
      { stay: true },
    );
  });

  test("the panel undoes changes, and loses nothing", async () => {
    await pages.panel(async (page) => {
      await write(page, QUESTION, ANSWERS);
      await button(page, "Remove answer 2").click();
      assert.deepEqual(
        await areas(page),
        ANSWERS.filter((_, at) => at !== 1),
      );
      assert.equal(await page.locator("#done").textContent(), "Removed answer 2.");
      assert.equal(await page.evaluate(() => document.activeElement.ariaLabel), "Remove answer 2");
      await page.locator("#answers textarea").first().fill("written meanwhile");
      await button(page, "Undo").click();
      assert.deepEqual(await areas(page), ["written meanwhile", ...ANSWERS.slice(1)]);
      await button(page, "Clear").click();
      assert.deepEqual([await areas(page), await page.locator("#instruction").inputValue()], [[], ""]);
      await button(page, "Undo").click();
      assert.equal(await page.locator("#instruction").inputValue(), QUESTION);
      assert.deepEqual(await areas(page), ["written meanwhile", ...ANSWERS.slice(1)]);
      // Closed at once, as a panel may be.
      await page.locator("#answers textarea").last().fill("the last word");
    });
    await pages.panel(
      async (page) => {
        await has(page, ["written meanwhile", ANSWERS[1], ANSWERS[2], "the last word"]);
      },
      { stay: true },
    );
  });

  test("what is written before the panel has read the storage stays, and what is stored is added", async () => {
    await pages.host.forget();
    await pages.inPage(() =>
      chrome.runtime.sendMessage({
        v: 1,
        to: "background",
        type: "store",
        name: "collection",
        fields: { instruction: "", answers: [{ id: "kept", text: "kept before" }] },
      }),
    );
    const held = () => {
      const { sendMessage } = chrome.runtime;
      const until = new Promise((resolve) => {
        globalThis.goOn = () => resolve(undefined);
      });
      chrome.runtime.sendMessage = async (message) => {
        if (message.type === "read-stored") await until;
        return sendMessage.call(chrome.runtime, message);
      };
    };
    await pages.panel(
      async (page) => {
        await write(page, QUESTION, ["written early"]);
        assert.deepEqual(await areas(page), ["written early"]);
        await page.evaluate(() => globalThis.goOn());
        await page.locator("#answers textarea").nth(1).waitFor();
        assert.deepEqual(await areas(page), ["written early", "kept before"]);
        assert.equal(await page.locator("#instruction").inputValue(), QUESTION);
        await until(async () => (await pages.stored()).collection.answers.length === 2);
      },
      { stay: true, prepare: [held] },
    );
  });

  test("what is added elsewhere appears while the user is writing", () =>
    pages.panel(
      async (page) => {
        await write(page, QUESTION, ["first"]);
        await until(async () => (await pages.stored()).collection?.answers.length === 1);
        await page.locator("#answers textarea").focus();
        await page.keyboard.press("End");
        // During the pause after which the panel stores what was written.
        await page.evaluate(async () => {
          const area = document.activeElement;
          area.value += ", and more";
          area.dispatchEvent(new Event("input", { bubbles: true }));
          const say = (message) =>
            chrome.runtime.sendMessage({ v: 1, to: "background", name: "collection", ...message });
          const { value: collection } = await say({ type: "read-stored" });
          collection.answers.push({ id: "from-a-page", text: "selected <b>on</b> a page" });
          await say({ type: "store", fields: collection });
        });
        await page.locator("#answers textarea").nth(1).waitFor();
        assert.deepEqual(await areas(page), ["first, and more", "selected <b>on</b> a page"]);
        assert.equal(await page.evaluate(() => document.activeElement.value), "first, and more", "the cursor stays");
        await until(async () => (await pages.stored()).collection.answers[0].text === "first, and more");
        assert.equal((await pages.stored()).collection.answers.length, 2);
      },
      { prepare: [slowTimers] },
    ));

  test("the panel cancels a ranking, and shows which answers were cut", () =>
    pages.panel(async (page) => {
      // Longer than what the model reads, and short enough to be filled into a field quickly on a slow machine.
      const long = "word ".repeat(700);
      await write(
        page,
        QUESTION,
        Array.from({ length: 150 }, (_, at) => `${at} ${long}`),
      );
      await button(page, "Rank").click();
      await page.locator("#task-status", { hasText: /^[1-9]\d* of 150 scored$/ }).waitFor();
      assert.equal(await page.locator("#bar").getAttribute("max"), "150");
      await button(page, "Cancel").click();
      await page.locator("#ranking-about", { hasText: /^Cancelled after \d+ of 150 answers\.$/ }).waitFor();
      assert.equal(await page.evaluate(() => document.activeElement.id), "rank");
      assert.equal(await page.locator("#bar").isVisible(), false);
      assert.match(
        await page.locator(".result .note").first().innerText(),
        /^Not read to its end: with the instruction it is \d+ tokens too long/,
      );
      assert.equal(await button(page, "Copy the best").isVisible(), false);
    }));

  test("the panel names an address that cannot be reached, and tries again", async (t) => {
    const site = await serveModel(pages.files);
    t.after(() => site.close());
    site.away = true;
    await pages.host.forget();
    await pages.host.settings({ model: { kind: "url", url: site.url } });
    await pages.panel(
      async (page) => {
        await write(page, QUESTION, ANSWERS);
        await button(page, "Rank").click();
        const box = page.locator(".error");
        await box.getByRole("heading", { name: "The server could not be reached" }).waitFor();
        assert.match(await box.locator("code").textContent(), new RegExp(`127\\.0\\.0\\.1:${site.port}`));
        await page.locator("#ranking-about", { hasText: "Stopped by an error after 0 of 4 answers." }).waitFor();
        assert.equal(await box.count(), 1, "said once");
        site.away = false;
        await button(page, "Try again").click();
        await ranked(page);
        assert.equal(await box.count(), 0);
        assert.match(await page.locator("#ranking-about").textContent(), new RegExp(`· ${site.url}, f32`));
        await button(page, "Use Cappy-small").click();
        await pages.ready(page, "Cappy-small", /^Cappy-smallComes with the extension · 1\d\.\d MBReady/);
        await button(page, "Rank").click();
        // Here the package itself finds the faster device: the CPU holds these weights as f32, and a GPU as q4.
        await page.locator("#ranking-about", { hasText: /^4 answers in .+ · Cappy-small, (f32|q4)\.$/ }).waitFor();
      },
      { stay: true },
    );
  });

  test("before Cappy-large is downloaded the panel shows its size and asks", () =>
    pages.panel(async (page) => {
      const sizes = { "config.json": 600, "tokenizer.json": 2_000_000, "pytorch_model.bin": 1_423_000_000 };
      await page.route("https://huggingface.co/**", (route) => {
        const size = sizes[route.request().url().split("/").at(-1)];
        const headers = {
          "access-control-allow-origin": "*",
          "access-control-expose-headers": "etag, content-length",
          etag: '"1"',
          "accept-ranges": "bytes",
        };
        if (!size) return route.fulfill({ status: 404, headers });
        if (route.request().method() === "HEAD")
          return route.fulfill({ headers: { ...headers, "content-length": String(size) } });
        const config = {
          torch_dtype: "float32",
          hidden_size: 1024,
          intermediate_size: 4096,
          num_hidden_layers: 24,
          vocab_size: 50265,
          max_position_embeddings: 514,
        };
        return route.fulfill({ headers, body: JSON.stringify(config).padEnd(600) });
      });
      await button(page, "Use Cappy-large").click();
      await page.getByRole("heading", { name: "Download 1.43 GB for Cappy-large?" }).waitFor();
      assert.equal(await page.evaluate(() => document.activeElement.textContent), "Download 1.43 GB for Cappy-large?");
      const notice = await page.locator("#cost").innerText();
      // In 4 bits, because nothing else was chosen.
      for (const fact of [
        "To download\n1.43 GB",
        "Stored already\n0 bytes",
        "Graphics memory\n215 MB",
        "huggingface.co",
        "goes on later",
        "in 4 bits. Of graphics memory they take 711 MB in 16 bits, 375 MB in 8 and 215 MB in 4",
      ]) {
        assert.ok(notice.includes(fact), notice);
      }
      await button(page, "Not now").click();
      assert.equal(await page.locator("#cost").innerText(), "");
      assert.deepEqual((await pages.settings()).model, MINI, "nothing was chosen");
      await page.unroute("https://huggingface.co/**");
      await button(page, "Use Cappy-large").click();
      await page.getByRole("heading", { name: "The server could not be reached" }).waitFor();
      assert.match(await page.locator("#cost code").textContent(), /huggingface\.co/);
      await button(page, "Not now").click();
      assert.equal(await page.evaluate(() => document.activeElement.id), "use-large");
    }));
});
