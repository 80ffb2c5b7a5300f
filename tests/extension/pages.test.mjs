/**
 * The popup, the panel and the options in real Chromium, with the real engine and the embedded model.
 * Build first: scripts/build-extension.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { chromiumPath } from "../web/browser.mjs";
import { openChromium, until } from "./harness.mjs";
import { modelFiles, padded, serveModel } from "./model-server.mjs";

const QUESTION = "Which animal barks?";
const ANSWERS = ["A cat purrs and meows.", "The animal that barks is the dog.", "I do not know.", "Blue, mostly on Tuesdays."];
const CHAT = `<!doctype html><title>chat</title>
  <p data-message-author-role="user">${QUESTION}</p>
  <p data-message-author-role="assistant">${ANSWERS[0]}</p><p data-message-author-role="assistant">${ANSWERS[1]}</p>
  <p data-message-author-role="user">And which one purrs?</p><p data-message-author-role="assistant">${ANSWERS[2]}</p>`;

describe("the extension's pages", { skip: chromiumPath ? false : "no Chromium; set CHROME_PATH" }, () => {
  let host, files;

  before(async () => {
    host = await openChromium({ args: ["--force-prefers-reduced-motion"] });
    await host.context.grantPermissions(["clipboard-read", "clipboard-write"]);
    host.context.setDefaultTimeout(20_000);
    files = await modelFiles();
  });
  after(() => host?.close());

  /** A page of the extension that must not complain; storage is empty before, unless it is to stay. */
  async function open(path, act, { stay = false, prepare } = {}) {
    const page = await host.context.newPage();
    const said = [];
    page.on("console", (message) => {
      // Servers that are not there are part of these tests.
      const expected = /net::ERR_|status of 404/.test(message.text());
      if (["error", "warning"].includes(message.type()) && !expected) said.push(message.text());
    });
    page.on("pageerror", (error) => said.push(String(error)));
    try {
      if (!stay) await inPage(() => chrome.storage.local.clear());
      if (prepare) await page.addInitScript(...prepare);
      await page.goto(host.address(path));
      await act(page);
      assert.deepEqual(said, []);
      await checkNames(page);
    } finally {
      await page.close();
    }
  }

  /** Runs something in a page of the extension that does nothing else. */
  async function inPage(act, ...args) {
    const page = await host.openPage();
    try {
      return await page.evaluate(act, ...args);
    } finally {
      await page.close();
    }
  }

  const panel = (act, options) => open("panel/panel.html", act, options);
  const options = (act, more) => open("options/options.html", act, more);
  const stored = () => inPage(() => chrome.storage.local.get(null));
  const settings = async () => (await stored()).settings;
  const button = (page, name) => page.getByRole("button", { name, exact: true });
  const texts = (page) => page.locator(".result .text").allTextContents();
  const areas = (page) => page.locator("#answers textarea").evaluateAll((all) => all.map(({ value }) => value));
  const ranked = (page) => page.locator("#copy-result").waitFor();
  const clipboard = (page) => page.evaluate(() => navigator.clipboard.readText());

  async function write(page, instruction, answers) {
    await page.locator("#instruction").fill(instruction);
    await button(page, "Paste several").click();
    await page.locator("#paste-text").fill(answers.join("\n---\n"));
    await button(page, "Add").click();
  }

  /** What the package itself says, in a page of its own. */
  const scoresOf = (instruction, answers) => inPage(async ([instruction, answers]) => {
    const { Scorer } = await import("/cappy-web/index.js");
    const scorer = await Scorer.load();
    const scores = [...await scorer.score(instruction, answers)];
    scorer.dispose();
    return scores;
  }, [instruction, answers]);

  test("the panel ranks as the package does, live, and copies", () => panel(async (page) => {
    await button(page, "Rank").click();
    assert.equal(await page.locator("#task-status").textContent(), "Write the instruction first.");
    await page.locator("#instruction").fill(QUESTION);
    await button(page, "Add an answer").click();
    await page.keyboard.type(ANSWERS[0]);
    await button(page, "Paste several").click();
    await page.locator("#paste-text").fill(`${ANSWERS[1]}\nIt has\r\n --- \r\n${ANSWERS[2]}\n\n-----\n${ANSWERS[3]}\n---\n`);
    assert.equal(await page.locator("#paste-count").textContent(), "3 answers");
    await page.getByLabel("one answer").check();
    assert.equal(await page.locator("#paste-count").textContent(), "1 answer");
    await page.getByLabel(/several answers/).check();
    await button(page, "Add").click();
    const answers = [ANSWERS[0], `${ANSWERS[1]}\nIt has`, ...ANSWERS.slice(2)];
    assert.deepEqual(await areas(page), answers);
    await page.locator("#instruction").focus();
    await page.keyboard.press("Control+Enter");
    await ranked(page);

    const scores = await scoresOf(QUESTION, answers);
    const order = [...answers.keys()].sort((a, b) => scores[b] - scores[a]);
    assert.equal(order[0], 1, "the model knows which animal barks");
    assert.deepEqual(await texts(page), order.map((at) => answers[at]));
    assert.deepEqual(await page.locator(".result .value").allTextContents(), order.map((at) => scores[at].toFixed(4)));
    assert.deepEqual(await page.locator(".result .which").allTextContents(), order.map((at, place) => `Answer ${at + 1}${place ? "" : " · best"}`));
    const marks = await page.locator(".mark").allTextContents();
    assert.deepEqual(marks, answers.map((_, at) => `${order[0] === at ? "Best" : `Rank ${order.indexOf(at) + 1}`} · ${scores[at].toFixed(2)}`));
    assert.match(await page.locator("#ranking-about").textContent(), /^4 answers in .+ · The embedded model, f32\.$/);

    await button(page, "Copy the best").click();
    await page.getByText("Copied the best answer.").waitFor();
    assert.equal(await clipboard(page), answers[1]);
    await button(page, "Copy the result").click();
    await page.getByText("Copied as a list in Markdown.").waitFor();
    const copied = await clipboard(page);
    assert.ok(copied.startsWith(`> ${QUESTION}\n\n1. **${scores[1].toFixed(4)}**\n\n   ${ANSWERS[1]}\n   It has\n\n2. **`), copied);
    assert.ok(copied.endsWith("\nRanked by The embedded model.\n"), copied);
  }));

  test("the panel says when a ranking is stale, also by another model, and keeps it over closing", async () => {
    await panel(async (page) => {
      await write(page, QUESTION, ANSWERS);
      await button(page, "Rank").click();
      await ranked(page);
      const stale = page.locator("#stale");
      assert.equal(await stale.textContent(), "");
      await page.locator("#answers textarea").first().fill("changed");
      assert.match(await stale.textContent(), /have changed since/);
      assert.deepEqual((await page.locator(".mark").allTextContents()).map((mark) => mark === ""), [true, false, false, false]);
      await page.locator("#answers textarea").first().fill(ANSWERS[0]);
      assert.equal(await stale.textContent(), "", "as it was");
      const up = button(page, "Move answer 2 up");
      await up.focus();
      await page.keyboard.press("Enter");
      assert.deepEqual(await areas(page), [ANSWERS[1], ANSWERS[0], ...ANSWERS.slice(2)]);
      assert.equal(await page.evaluate(() => document.activeElement.ariaLabel), "Move answer 1 up", "the focus goes along");
      assert.equal(await stale.textContent(), "", "the order does not matter");
      assert.equal(await page.locator(".result .which").first().textContent(), "Answer 1 · best");
    });
    await host.settings({ model: { kind: "folder", name: "other" } });
    await panel(async (page) => {
      await ranked(page);
      assert.equal((await texts(page))[0], ANSWERS[1]);
      assert.deepEqual(await areas(page), [ANSWERS[1], ANSWERS[0], ...ANSWERS.slice(2)]);
      await page.locator("#stale", { hasText: "Another model has been chosen since this ranking: Folder other." }).waitFor();
    }, { stay: true });
  });

  test("the panel undoes, and loses nothing", async () => {
    await panel(async (page) => {
      await write(page, QUESTION, ANSWERS);
      await button(page, "Remove answer 2").click();
      assert.deepEqual(await areas(page), ANSWERS.filter((_, at) => at !== 1));
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
    await panel(async (page) => {
      await page.locator("#answers textarea").nth(3).waitFor();
      assert.deepEqual(await areas(page), ["written meanwhile", ANSWERS[1], ANSWERS[2], "the last word"]);
    }, { stay: true });
  });

  test("what is added elsewhere comes in while somebody writes", () => panel(async (page) => {
    await write(page, QUESTION, ["first"]);
    await until(async () => (await stored()).collection?.answers.length === 1);
    await page.locator("#answers textarea").focus();
    await page.keyboard.press("End");
    // Within the pause before writing is kept.
    await page.evaluate(async () => {
      const area = document.activeElement;
      area.value += ", and more";
      area.dispatchEvent(new Event("input", { bubbles: true }));
      const { collection } = await chrome.storage.local.get("collection");
      collection.answers.push({ id: "from-a-page", text: "selected <b>on</b> a page" });
      await chrome.storage.local.set({ collection });
    });
    await page.locator("#answers textarea").nth(1).waitFor();
    assert.deepEqual(await areas(page), ["first, and more", "selected <b>on</b> a page"]);
    assert.equal(await page.evaluate(() => document.activeElement.value), "first, and more", "the cursor stays");
    await until(async () => (await stored()).collection.answers[0].text === "first, and more");
    assert.equal((await stored()).collection.answers.length, 2);
  }));

  test("the panel cancels a ranking, and says what was cut", () => panel(async (page) => {
    const long = "word ".repeat(2000);
    await write(page, QUESTION, Array.from({ length: 150 }, (_, at) => `${at} ${long}`));
    await button(page, "Rank").click();
    await page.locator("#task-status", { hasText: /^[1-9]\d* of 150 scored$/ }).waitFor();
    assert.equal(await page.locator("#bar").getAttribute("max"), "150");
    await button(page, "Cancel").click();
    await page.locator("#ranking-about", { hasText: /^Cancelled after \d+ of 150 answers\.$/ }).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.id), "rank");
    assert.equal(await page.locator("#bar").isVisible(), false);
    assert.match(await page.locator(".result .note").first().textContent(), /^Not read to its end: with the instruction it is \d+ tokens too long/);
    assert.equal(await button(page, "Copy the best").isVisible(), false);
  }));

  test("the panel names an address that cannot be reached, and tries again", async () => {
    const site = await serveModel(files);
    await site.close();
    await inPage(() => chrome.storage.local.clear());
    await host.settings({ model: { kind: "url", url: site.url } });
    await panel(async (page) => {
      await write(page, QUESTION, ANSWERS);
      await button(page, "Rank").click();
      const box = page.locator(".error");
      await box.getByRole("heading", { name: "The server could not be reached" }).waitFor();
      assert.match(await box.locator("code").textContent(), new RegExp(`127\\.0\\.0\\.1:${site.port}`));
      await page.locator("#ranking-about", { hasText: "Stopped by an error after 0 of 4 answers." }).waitFor();
      assert.equal(await box.count(), 1, "said once");
      const back = await serveModel(files, site.port);
      try {
        await button(page, "Try again").click();
        await ranked(page);
        assert.equal(await box.count(), 0);
        assert.match(await page.locator("#ranking-about").textContent(), new RegExp(`· ${site.url}, f32`));
      } finally {
        await back.close();
      }
      await button(page, "Use the embedded model").click();
      await page.locator("#model", { hasText: /^The embedded modelReady/ }).waitFor();
    }, { stay: true });
  });

  test("Cappy-large tells its size before, and asks", () => panel(async (page) => {
    const sizes = { "config.json": 600, "tokenizer.json": 2_000_000, "pytorch_model.bin": 1_423_000_000 };
    await page.route("https://huggingface.co/**", (route) => {
      const size = sizes[route.request().url().split("/").at(-1)];
      const headers = { "access-control-allow-origin": "*", "access-control-expose-headers": "etag, content-length", etag: '"1"', "accept-ranges": "bytes" };
      if (!size) return route.fulfill({ status: 404, headers });
      if (route.request().method() === "HEAD") return route.fulfill({ headers: { ...headers, "content-length": String(size) } });
      return route.fulfill({ headers, body: JSON.stringify({ torch_dtype: "float32" }).padEnd(600) });
    });
    await button(page, "Use Cappy-large").click();
    await page.getByRole("heading", { name: "Download 1.43 GB for Cappy-large?" }).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Download 1.43 GB for Cappy-large?");
    const notice = await page.locator("#cost").innerText();
    for (const fact of ["To download\n1.43 GB", "Stored already\n0 bytes", "Graphics memory\n712 MB", "huggingface.co", "goes on later"]) {
      assert.ok(notice.includes(fact), notice);
    }
    await button(page, "Not now").click();
    assert.equal(await page.locator("#cost").innerText(), "");
    assert.equal(await settings(), undefined, "nothing was chosen");
    await page.unroute("https://huggingface.co/**");
    await button(page, "Use Cappy-large").click();
    await page.getByRole("heading", { name: "The server could not be reached" }).waitFor();
    assert.match(await page.locator("#cost code").textContent(), /huggingface\.co/);
    await button(page, "Not now").click();
    assert.equal(await page.evaluate(() => document.activeElement.id), "use-large");
  }));

  test("a download shows everywhere, is cancelled, and goes on where it stopped", async () => {
    const site = await serveModel({ ...files, "model.safetensors": padded(files["model.safetensors"], 12_000_000) });
    site.stall = 6_000_000;
    try {
      await options(async (page) => {
        await page.locator("#url").fill("somewhere");
        await button(page, "Look up").click();
        assert.match(await page.locator("#url-problem").textContent(), /whole address/);
        await page.locator("#url").fill(site.url);
        await page.keyboard.press("Enter");
        await page.getByRole("heading", { name: /^Download 1\d\.\d MB for http/ }).waitFor();
        assert.match(await page.locator("#url-cost").innerText(), /Stored already\s+0 bytes/);
        await button(page, "Download and use").click();
        await page.locator("#model", { hasText: /Downloading · [4-6]\.\d+ MB of 1\d\.\d MB/ }).waitFor();
        assert.deepEqual((await settings()).model, { kind: "url", url: site.url });
        await open("popup/popup.html", async (popup) => {
          await popup.locator("#model", { hasText: "Downloading" }).waitFor();
          const { value, max } = await popup.locator("#model progress").evaluate(({ value, max }) => ({ value, max }));
          assert.ok(value > 4e6 && value < 8e6 && max > 12e6, `${value} of ${max}`);
          await button(popup, "Cancel loading the model").click();
          await popup.getByText(`Cancelled. What was downloaded of ${site.url} is kept.`).waitFor();
          await popup.locator("#model", { hasText: /^The embedded modelNot loaded/ }).waitFor();
        }, { stay: true });
        assert.deepEqual((await settings()).model, { kind: "embedded" }, "or the next ranking would begin the download again");
        await page.locator("#stored li", { hasText: /not complete/ }).waitFor();
        site.asked.length = 0;
        await button(page, "Look up").click();
        await page.getByRole("heading", { name: /^Download the rest of http.+: \d(\.\d+)? MB\?$/ }).waitFor();
        assert.match(await page.locator("#url-cost").innerText(), /goes on where it stopped/);
        site.go();
        await button(page, "Download and use").click();
        await page.locator("#model", { hasText: /Ready · f32/ }).waitFor();
        const again = site.asked.filter(({ from, to }) => from < 4 * 2 ** 20 && to - from > 1e6);
        assert.deepEqual(again, [], "what was there is not downloaded again");
        assert.ok(site.asked.some(({ from, to }) => from === 4 * 2 ** 20 && to - from > 1e6));
        await button(page, `Delete ${site.url}`).click();
        await page.locator("#deleted", { hasText: `Deleted ${site.url}` }).waitFor();
        await button(page, `Delete ${site.url}`).waitFor({ state: "detached" });
        assert.deepEqual((await settings()).model, { kind: "embedded" });
      });
    } finally {
      await site.close();
    }
  });

  test("options apply at once, and the engine follows", () => options(async (page) => {
    await page.locator("#dtype").selectOption("f16");
    await page.locator("#saved", { hasText: "Saved" }).waitFor();
    await button(page, "Load now").click();
    await page.getByRole("heading", { name: "This graphics adapter is too small for the model" }).waitFor();
    await page.locator("#dtype").selectOption("f32");
    await button(page, "Load now").click();
    await page.locator("#model", { hasText: /Ready · f32 · .+ of graphics memory/ }).waitFor();
    await page.locator("#idle").fill("0");
    await page.keyboard.press("Tab");
    assert.equal((await settings()).idleMinutes, 5, "too short");
    await page.locator("#idle").fill("7");
    await page.keyboard.press("Tab");
    await page.getByLabel("Only which answer is best").check();
    await page.getByLabel("Show badges on pages").uncheck();
    await until(async () => (await settings()).on === false);
    const { dtype, idleMinutes, badge } = await settings();
    assert.deepEqual([dtype, idleMinutes, badge], ["f32", 7, "best"]);
    // What changes elsewhere is shown.
    await host.settings({ badge: "rank" });
    await page.waitForFunction(() => document.querySelector('input[value="rank"]').checked);
    await button(page, "Put away").click();
    await page.locator("#model", { hasText: "Not loaded" }).waitFor();
    const keys = await page.locator("#keys > div").allInnerTexts();
    assert.ok(keys.some((key) => /Add the selected text as answer\s+Alt\+Shift\+D/.test(key)), keys.join());
  }));

  test("sites are allowed, switched off and withdrawn in the options", () => options(async (page) => {
    await agreeTo("https://claude.ai/*");
    await button(page, "Allow Cappy on Claude").click();
    await page.getByLabel("Show badges on Claude").uncheck();
    await until(async () => (await settings())?.sitesOff?.includes("claude"));
    await page.getByLabel("Show badges on Claude").check();
    await until(async () => (await settings()).sitesOff.length === 0);
    const granted = () => inPage(async () => (await chrome.permissions.getAll()).origins);
    assert.deepEqual(await granted(), ["https://claude.ai/*"]);
    await button(page, "Withdraw the permission for Claude").click();
    await button(page, "Allow Cappy on Claude").waitFor();
    assert.deepEqual(await granted(), []);
  }));

  test("a model from a folder is checked, copied and used", () => options(async (page) => {
    const folder = await mkdtemp(join(tmpdir(), "Möder model "));
    try {
      await writeFile(join(folder, "config.json"), files["config.json"]);
      await page.locator("#folder-input").setInputFiles(folder);
      await page.locator("#folder-error code", { hasText: "missing: tokenizer.json, model.safetensors or pytorch_model.bin" }).waitFor();
      for (const [name, bytes] of Object.entries({ ...files, "README.md": "x" })) await writeFile(join(folder, name), bytes);
      await page.locator("#folder-input").setInputFiles(folder);
      await page.getByRole("heading", { name: /^Copy \d.+ into this browser\?$/ }).waitFor();
      assert.match(await page.locator("#folder-name").inputValue(), /^M-der-model-\w+$/);
      assert.equal(await page.locator("#plan li").count(), 3, "only what the model needs");
      await page.locator("#folder-name").fill("mine");
      await slowWrites(page, 300);
      await button(page, "Copy and use").click();
      await page.locator("#plan progress").waitFor();
      await button(page, "Cancel copying the model").click();
      await page.getByText("Cancelled. Nothing was stored.").waitFor();
      assert.deepEqual((await inStorage()).picked, {});
      await slowWrites(page, 0);
      await page.locator("#files-input").setInputFiles(Object.keys(files).map((name) => join(folder, name)));
      await page.locator("#folder-name").fill("mine");
      await button(page, "Copy and use").click();
      await page.locator("#model", { hasText: /^Folder mineReady/ }).waitFor();
      assert.deepEqual((await settings()).model, { kind: "folder", name: "mine" });
      assert.deepEqual((await inStorage()).picked.mine, Object.fromEntries(Object.entries(files).map(([name, { length }]) => [name, length])));
      await button(page, "Delete folder mine").click();
      await page.locator("#deleted", { hasText: "Deleted folder mine." }).waitFor();
      assert.deepEqual((await inStorage()).picked, {});
      assert.deepEqual((await settings()).model, { kind: "embedded" });
    } finally {
      await rm(folder, { recursive: true });
    }
  }));

  test("deleting everything leaves nothing", async () => {
    await host.grant(["https://claude.ai/*"]);
    await panel(async (page) => {
      await write(page, QUESTION, ANSWERS);
      await button(page, "Rank").click();
      await ranked(page);
    });
    // As the package does on an adapter that is worth measuring.
    await inPage(async () => {
      const cappy = await (await navigator.storage.getDirectory()).getDirectoryHandle("cappy", { create: true });
      const out = await (await (await cappy.getDirectoryHandle("tuning", { create: true })).getFileHandle("a", { create: true })).createWritable();
      await out.write("kernels");
      await out.close();
    });
    await options(async (page) => {
      await page.locator("#dtype").selectOption("f32");
      await page.locator("#files-input").setInputFiles(Object.entries(files).map(([name, buffer]) => ({ name, mimeType: "", buffer })));
      await button(page, "Copy and use").click();
      await page.locator("#model", { hasText: /^Folder modelReady/ }).waitFor();
      await button(page, "Delete everything").click();
      const dialog = page.getByRole("dialog", { name: "Delete everything?" });
      await button(dialog, "Keep it").click();
      assert.ok((await stored()).collection);
      await button(page, "Delete everything").click();
      await button(dialog, "Delete everything").click();
      const said = page.locator("#deleted", { hasText: "Nothing is stored any more." });
      await said.waitFor();
      for (const what of ["the settings", "the instruction", "4 answers", "the last ranking", "1 model (", "measurements", "1 site address"]) {
        assert.ok((await said.textContent()).includes(what), await said.textContent());
      }
    }, { stay: true });
    assert.deepEqual(await inStorage(), {});
    const left = await inPage(async () => {
      const { permissions, origins } = await chrome.permissions.getAll();
      return {
        local: await chrome.storage.local.get(null), session: await chrome.storage.session.get(null),
        caches: await caches.keys(), origins, scripting: permissions.includes("scripting"),
      };
    });
    assert.deepEqual(left, { local: {}, session: {}, caches: [], origins: [], scripting: false });
  });

  test("the popup knows a site, asks, shows what is found, and switches off", async () => {
    await inPage(() => chrome.storage.local.clear());
    await host.serve("https://chatgpt.com/c/1", { body: CHAT });
    const site = await host.openSite("https://chatgpt.com/c/1", { body: CHAT });
    await popupOn(site, async (popup) => {
      await button(popup, "Show badges on chatgpt.com").waitFor();
      await agreeTo("https://chatgpt.com/*");
      await button(popup, "Show badges on chatgpt.com").click();
      await popup.getByText("3 answers to 2 prompts; 1 prompt has badges.").waitFor();
      await popup.getByLabel("Badges on chatgpt.com").uncheck();
      await until(async () => (await settings()).sitesOff.includes("chatgpt"));
      await popup.getByText("3 answers").waitFor({ state: "detached" });
      await popup.getByLabel("Badges on chatgpt.com").check();
      await popup.getByText("1 prompt has badges.").waitFor();
      await popup.getByRole("switch", { name: "Badges", exact: true }).uncheck();
      await popup.getByText("Badges are switched off everywhere.").waitFor();
      assert.equal((await settings()).on, false);
      await popup.getByRole("switch", { name: "Badges", exact: true }).check();
      await popup.getByText("1 prompt has badges.").waitFor();
    });
    await site.close();
    await host.revoke(["https://chatgpt.com/*"], ["scripting"]);
  });

  test("the popup looks at other pages when asked, and says where it may not", async () => {
    const page = await host.openSite("https://example.org/", { body: CHAT });
    await page.bringToFront();
    await grantActiveTab(page);
    await popupOn(page, async (popup) => {
      assert.match(await popup.locator("#page").innerText(), /Use as instruction.+Paste answers into the side panel/s);
      await button(popup, "Rank answers on this page").click();
      await popup.getByText("3 answers to 2 prompts; 1 prompt has badges.").waitFor();
      await button(popup, "Take the badges off this page").click();
      await button(popup, "Rank answers on this page").waitFor();
      await page.evaluate(() => document.body.replaceChildren());
      await button(popup, "Rank answers on this page").click();
      await popup.getByText("No answers were found on this page.").waitFor();
      await popup.getByText("Two other ways").waitFor();
    });
    await page.goto("chrome://version");
    await popupOn(page, async (popup) => {
      await popup.getByText("The browser lets no extension into this page.").waitFor();
      assert.equal(await button(popup, "Rank answers on this page").count(), 0);
      const panels = () => host.worker(async () => (await chrome.runtime.getContexts({ contextTypes: ["SIDE_PANEL"] })).length);
      assert.equal(await panels(), 0);
      // The popup closes then; here it has to stay.
      await popup.evaluate(() => { globalThis.close = () => {}; });
      await button(popup, "Open the side panel").click();
      await until(async () => (await panels()) === 1);
    });
    await page.close();
  });

  test("everything can be reached by keyboard, with the focus in sight", async () => {
    for (const path of ["panel/panel.html", "options/options.html", "popup/popup.html"]) {
      await open(path, async (page) => {
        const controls = page.locator("button:visible, input:visible:not([type=radio]), select:visible, textarea:visible, input[type=radio]:checked:visible");
        const missed = new Set(await controls.evaluateAll((all) => all.map((each, at) => { each.dataset.at = at; return at; })));
        await page.evaluate(() => document.body.focus());
        for (let steps = missed.size + 5; steps > 0 && missed.size > 0; steps -= 1) {
          await page.keyboard.press("Tab");
          const { at, outline } = await page.evaluate(() => ({
            at: Number(document.activeElement.dataset.at ?? -1), outline: getComputedStyle(document.activeElement).outlineStyle,
          }));
          if (missed.delete(at)) assert.notEqual(outline, "none", `${path}: the focus shows`);
        }
        assert.deepEqual([...missed], [], path);
      });
    }
  });

  /** Every control has a name, ids are unique, and nothing is wider than the narrowest panel. */
  async function checkNames(page) {
    const found = await page.locator("button, input, select, textarea, progress").evaluateAll((all) =>
      all.filter((each) => each.checkVisibility() && !each.labels?.length && !each.ariaLabel
        && !each.getAttribute("aria-labelledby") && !each.innerText?.trim()).map((each) => each.outerHTML));
    assert.deepEqual(found, [], "controls without a name");
    const ids = await page.locator("[id]").evaluateAll((all) => all.map(({ id }) => id));
    assert.deepEqual(ids.filter((id, at) => ids.indexOf(id) !== at), [], "ids that are not unique");
    await page.setViewportSize({ width: 300, height: 600 });
    const wide = await page.locator("body *").evaluateAll((all) =>
      all.filter((each) => each.checkVisibility() && each.getBoundingClientRect().right > 300 && !each.closest(".sr-only, .toast"))
        .map((each) => each.outerHTML.slice(0, 100)));
    assert.deepEqual(wide, [], "wider than 300 px");
  }

  /** The browser's question about a site counts as answered with yes. */
  async function agreeTo(origin) {
    const page = await host.context.newPage();
    await page.goto("chrome://extensions");
    await page.evaluate(([id, origin]) => chrome.developerPrivate.addHostPermission(id, origin), [host.id, origin]);
    await page.close();
  }

  /** The popup as if it was opened over `page`, which is the tab that was opened last. */
  async function popupOn(page, act) {
    const last = () => chrome.tabs.query({}).then((tabs) => tabs.sort((a, b) => b.id - a.id)[0]);
    const { id, windowId } = await host.worker(last);
    const fake = (tab) => { chrome.tabs.query = async () => [tab]; };
    await open("popup/popup.html", act, { stay: true, prepare: [fake, { id, windowId, url: page.url() }] });
  }

  /** Clicks on the toolbar's button, which lets the extension into the tab in front. */
  async function grantActiveTab(page) {
    const { targetInfos } = await host.browser.send("Target.getTargets", { filter: [{ type: "tab" }] });
    const { targetId } = targetInfos.find(({ url }) => url === page.url());
    await host.browser.send("Extensions.triggerAction", { id: host.id, targetId });
  }

  /** What is in the extension's private files: folders as objects, files as their sizes. */
  const inStorage = () => inPage(async () => {
    const look = async (folder) => {
      const found = {};
      for await (const [name, entry] of folder) found[name] = entry.kind === "file" ? (await entry.getFile()).size : await look(entry);
      return found;
    };
    return look(await navigator.storage.getDirectory());
  });

  /** Writing a file takes its time in this page. */
  const slowWrites = (page, ms) => page.evaluate((ms) => {
    globalThis.fast ??= FileSystemFileHandle.prototype.createWritable;
    FileSystemFileHandle.prototype.createWritable = async function () {
      await new Promise((resolve) => setTimeout(resolve, ms));
      return fast.call(this);
    };
  }, ms);
});
