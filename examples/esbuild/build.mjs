import { cp, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

// esbuild does not follow `new URL(…, import.meta.url)`, by which the package finds its worker, its
// WebAssembly and its model. So the package stays beside the app as it is, and the app imports it there.
const besideTheApp = {
  name: "cappy-web beside the app",
  setup({ onResolve }) {
    onResolve({ filter: /^cappy-web$/ }, () => ({ path: "./cappy-web/index.js", external: true }));
  },
};

await rm(here("dist"), { recursive: true, force: true });
await build({
  absWorkingDir: here("."),
  entryPoints: ["src/main.js"],
  bundle: true,
  minify: true,
  format: "esm",
  outdir: "dist",
  plugins: [besideTheApp],
});
await cp(here("node_modules/cappy-web/dist"), here("dist/cappy-web"), { recursive: true });
await cp(here("index.html"), here("dist/index.html"));
