// The pages and the extension share one palette: no stylesheet writes a colour of its own, no colour that is
// used is missing, and the colours of the browser's own bars are those of the page.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (path) => readFileSync(join(root, path), "utf8");

const [light, dark] = [...read("www/palette.css").matchAll(/:root \{([^}]*)\}/g)].map(([, block]) =>
  Object.fromEntries([...block.matchAll(/(--[\w-]+): (#[0-9a-f]{6});/g)].map(([, name, color]) => [name, color])),
);

const stylesheets = ["www", "extension"].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".css") && !name.startsWith("dist") && name !== "palette.css")
    .map((name) => `${folder}/${name}`),
);

test("the palette has the same colours in light and dark", () => {
  assert.ok(Object.keys(light).length > 10);
  assert.deepEqual(Object.keys(dark), Object.keys(light));
});

test("no other stylesheet writes a colour by its number", () => {
  assert.ok(
    stylesheets.includes("www/style.css") && stylesheets.includes("extension/ui/style.css"),
    stylesheets.join(),
  );
  for (const path of stylesheets)
    assert.deepEqual(read(path).match(/[:\s,(]#[0-9a-f]{3,8}\b(?=[^{]*[;}])/gi) ?? [], [], path);
});

test("every property that a stylesheet uses is defined there, by a script, or in the palette", () => {
  for (const path of stylesheets) {
    const css = read(path) + read(path.startsWith("extension") ? "extension/ui/style.css" : "www/style.css");
    const missing = [...css.matchAll(/var\((--[\w-]+)([,)])/g)].filter(
      ([, name, end]) => end === ")" && name !== "--fill" && !(name in light) && !css.includes(`${name}:`),
    );
    assert.deepEqual(
      missing.map(([, name]) => name),
      [],
      path,
    );
  }
});

test("pages give the browser's bars the colour of the page", () => {
  for (const path of ["www/index.html", "www/bench.html"]) {
    const found = [...read(path).matchAll(/name="theme-color" content="(#[0-9a-f]{6})"/g)].map(([, color]) => color);
    assert.deepEqual(found, [light["--page"], dark["--page"]], path);
  }
});
