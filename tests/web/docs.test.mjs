// The documentation: links between the repository's files lead somewhere, pages are short, and the site that
// scripts/docs builds of them can be read and searched.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { describe, test } from "node:test";
import { chromium } from "playwright-core";
import { chromiumArgs, chromiumPath, serve } from "./browser.mjs";
import { pages, root } from "./docs-pages.mjs";

const built = process.env.CAPPY_SITE ? join(root, process.env.CAPPY_SITE, "docs") : "";

test("links in Markdown lead to files that are there", () => {
  let links = 0;
  for (const [file, text] of pages()) {
    const prose = text.replace(/^\s*```.*?^\s*```/gms, "");
    for (const [, target] of prose.matchAll(/\]\((?!https?:|mailto:|#)([^)\s#]+)(?:#[^)\s]*)?\)/g)) {
      links++;
      const path = posix.join(posix.dirname(file), target);
      assert.ok(existsSync(join(root, path)), `${file} links to ${target}, and there is no ${path}`);
    }
  }
  assert.ok(links > 100, `${links} links`);
});

test("no page of the documentation is longer than 300 lines", () => {
  for (const [file, text] of pages()) {
    if (!file.startsWith("docs/")) continue;
    const lines = text.split("\n").length - 1;
    assert.ok(lines <= 300, `${file} has ${lines} lines`);
  }
});

describe("the documentation site", { skip: !existsSync(built) && "it was not built: scripts/docs" }, () => {
  const htmls = () =>
    readdirSync(built, { recursive: true, encoding: "utf8" })
      .map((name) => name.replaceAll("\\", "/"))
      .filter((name) => name.endsWith(".html") && !name.startsWith("rust/"));

  test("links within the site lead to pages and headings that are there", () => {
    const texts = new Map(htmls().map((name) => [name, readFileSync(join(built, name), "utf8")]));
    assert.ok(texts.size > 25, `${texts.size} pages`);
    const faults = [];
    for (const [name, text] of texts) {
      // The page's own text; what is around it is the same everywhere.
      const [, main = ""] = /<main[^>]*>(.*)<\/main>/s.exec(text) ?? [];
      for (const [, href] of main.matchAll(/ href="([^"]+)"/g)) {
        const { origin, pathname, hash } = new URL(href, `http://site/docs/${name}`);
        if (origin !== "http://site" || !pathname.startsWith("/docs/")) continue;
        const path = pathname.slice("/docs/".length).replace(/(^|\/)$/, "$1index.html");
        if (path.startsWith("rust/") || path.startsWith("assets/")) continue;
        const page = texts.get(path) ?? texts.get(`${path}.html`);
        const id = decodeURIComponent(hash.slice(1));
        if (!page) faults.push(`${name} links to ${href}, which is no page`);
        else if (id && !page.includes(` id="${id}"`))
          faults.push(`${name} links to ${href}, and there is no such heading`);
      }
    }
    assert.deepEqual(faults, []);
  });

  test("search finds a page, and the page asks no other server for anything", { timeout: 120_000 }, async () => {
    const server = await serve([["docs/", built]]);
    const browser = await chromium.launch({ executablePath: chromiumPath, args: chromiumArgs });
    try {
      const page = await browser.newPage();
      const { origin } = new URL(server.url);
      // The site was built for /docs/, and the server's folder is elsewhere.
      await page.route(`${origin}/docs/**`, (route) =>
        route.fulfill({ path: join(built, new URL(route.request().url()).pathname.slice("/docs/".length)) }),
      );
      const others = [];
      page.on("request", (request) => {
        if (!request.url().startsWith(origin)) others.push(request.url());
      });
      await page.goto(`${origin}/docs/javascript.html`);
      // The page is there before its scripts listen to keys.
      const input = page.locator("#localsearch-input");
      for (let isOpen = false; !isOpen; ) {
        await page.keyboard.press("Control+k");
        isOpen = await input.waitFor({ timeout: 2000 }).then(
          () => true,
          () => false,
        );
      }
      await input.fill("temperature");
      const first = page.locator("#localsearch-list a").first();
      await first.waitFor();
      await page.locator("#localsearch-list a", { hasText: "Calibration" }).first().click();
      await page.waitForURL(/decisions\.html#calibration/);
      await page.locator("main h1", { hasText: "Decisions" }).waitFor();
      assert.deepEqual(others, []);
    } finally {
      await browser.close();
      await server.close();
    }
  });
});
