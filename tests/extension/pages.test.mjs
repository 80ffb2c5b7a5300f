/**
 * The popup and the options in real Chromium, opened as tabs, with the real engine; cappy-mini where any model will do.
 * Build first: scripts/build-extension.
 */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { chains, makeChain } from "../web/chains.mjs";
import { dropOn } from "../web/drop.mjs";
import { unchanging, until } from "./harness.mjs";
import { MINI } from "./mini.mjs";
import { padded, serveModel } from "./model-server.mjs";
import { ANSWERS, button, choose, noBrowser, QUESTION, ranked, setUp, write } from "./pages.mjs";

const CHAT = `<!doctype html><title>chat</title>
  <p data-message-author-role="user">${QUESTION}</p>
  <p data-message-author-role="assistant">${ANSWERS[0]}</p><p data-message-author-role="assistant">${ANSWERS[1]}</p>
  <p data-message-author-role="user">And which one purrs?</p><p data-message-author-role="assistant">${ANSWERS[2]}</p>`;

describe("the popup and the options", { skip: noBrowser }, () => {
  const pages = setUp();

  test("a download is shown on every page, can be cancelled, and resumes where it stopped", async () => {
    const site = await serveModel({
      ...pages.files,
      "model.safetensors": padded(pages.files["model.safetensors"], 12_000_000),
    });
    site.stall = 6_000_000;
    try {
      await pages.options(async (page) => {
        await page.locator("#url").fill("some where");
        await button(page, "Look up").click();
        assert.match(await page.locator("#url-problem").textContent(), /whole address/);
        await page.locator("#url").fill(site.url);
        await page.keyboard.press("Enter");
        await page.getByRole("heading", { name: /^Download 1\d\.\d MB for http/ }).waitFor();
        assert.match(await page.locator("#url-cost").innerText(), /Stored already\s+0 bytes/);
        await button(page, "Download and use").click();
        await page.locator("#model", { hasText: /Downloading · [4-6]\.\d+ MB of 1\d\.\d MB/ }).waitFor();
        assert.deepEqual((await pages.settings()).model, { kind: "url", url: site.url });
        await pages.open(
          "popup/popup.html",
          async (popup) => {
            await popup.locator("#model", { hasText: "Downloading" }).waitFor();
            const { value, max } = await popup
              .locator("#model progress")
              .evaluate(({ value, max }) => ({ value, max }));
            assert.ok(value > 4e6 && value < 8e6 && max > 12e6, `${value} of ${max}`);
            await button(popup, "Cancel loading the model").click();
            await popup.getByText(`Cancelled. What was downloaded of ${site.url} is kept.`).waitFor();
            // A call that waited for it, here of the options, uses the extension's own model.
            await popup
              .locator("#model", { hasText: /^Cappy-smallComes with the extension · 1\d\.\d MBReady/ })
              .waitFor();
          },
          { stay: true },
        );
        assert.deepEqual(
          (await pages.settings()).model,
          { kind: "embedded" },
          "or the next ranking would begin the download again",
        );
        await pages.ready(page, "Cappy-small", /^Cappy-small.*Ready/);
        await page.locator("#stored li", { hasText: /not complete/ }).waitFor();
        site.asked.length = 0;
        site.stall = 8_000_000;
        await button(page, "Look up").click();
        await page.getByRole("heading", { name: /^Download the rest of http.+: \d(\.\d+)? MB\?$/ }).waitFor();
        assert.match(await page.locator("#url-cost").innerText(), /goes on where it stopped/);
        await button(page, "Download and use").click();
        // The extension's own model is ready, too, and for a moment that is shown beside the address.
        await page.locator("#model", { hasText: /^http.*Downloading · [678]\.\d+ MB of 1\d\.\d MB/ }).waitFor();
        site.go();
        await pages.ready(page, site.url, /^http.*Ready · f32/);
        const again = site.asked.filter(({ from, to }) => from < 4 * 2 ** 20 && to - from > 1e6);
        assert.deepEqual(again, [], "what was there is not downloaded again");
        assert.ok(
          site.asked.some(({ from, to }) => from >= 4 * 2 ** 20 && to > from),
          "the rest is downloaded",
        );
        await button(page, `Delete ${site.url}`).click();
        await page.locator("#deleted", { hasText: `Deleted ${site.url}` }).waitFor();
        await button(page, `Delete ${site.url}`).waitFor({ state: "detached" });
        assert.deepEqual((await pages.settings()).model, { kind: "embedded" });
      });
    } finally {
      await site.close();
    }
  });

  test("options apply at once, and the engine follows", () =>
    pages.options(async (page) => {
      // How weights are held is a matter of the GPU, which is slower here, and would not be chosen.
      await pages.host.settings({ device: "gpu" });
      await page.locator("#dtype").selectOption("f16");
      await page.locator("#saved", { hasText: "Saved" }).waitFor();
      await button(page, "Load now").click();
      await page.getByRole("heading", { name: "This graphics adapter is too small for the model" }).waitFor();
      await page.locator("#dtype").selectOption("q4");
      await page
        .locator("#dtype-help", { hasText: /A third of the graphics memory.+rounded while they load/ })
        .waitFor();
      await button(page, "Load now").click();
      await page.locator("#model", { hasText: "Ready · q4 · " }).waitFor();
      await page.locator("#dtype").selectOption("f32");
      await button(page, "Load now").click();
      await page.locator("#model", { hasText: /Ready · f32 · .+ of graphics memory/ }).waitFor();
      await page.locator("#idle").fill("0");
      await page.keyboard.press("Tab");
      assert.equal((await pages.settings()).idleMinutes, undefined, "too short");
      await page.locator("#idle").fill("7");
      await page.keyboard.press("Tab");
      await choose(page.getByLabel("Only which answer is best"));
      await choose(page.getByLabel("Show badges on pages"), false);
      await until(async () => (await pages.settings()).on === false);
      const { dtype, idleMinutes, badge } = await pages.settings();
      assert.deepEqual([dtype, idleMinutes, badge], ["f32", 7, "best"]);
      // What changes elsewhere is shown.
      await pages.host.settings({ badge: "rank" });
      await page.waitForFunction(() => document.querySelector('input[value="rank"]').checked);
      await button(page, "Put away").click();
      await page.locator("#model", { hasText: "Not loaded" }).waitFor();
      const keys = await page.locator("#keys > div").allInnerTexts();
      assert.ok(
        keys.some((key) => /Add the selected text as answer\s+Alt\+Shift\+D/.test(key)),
        keys.join(),
      );
    }));

  test("sites are allowed, switched off and withdrawn in the options", () =>
    pages.options(async (page) => {
      await agreeTo("https://claude.ai/*");
      await button(page, "Allow Cappy on Claude").click();
      await page.getByLabel("Show badges on Claude").uncheck();
      await until(async () => (await pages.settings())?.sitesOff?.includes("claude"));
      await page.getByLabel("Show badges on Claude").check();
      await until(async () => (await pages.settings()).sitesOff.length === 0);
      const granted = () => pages.inPage(async () => (await chrome.permissions.getAll()).origins);
      assert.deepEqual(await granted(), ["https://claude.ai/*"]);
      await button(page, "Withdraw the permission for Claude").click();
      await button(page, "Allow Cappy on Claude").waitFor();
      assert.deepEqual(await granted(), []);
    }));

  test("a model from a folder is checked, copied and used as it is stored", () =>
    pages.options(async (page) => {
      await pages.host.settings({ device: "gpu" });
      const files = {};
      for (const name of Object.keys(pages.files)) {
        const at = name === "model.safetensors" ? `q4/${name}` : name;
        files[name] = await readFile(new URL(`../../models/cappy-mini/${at}`, import.meta.url));
      }
      const folder = await mkdtemp(join(tmpdir(), "Möder model "));
      try {
        await writeFile(join(folder, "config.json"), files["config.json"]);
        await page.locator("#folder-input").setInputFiles(folder);
        await page
          .locator("#folder-error code", { hasText: "missing: tokenizer.json, model.safetensors or pytorch_model.bin" })
          .waitFor();
        for (const [name, bytes] of Object.entries({ ...files, "README.md": "x" }))
          await writeFile(join(folder, name), bytes);
        await page.locator("#folder-input").setInputFiles(folder);
        await page.getByRole("heading", { name: /^Copy \d.+ into this browser\?$/ }).waitFor();
        assert.match(await page.locator("#folder-name").inputValue(), /^M-der-model-\w+$/);
        assert.equal(await page.locator("#plan li").count(), 3, "only what the model needs");
        await page.locator("#folder-name").fill("mine");
        await holdWrites(page, 1);
        await button(page, "Copy and use").click();
        await page.locator("#plan progress").waitFor();
        await page.locator("#plan", { hasText: /^Copied / }).waitFor();
        await button(page, "Cancel copying the model").click();
        await page.evaluate(() => globalThis.goOn());
        await page.getByText("Cancelled. Nothing was stored.").waitFor();
        assert.deepEqual(await picked(), {});
        await page.locator("#files-input").setInputFiles(Object.keys(files).map((name) => join(folder, name)));
        await page.locator("#folder-name").fill("mine");
        await button(page, "Copy and use").click();
        await pages.ready(page, "Folder mine", /^Folder mineReady · q4/);
        assert.deepEqual((await pages.settings()).model, { kind: "folder", name: "mine" });
        assert.deepEqual(
          (await picked()).mine,
          Object.fromEntries(Object.entries(files).map(([name, { length }]) => [name, length])),
        );
        await button(page, "Delete folder mine").click();
        await page.locator("#deleted", { hasText: "Deleted folder mine." }).waitFor();
        assert.deepEqual(await picked(), {});
        assert.deepEqual((await pages.settings()).model, { kind: "embedded" });
      } finally {
        await rm(folder, { recursive: true });
      }
    }));

  test("of a folder with checkpoints in it, chosen or dropped, its own files are offered", () =>
    pages.options(async (page) => {
      const folder = await mkdtemp(join(tmpdir(), "with-checkpoints-"));
      try {
        await mkdir(join(folder, "checkpoint-500"));
        for (const [name, bytes] of Object.entries(pages.files)) {
          await writeFile(join(folder, name), bytes);
          await writeFile(join(folder, "checkpoint-500", name), "of another model");
        }
        const offered = async () => {
          await page.locator("#plan li").nth(2).waitFor();
          const said = await page.locator("#plan li").allInnerTexts();
          assert.match(await page.locator("#folder-name").inputValue(), /^with-checkpoints-\w+$/);
          await button(page, "Not now").click();
          return said.map((line) => line.split(",")[0]).sort();
        };
        const own = Object.keys(pages.files).sort();
        await page.locator("#folder-input").setInputFiles(folder);
        assert.deepEqual(await offered(), own);
        await dropOn(page, folder);
        assert.deepEqual(await offered(), own);
        await dropOn(page, join(folder, "checkpoint-500"), folder);
        await page.locator("#folder-error code", { hasText: "input: several things were dropped" }).waitFor();
        // Without files of its own.
        for (const name of own) await rm(join(folder, name));
        await dropOn(page, folder);
        await page.locator("#folder-error code", { hasText: /has no files of its own/ }).waitFor();
      } finally {
        await rm(folder, { recursive: true });
      }
    }));

  test("of a folder whose head is a chain of modules, chosen or dropped, the modules' folders are copied and used", () =>
    pages.options(async (page) => {
      const folder = await mkdtemp(join(tmpdir(), "chain-"));
      try {
        await makeChain(await chains(), folder);
        await mkdir(join(folder, "onnx"));
        await writeFile(join(folder, "onnx/config.json"), "of another model");
        const modules = ["1_Pooling", "2_Dense", "3_LayerNorm", "4_Dense"];
        const own = [
          "config",
          "modules",
          "sentence_bert_config",
          "config_sentence_transformers",
          "tokenizer",
          "tokenizer_config",
        ];
        const files = [
          ...own.map((name) => `${name}.json`),
          ...modules.map((path) => `${path}/config.json`),
          ...["", ...modules.slice(1).map((path) => `${path}/`)].map((path) => `${path}model.safetensors`),
        ];
        const offered = async () => {
          await page.locator("#plan li").first().waitFor();
          return (await page.locator("#plan li").allInnerTexts()).map((line) => line.split(",")[0]);
        };
        await page.locator("#folder-input").setInputFiles(folder);
        assert.deepEqual((await offered()).sort(), files.sort());
        await button(page, "Not now").click();
        await dropOn(page, folder);
        assert.deepEqual((await offered()).sort(), files);
        await page.locator("#folder-name").fill("chain");
        await button(page, "Copy and use").click();
        await pages.ready(page, "Folder chain", /^Folder chainReady/);
        const { chain } = await picked();
        assert.deepEqual(
          Object.entries(chain)
            .flatMap(([name, inside]) => (inside > 0 ? name : Object.keys(inside).map((file) => `${name}/${file}`)))
            .sort(),
          files,
        );
        await button(page, "Delete folder chain").click();
        await page.locator("#deleted", { hasText: "Deleted folder chain." }).waitFor();
      } finally {
        await rm(folder, { recursive: true });
      }
    }));

  test("deleting everything leaves nothing", async () => {
    // What is counted below must not be what a test before has left that failed.
    await emptyStorage();
    await pages.host.grant(["https://claude.ai/*"]);
    await pages.panel(async (page) => {
      await write(page, QUESTION, ANSWERS);
      await button(page, "Rank").click();
      await ranked(page);
    });
    // As the package does on an adapter that is worth measuring.
    await pages.inPage(async () => {
      const cappy = await (await navigator.storage.getDirectory()).getDirectoryHandle("cappy", { create: true });
      const out = await (
        await (await cappy.getDirectoryHandle("tuning", { create: true })).getFileHandle("a", { create: true })
      ).createWritable();
      await out.write("kernels");
      await out.close();
    });
    await pages.options(
      async (page) => {
        // How weights are held is a matter of the GPU.
        await pages.host.settings({ device: "gpu" });
        await page.locator("#dtype").selectOption("f32");
        await page
          .locator("#files-input")
          .setInputFiles(Object.entries(pages.files).map(([name, buffer]) => ({ name, mimeType: "", buffer })));
        await button(page, "Copy and use").click();
        await pages.ready(page, "Folder model", /^Folder modelReady/);
        await button(page, "Delete everything").click();
        const dialog = page.getByRole("dialog", { name: "Delete everything?" });
        await button(dialog, "Keep it").click();
        await dialog.waitFor({ state: "hidden" });
        assert.ok((await pages.stored()).collection);
        await button(page, "Delete everything").click();
        await button(dialog, "Delete everything").click();
        const said = page.locator("#deleted", { hasText: "Nothing is stored any more." });
        await said.waitFor();
        for (const what of [
          "the settings",
          "the instruction",
          "4 answers",
          "the last ranking",
          "2 models (",
          "measurements",
          "1 site address",
        ]) {
          assert.ok((await said.textContent()).includes(what), await said.textContent());
        }
      },
      { stay: true },
    );
    assert.deepEqual(await inStorage(), {});
    const left = await pages.inPage(async () => {
      const { permissions, origins } = await chrome.permissions.getAll();
      return {
        databases: await indexedDB.databases(),
        caches: await caches.keys(),
        origins,
        scripting: permissions.includes("scripting"),
      };
    });
    assert.deepEqual(left, { databases: [], caches: [], origins: [], scripting: false });
  });

  test("the popup recognises a site, asks for the permission, shows what is found, and switches badges off", async (t) => {
    t.after(() => pages.host.revoke(["https://chatgpt.com/*"], ["scripting"]));
    await pages.host.forget();
    await pages.host.useMini();
    await pages.host.serve("https://chatgpt.com/c/1", { body: CHAT });
    const site = await pages.host.openSite("https://chatgpt.com/c/1", { body: CHAT });
    t.after(() => site.close());
    await popupOn(site, async (popup) => {
      await button(popup, "Show badges on chatgpt.com").waitFor();
      await agreeTo("https://chatgpt.com/*");
      await button(popup, "Show badges on chatgpt.com").click();
      await popup.getByText("3 answers to 2 prompts; 1 prompt has badges.").waitFor();
      await choose(popup.getByLabel("Badges on chatgpt.com"), false);
      await until(async () => (await pages.settings()).sitesOff.includes("chatgpt"));
      await popup.getByText("3 answers").waitFor({ state: "detached" });
      await choose(popup.getByLabel("Badges on chatgpt.com"));
      await popup.getByText("1 prompt has badges.").waitFor();
      const everywhere = popup.getByRole("switch", { name: "Badges", exact: true });
      await choose(everywhere, false);
      await popup.getByText("Badges are switched off everywhere.").waitFor();
      assert.equal((await pages.settings()).on, false);
      await choose(everywhere);
      await popup.getByText("1 prompt has badges.").waitFor();
    });
  });

  test("the popup looks at other pages when asked, and says where it is not allowed to", async (t) => {
    await pages.host.forget();
    await pages.host.useMini();
    const page = await pages.host.openSite("https://example.org/", { body: CHAT });
    t.after(() => page.close());
    await page.bringToFront();
    await grantActiveTab(page);
    await popupOn(page, async (popup) => {
      await button(popup, "Rank answers on this page").waitFor();
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
      const panels = () =>
        pages.host.worker(async () => (await chrome.runtime.getContexts({ contextTypes: ["SIDE_PANEL"] })).length);
      assert.equal(await panels(), 0);
      // The popup closes then; here it has to stay.
      await popup.evaluate(() => {
        globalThis.close = () => {};
      });
      await button(popup, "Open the side panel").click();
      await until(async () => (await panels()) === 1);
    });
  });

  test("everything can be reached by keyboard, with the focus in sight", async () => {
    /** @type {[path: string, lists: string[], tab?: string][]} */
    const all = [
      ["panel/panel.html", []],
      ["panel/panel.html", [], "Decide"],
      ["options/options.html", ["#sites li", "#stored li", "#folders li"]],
      ["popup/popup.html", ["#page > *"]],
    ];
    for (const [path, lists, tab] of all) {
      await pages.open(path, async (page) => {
        // Some controls appear only after the page has read what is stored.
        await page.locator("#model", { hasText: /^Folder cappy-mini/ }).waitFor();
        for (const list of lists) await page.locator(list).first().waitFor();
        if (tab) await page.getByRole("tab", { name: tab }).click();
        // Of tabs and of radio buttons the key leads to the chosen one, and arrows lead to the others.
        const controls = page.locator(
          "button:not([role=tab][aria-selected=false]):visible, input:visible:not([type=radio]), select:visible, textarea:visible, input[type=radio]:checked:visible",
        );
        await unchanging(() => controls.count());
        const missed = new Set(
          await controls.evaluateAll((all) =>
            all.map((each, at) => {
              each.dataset.at = at;
              return at;
            }),
          ),
        );
        assert.ok(missed.size > 0, path);
        await page.evaluate(() => document.body.focus());
        for (let steps = missed.size + 5; steps > 0 && missed.size > 0; steps -= 1) {
          await page.keyboard.press("Tab");
          const { at, outline } = await page.evaluate(() => ({
            at: Number(document.activeElement.dataset.at ?? -1),
            outline: getComputedStyle(document.activeElement).outlineStyle,
          }));
          if (missed.delete(at)) assert.notEqual(outline, "none", `${path}: the focus shows`);
        }
        assert.deepEqual([...missed], [], path);
      });
    }
  });

  /** The browser's question about a site counts as answered with yes. */
  async function agreeTo(origin) {
    const page = await pages.host.context.newPage();
    await page.goto("chrome://extensions");
    await page.evaluate(
      ([id, origin]) => chrome.developerPrivate.addHostPermission(id, origin),
      [pages.host.id, origin],
    );
    await page.close();
  }

  /** The popup as if it was opened over `page`, which is the tab that was opened last. */
  async function popupOn(page, act) {
    const last = () => chrome.tabs.query({}).then((tabs) => tabs.sort((a, b) => b.id - a.id)[0]);
    const { id, windowId } = await pages.host.worker(last);
    const fake = (tab) => {
      chrome.tabs.query = async () => [tab];
    };
    await pages.open("popup/popup.html", act, { stay: true, prepare: [fake, { id, windowId, url: page.url() }] });
  }

  /** Clicks on the toolbar's button, which lets the extension into the tab in front. */
  async function grantActiveTab(page) {
    const { targetInfos } = await pages.host.browser.send("Target.getTargets", { filter: [{ type: "tab" }] });
    const { targetId } = targetInfos.find(({ url }) => url === page.url());
    await pages.host.browser.send("Extensions.triggerAction", { id: pages.host.id, targetId });
  }

  /** What is in the extension's private files: folders as objects, files as their sizes. */
  const inStorage = () =>
    pages.inPage(async () => {
      const look = async (folder) => {
        const found = {};
        for await (const [name, entry] of folder)
          found[name] = entry.kind === "file" ? (await entry.getFile()).size : await look(entry);
        return found;
      };
      return look(await navigator.storage.getDirectory());
    });

  /** The models from folders, without cappy-mini, which these tests put there. */
  const picked = async () => {
    const { [MINI.name]: _, ...others } = (await inStorage()).picked;
    return others;
  };

  /** After so many files, writing another one waits in this page until `goOn()` is called. */
  const holdWrites = (page, files) =>
    page.evaluate((files) => {
      const { createWritable } = FileSystemFileHandle.prototype;
      const held = new Promise((resolve) => {
        globalThis.goOn = () => resolve(undefined);
      });
      FileSystemFileHandle.prototype.createWritable = async function () {
        files -= 1;
        if (files < 0) await held;
        return createWritable.call(this);
      };
    }, files);

  /** Deletes the settings, all models and measurements; what the engine has open is closed a moment later. */
  const emptyStorage = async () => {
    await pages.host.forget();
    const emptied = () =>
      pages.inPage(async () => {
        const root = await navigator.storage.getDirectory();
        const names = [];
        for await (const name of root.keys()) names.push(name);
        const deleted = names.map((name) => root.removeEntry(name, { recursive: true }));
        const kept = (await caches.keys()).map((name) => caches.delete(name));
        return (await Promise.allSettled([...deleted, ...kept])).every(({ status }) => status === "fulfilled");
      });
    await until(emptied, { what: "the storage to be emptied" });
  };
});
