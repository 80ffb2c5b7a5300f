// Draws the pictures that other programs show of the demo page: the card of social sites, and the icons of the
// installed page. Usage: draw-card.mjs, with Chromium in a usual place or named by CHROME_PATH. Writes www/*.png.

import { readFileSync, writeFileSync } from "node:fs";
import { chromium } from "playwright-core";
import { chromiumPath } from "../tests/web/browser.mjs";
import { examples } from "../www/examples.js";

const icon = readFileSync("www/favicon.svg", "utf8");
const palette = readFileSync("www/palette.css", "utf8");
/** The mark without its rounded ground, smaller, for systems that cut icons into a shape of their own. */
const maskable = icon
  .replace(
    /<rect width="32"[^>]*>/,
    '<rect width="32" height="32" fill="#0a6a58"/><g transform="translate(4.8 4.8) scale(.7)">',
  )
  .replace("</svg>", "</g></svg>");

const [{ instruction, candidates, best }] = examples;
/** The lengths are those of a drawing, so no score stands at them. */
const bars = candidates
  .map((text, place) => ({ text, right: place === best }))
  .sort((a, b) => Number(b.right) - Number(a.right))
  .map(({ text }, at) => `<li><p>${text}</p><span style="width:${[92, 48, 34, 22][at]}%"></span></li>`);

const card = `<!doctype html><style>${palette}
  * { box-sizing: border-box; margin: 0; padding: 0; }
  body { width: 1200px; height: 630px; padding: 64px; display: grid; grid-template-columns: 1fr 1fr; gap: 56px; background: var(--page); color: var(--ink); font: 28px/1.35 system-ui, "DejaVu Sans", sans-serif; align-items: center; }
  .mark { display: flex; align-items: center; gap: 20px; font-size: 44px; font-weight: 700; }
  .mark svg { width: 72px; }
  h1 { font-size: 56px; line-height: 1.12; letter-spacing: -.02em; margin: 32px 0 24px; }
  .card { background: var(--card); border: 1px solid var(--line); border-radius: 28px; padding: 36px; }
  .card h2 { font-size: 28px; margin-bottom: 12px; }
  li { list-style: none; padding: 12px 0; font-size: 24px; }
  li span { display: block; height: 12px; border-radius: 9px; background: var(--bar); margin-top: 8px; }
  li:first-child { font-weight: 700; color: var(--accent); } li:first-child span { background: var(--accent); }
</style><body><div><div class="mark">${icon}cappy</div><h1>Which answer is best?</h1><p>Ranked on your own machine.<br>0 bytes of your text are sent.</p></div><div class="card"><h2>${instruction}</h2><ol>${bars.join("")}</ol></div></body>`;

const square = (svg) =>
  `<!doctype html><style>* { margin: 0 } body { background: transparent } svg { display: block; width: 100vw }</style>${svg}`;

const browser = await chromium.launch({ executablePath: chromiumPath, args: ["--no-sandbox"] });
try {
  for (const [name, html, width, height] of /** @type {[string, string, number, number][]} */ ([
    ["card", card, 1200, 630],
    ["icon-180", square(maskable), 180, 180],
    ["icon-192", square(icon), 192, 192],
    ["icon-512", square(icon), 512, 512],
    ["icon-512-maskable", square(maskable), 512, 512],
  ])) {
    const page = await browser.newPage({ viewport: { width, height }, colorScheme: "light" });
    await page.setContent(html);
    writeFileSync(`www/${name}.png`, await page.screenshot({ omitBackground: true }));
    await page.close();
  }
} finally {
  await browser.close();
}
