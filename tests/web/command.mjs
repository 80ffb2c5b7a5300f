// The programs in Rust that tests of JavaScript run: the command line, and the example that writes random checkpoints.
import { execFile } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = fileURLToPath(new URL("../..", import.meta.url));
const run = promisify(execFile);
const cargo = (what, args) => run("cargo", [what, "--quiet", "--locked", ...args], { cwd: root });

// Where CAPPY names the command line, it is up to date, and so is the example that `cargo test` built with it. Cargo is
// not asked then, because it would wait for whatever else it compiles at the time.
const built = process.env.CAPPY;

/** The path of the command line, which is built where nobody names one. */
export async function command() {
  if (built) return built;
  // With the features of `cargo test`: `cargo build -p` would compile half of the dependencies once more.
  await cargo("test", ["--no-run", "--test", "cli"]);
  return join(process.env.CARGO_TARGET_DIR ?? join(root, "target"), "debug/cappy");
}

/**
 * Writes a checkpoint of random weights into `folder`. Paths may be relative to the repository.
 *
 * @param {{config: string, seed: number, profile?: string, tokenizer?: string, dtype?: string, folder: string}} what
 */
export async function makeCheckpoint({ config, seed, profile = "plain", tokenizer, dtype, folder }) {
  const args = [config, `${seed}`, profile, tokenizer ?? "tests/golden/tokenizer.json", folder];
  if (dtype) args.push(dtype);
  if (built) {
    await run(join(dirname(built), "examples/random_checkpoint"), args, { cwd: root });
    return;
  }
  await cargo("run", ["--example", "random_checkpoint", "--", ...args]);
}
