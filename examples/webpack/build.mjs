import { cp } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import webpack from "webpack";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const stats = await new Promise((done, failed) => {
  /** @type {import("webpack").Configuration} */
  const config = {
    mode: "production",
    context: here("."),
    entry: "./src/main.js",
    output: { path: here("dist"), clean: true },
  };
  webpack(config, (error, result) => (error ? failed(error) : done(result)));
});
console.log(stats.toString({ colors: process.stdout.isTTY }));
if (stats.hasErrors()) {
  process.exit(1);
}
await cp(here("index.html"), here("dist/index.html"));
