// Puts the package beside the app, as it is.
import { cp } from "node:fs/promises";

const here = (path) => new URL(path, import.meta.url);
await cp(here("node_modules/cappy-web/dist"), here("dist/cappy-web"), { recursive: true });
