// Takes the pictures for the extension stores, 1280 × 800, into store/pictures: badges on a page, the side panel with
// both tabs, the options. Build the extension first. Usage: node scripts/store-pictures.mjs

import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { badges, openFixture } from "../tests/extension/fixtures/open.mjs";
import { openChromium } from "../tests/extension/harness.mjs";

const out = fileURLToPath(new URL("../store/pictures", import.meta.url));
const SIZE = { width: 1280, height: 800 };
const QUESTION = "How do I get red wine out of a white tablecloth?";
const ANSWERS = [
  "Blot the stain, cover it with salt, rinse it with cold water, then wash the cloth with a stain remover.",
  "A tablecloth is a cloth that covers a table. White ones are popular at weddings.",
  "Red wine is made from dark grapes, and its colour comes from their skins.",
];
const LETTER =
  "I was charged twice for one order last week, and the second payment is still not back. Please send the money today.";

mkdirSync(out, { recursive: true });
const host = await openChromium({ colorScheme: "light" });
try {
  const panel = await host.openPage("panel/panel.html");
  await panel.setViewportSize(SIZE);
  await panel.locator("#instruction").fill(QUESTION);
  for (const answer of ANSWERS) {
    await panel.getByRole("button", { name: "Add an answer", exact: true }).click();
    await panel.keyboard.type(answer);
  }
  await panel.getByRole("button", { name: "Rank" }).first().click();
  await panel.locator(".result .value").nth(2).waitFor({ timeout: 60_000 });
  await panel.screenshot({ path: `${out}/panel.png` });

  const options = await host.openPage("options/options.html");
  await options.setViewportSize(SIZE);
  await options.screenshot({ path: `${out}/options.png` });

  const url = "https://chatgpt.com/c/1";
  await host.grant(["https://chatgpt.com/*"]);
  const site = await openFixture(host, url, "chatgpt.html", SIZE);
  for (const end = Date.now() + 60_000; ; await site.waitForTimeout(200)) {
    const all = await badges(site);
    if (all.length > 0 && all.every(({ rank, changing }) => rank && !changing)) break;
    if (Date.now() > end) throw new Error(`no ranked badges: ${JSON.stringify(all)}`);
  }
  await site.screenshot({ path: `${out}/badges.png` });

  await panel.bringToFront();
  await panel.getByRole("tab", { name: "Decide" }).click();
  await panel.locator("#decide-text").fill(LETTER);
  await panel.locator("#decide-question").fill("How urgent is it?");
  await panel.getByLabel("a level of a scale").check();
  await panel.locator("#decide-options").fill("It can wait\nIt should be done this week\nIt must be done today");
  await panel.locator("#decide").click();
  await panel.getByRole("button", { name: "Copy the answer" }).waitFor({ timeout: 60_000 });
  await panel.screenshot({ path: `${out}/decide.png` });
} finally {
  await host.close();
}
