import { cp, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { rollup } from "rollup";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

// Rollup does not follow `new URL(…, import.meta.url)`, by which the package finds its worker, its
// WebAssembly and its model. So the package stays beside the app as it is, and the app imports it there.
await rm(here("dist"), { recursive: true, force: true });
const bundle = await rollup({ input: here("src/main.js"), external: ["cappy-web"] });
await bundle.write({ dir: here("dist"), format: "es", paths: { "cappy-web": "./cappy-web/index.js" } });
await bundle.close();
await cp(here("node_modules/cappy-web/dist"), here("dist/cappy-web"), { recursive: true });
await cp(here("index.html"), here("dist/index.html"));
