// How accessible a page is, by axe.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Has axe check how accessible the page is as it stands: names, roles, contrast and so on. */
export async function checkAccess(page) {
  await page.evaluate(axe);
  const faults = await page.evaluate(async () => {
    // Colours that are on their way to others are none to judge.
    await Promise.all(document.getAnimations().map((each) => each.finished.catch(() => {})));
    const { violations } = await globalThis.axe.run();
    return violations.flatMap(({ id, help, nodes }) =>
      nodes.map(({ html }) => `${id}: ${help}: ${html.slice(0, 200)}`),
    );
  });
  assert.deepEqual(faults, []);
}
