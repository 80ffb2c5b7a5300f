// What a measurement was taken on: machine, versions, command.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, release, totalmem, type } from "node:os";

import { chromiumPath } from "../../tests/web/browser.mjs";
import { firefoxPath } from "../../tests/web/hosts.mjs";

/** The first line that a program prints, or nothing where it does not run. */
function says(command, ...args) {
  try {
    return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })
      .trim()
      .split("\n")[0];
  } catch {
    return undefined;
  }
}

export function machine(root) {
  const version = (name) => JSON.parse(readFileSync(`${root}/node_modules/${name}/package.json`, "utf8")).version;
  return {
    date: new Date().toISOString(),
    command: ["npm run bench:peers --", ...process.argv.slice(2)].join(" "),
    machine: { cpu: cpus()[0]?.model, cores: cpus().length, memoryBytes: totalmem(), system: `${type()} ${release()}` },
    versions: {
      ours: says("git", "-C", root, "describe", "--always", "--dirty"),
      "onnxruntime-web": version("onnxruntime-web"),
      "webgpu (Dawn)": version("webgpu"),
      node: process.version,
      firefox: firefoxPath && says(firefoxPath, "--version"),
      chromium: chromiumPath && says(chromiumPath, "--version"),
    },
  };
}
