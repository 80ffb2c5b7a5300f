// The samples as Markdown: `node bench/peers/report.mjs RESULTS.json` prints it again.
import { readFileSync } from "node:fs";
import { argv } from "node:process";
import { fileURLToPath } from "node:url";

import { bestOfTheirs, isOurs } from "./contest.mjs";

const MIB = 2 ** 20;
const seconds = (s) => `${s < 10 ? s.toPrecision(3) : s.toFixed(1)} s`;
const mib = (bytes) => (bytes ? `${(bytes / MIB).toFixed(0)} MiB` : "");
/** Columns whose name ends in a colon hold numbers and go to the right. */
const table = (head, rows) =>
  rows.length === 0
    ? []
    : [
        `| ${head.map((name) => name.replace(/ :$/, "")).join(" | ")} |`,
        `| ${head.map((name) => (name.endsWith(" :") ? "---:" : "---")).join(" | ")} |`,
        ...rows.map((row) => `| ${row.join(" | ")} |`),
        "",
      ];
const casesOf = ({ shapes }) =>
  Object.entries(shapes).flatMap(([shape, { cases }]) =>
    Object.entries(cases).map(([workload, found]) => ({ shape, workload, ...found })),
  );

export function markdown({ date, command, machine, busyCores, versions, downloads, hosts, mode }) {
  const lines = [
    `\`${command}\`, ${date.slice(0, 10)}: ${machine.cpu}, ${machine.cores} cores, ${mib(machine.memoryBytes)}, ${machine.system}. ` +
      Object.entries(versions)
        .filter(([, version]) => version)
        .map(([name, version]) => `${name} ${version}`)
        .join(", ") +
      "." +
      (busyCores > 0.2 ? ` **Other work kept ${busyCores.toFixed(1)} cores busy when this began.**` : ""),
    "",
  ];
  if (mode !== "scaling") lines.push(...times(Object.values(hosts)));
  for (const host of Object.values(hosts)) {
    const { description, vendor, f16 } = host.adapter ?? {};
    lines.push(`### ${host.title}`, "");
    if (host.adapter)
      lines.push(`Adapter: ${description || vendor || "not told"}, ${f16 ? "with" : "without"} f16.`, "");
    for (const [shape, { failed }] of Object.entries(host.shapes)) {
      if (failed) lines.push(`**${shape}: broken off.** ${failed}`, "");
    }
    lines.push(...(mode === "scaling" ? scaling(host) : [...firstRuns(host), ...memory(host)]));
  }
  if (mode !== "scaling") lines.push("### Download before the model", "", ...sizes(downloads));
  return `${lines.join("\n").trimEnd()}\n`;
}

/** A row a contestant, of all hosts. Ratios are of medians: how many times as long as our first, f16 unless it was left out. */
function times(hosts) {
  const percent = (share) => (share === undefined ? "" : `${(100 * share).toFixed(2)}%`);
  const rowsOf = (host) =>
    casesOf(host).flatMap(({ shape, workload, realTokens, paddedTokens, runs, skipped }) => {
      const what = [host.title, shape, workload, `${realTokens} / ${paddedTokens}`];
      if (skipped) return [[...what, "", `not measured: ${skipped}`, "", "", "", "", ""]];
      const ours = Object.keys(runs).find(isOurs);
      const best = bestOfTheirs(runs)?.[0];
      return Object.entries(runs).map(([name, { refused, median, min, max, samples, error, own }]) => {
        if (refused) return [...what, name, `left out: ${refused}`, "", "", "", "", ""];
        const ratio = ours && name !== ours ? `${(median / runs[ours].median).toFixed(2)}` : "";
        return [
          ...what,
          name,
          seconds(median),
          `${seconds(min)} to ${seconds(max)}`,
          samples.length,
          name === best ? `**${ratio}**` : ratio,
          percent(error),
          percent(own),
        ];
      });
    });
  return table(
    [
      "host",
      "shape",
      "workload",
      "tokens, real / padded",
      "who",
      "median :",
      "range",
      "runs :",
      "times ours :",
      "largest error :",
      "beside its own weights :",
    ],
    hosts.flatMap(rowsOf),
  );
}

function firstRuns({ shapes }) {
  const rows = Object.entries(shapes).flatMap(([shape, { first }]) =>
    Object.entries(first ?? {}).map(([name, { load, score, total, peakBytes }]) => [
      shape,
      name,
      seconds(load),
      seconds(score),
      seconds(total),
      first.ours && name !== "ours" ? (total / first.ours.total).toFixed(2) : "",
      mib(peakBytes),
    ]),
  );
  if (rows.length === 0) return [];
  return [
    "First run: fresh process and profile, no shader cache, one pair of W2.",
    "",
    ...table(
      ["shape", "who", "load :", "first score :", "both :", "times ours :", "peak memory of the process :"],
      rows,
    ),
  ];
}

function memory({ adapter, shapes }) {
  if (adapter) return [];
  const rows = Object.entries(shapes).flatMap(([shape, { contestants }]) =>
    Object.entries(contestants).map(([name, { peakBytes }]) => [shape, name, mib(peakBytes)]),
  );
  return table(["shape", "who", "peak memory of the process :"], rows);
}

/** Microseconds a token, and how far the slowest is from the fastest. */
function scaling(host) {
  if (casesOf(host).length === 0) return [];
  const rows = casesOf(host).map(({ workload, pairs, realTokens, paddedTokens, runs }) => {
    const { median, min, max, samples } = runs.ours;
    const each = (s) => (1e6 * s) / realTokens;
    return {
      workload,
      each: each(median),
      row: [
        workload.replace(/\d+/, ""),
        pairs,
        `${realTokens} / ${paddedTokens}`,
        seconds(median),
        each(median).toFixed(1),
        `${each(min).toFixed(1)} to ${each(max).toFixed(1)}`,
        samples.length,
      ],
    };
  });
  const mixed = rows.filter(({ workload }) => workload.startsWith("mixed")).map(({ each }) => each);
  const at = (name) => rows.find(({ workload }) => workload === name)?.each;
  const apart = (a, b) => `${(100 * (Math.max(a, b) / Math.min(a, b) - 1)).toFixed(1)}%`;
  return [
    ...table(
      ["lengths", "candidates :", "tokens, real / padded", "median :", "µs a token :", "range", "runs :"],
      rows.map(({ row }) => row),
    ),
    `Time a token, slowest against fastest of the mixed sets: ${apart(Math.max(...mixed), Math.min(...mixed))}. ` +
      `64 of mixed against 64 of equal length: ${apart(at("mixed64"), at("equal64"))}.`,
    "",
  ];
}

function sizes(downloads) {
  const mb = (bytes) => `${(bytes / 1e6).toFixed(2)} MB`;
  return table(
    ["who", "files :", "raw :", "gzip -9 :", "brotli -9 :"],
    downloads.map(({ name, files, raw, gzip, brotli }) => [name, files.length, mb(raw), mb(gzip), mb(brotli)]),
  );
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  process.stdout.write(markdown(JSON.parse(readFileSync(argv[2], "utf8"))));
}
