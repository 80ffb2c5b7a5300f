// Makes the package's JavaScript small; its types keep their comments. Usage: minify.mjs DIR

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { minify } from "terser";

const folder = process.argv[2];
for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" }))
  if (name.endsWith("_bg.wasm")) renumberImports(join(folder, name));
for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
  if (!name.endsWith(".js")) continue;
  const file = join(folder, name);
  const { code } = await minify(readFileSync(file, "utf8"), {
    module: true,
    compress: { passes: 2 },
    // Bundlers and readers of stack traces find their way by names.
    mangle: { keep_classnames: true, keep_fnames: true },
    // Hints to bundlers are comments.
    format: { comments: /webpackIgnore|@vite-ignore/ },
  });
  writeFileSync(file, code);
}

/**
 * What WebAssembly imports is named with hashes, which do not compress: 8 bytes each, here and there.
 * Numbers of the same length take their place, so that no length in the module changes.
 */
function renumberImports(module) {
  const glue = module.replace(/_bg\.wasm$/, ".js");
  let script = readFileSync(glue, "utf8");
  let binary = readFileSync(module, "latin1");
  const names = new Set(script.match(/\b__wbg_\w+_[0-9a-f]{16}\b/g));
  [...names].sort().forEach((name, index) => {
    const numbered = name.slice(0, -16) + String(index).padStart(16, "0");
    script = script.replaceAll(name, numbered);
    binary = binary.replaceAll(name, numbered);
  });
  writeFileSync(glue, script);
  writeFileSync(module, binary, "latin1");
}
