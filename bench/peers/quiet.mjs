// Waiting for quiet. A library of 27 MB of WebAssembly goes on being compiled in the background for
// many seconds after its first call, on the cores that the next contestant would need.
import { readdirSync, readFileSync } from "node:fs";

const TICKS_A_SECOND = 100;
const QUIET = 0.1;
const PATIENCE_SECONDS = 90;
const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

/** Parent and seconds of CPU time of every process, where there is /proc. */
function processes() {
  const found = new Map();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const line = readFileSync(`/proc/${pid}/stat`, "utf8");
      const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
      found.set(Number(pid), {
        parent: Number(fields[1]),
        seconds: (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND,
      });
    } catch {
      // It has ended meanwhile.
    }
  }
  return found;
}

/** CPU seconds of everything that this process has started: hosts, browsers and their children. */
function secondsOfHosts() {
  const all = processes();
  const ours = (pid) => pid === process.pid || (all.has(pid) && ours(all.get(pid).parent));
  let sum = 0;
  for (const [pid, { parent, seconds }] of all) if (pid !== process.pid && ours(parent)) sum += seconds;
  return sum;
}

/** Returns once no host has used more than a tenth of a core for a second. */
export async function settle() {
  if (process.platform !== "linux") return sleep(15);
  let before = secondsOfHosts();
  for (let waited = 0; waited < PATIENCE_SECONDS; waited++) {
    await sleep(1);
    const now = secondsOfHosts();
    if (now - before < QUIET) return;
    before = now;
  }
}

/** How many cores other work keeps busy, while no host runs; `undefined` where that is not known. */
export async function otherWork() {
  if (process.platform !== "linux") return undefined;
  const read = () => readFileSync("/proc/stat", "utf8").split("\n")[0].split(/\s+/).slice(1, 9).map(Number);
  const before = read();
  await sleep(3);
  const [user, nice, system, , , irq, softirq, steal] = read().map((ticks, i) => ticks - before[i]);
  return (user + nice + system + irq + softirq + steal) / TICKS_A_SECOND / 3;
}
