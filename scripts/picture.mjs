// Takes the picture of README.md, docs/pictures/page.png: the built demo page after it has ranked an example.
// Usage: node scripts/picture.mjs [SITE]

import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { chromiumArgs, chromiumPath, serve } from "../tests/web/browser.mjs";
import { ranked } from "../tests/web/demo-page.mjs";

const site = process.argv[2] ?? "site";
const server = await serve([["", site]]);
const browser = await chromium.launch({ executablePath: chromiumPath, args: chromiumArgs });
try {
  const page = await browser.newPage({
    viewport: { width: 1120, height: 920 },
    colorScheme: "light",
    reducedMotion: "reduce",
  });
  await page.goto(server.url);
  await page.locator("#model-name", { hasText: "cappy-small" }).waitFor({ timeout: 60_000 });
  await page.locator("#rank").click();
  await ranked(page);
  // The mouse is over the button that was clicked.
  await page.mouse.move(0, 0);
  await page.evaluate(() => scrollTo(0, 0));
  await page.screenshot({ path: fileURLToPath(new URL("../docs/pictures/page.png", import.meta.url)) });
} finally {
  await browser.close();
  await server.close();
}
