// Takes the pictures for the extension stores, 1280 × 800, into store/pictures: badges on a page, the side panel, the
// options. Build the extension first. Usage: node scripts/store-pictures.mjs

import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { openChromium } from "../tests/extension/harness.mjs";

const out = fileURLToPath(new URL("../store/pictures", import.meta.url));
const SIZE = { width: 1280, height: 800 };
const QUESTION = "How do I get red wine out of a white tablecloth?";
const ANSWERS = [
  "Blot the stain, cover it with salt, rinse it with cold water, then wash the cloth with a stain remover.",
  "A tablecloth is a cloth that covers a table. White ones are popular at weddings.",
  "Red wine is made from dark grapes, and its colour comes from their skins.",
];

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

  await host.grant(["https://chatgpt.com/*"]);
  const site = await host.openSite("https://chatgpt.com/c/1", "chatgpt.html");
  await site.setViewportSize(SIZE);
  await site.locator("cappy-badge").first().waitFor({ timeout: 60_000 });
  await site.waitForTimeout(2_000);
  await site.screenshot({ path: `${out}/badges.png` });
} finally {
  await host.close();
}
