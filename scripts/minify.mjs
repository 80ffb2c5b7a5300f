// Makes the package's JavaScript small; its types keep their comments. Usage: minify.mjs DIR

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { minify } from "terser";

const folder = process.argv[2];
for (const name of readdirSync(folder, { recursive: true })) {
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
