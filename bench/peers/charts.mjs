// Draws the tables of docs/performance.md: `node bench/peers/charts.mjs` writes an SVG for each question there.
// The tables are what people edit, so a chart cannot say something else.
import { readFileSync, writeFileSync } from "node:fs";
import { argv } from "node:process";
import { fileURLToPath } from "node:url";

import { CSS, escaped } from "./plot.mjs";

const DOCS = new URL("../../docs/", import.meta.url);

const LABELS = 330; // the width of labels, in pixels
const WIDTH = 360; // that of the longest bar
const NUMBERS = 200; // that of the numbers behind bars
const ROW = 22;
const TOP = 34;

/** The rows of the table whose first column is called `first`: cells by the names of columns, as they stand there. */
export function table(markdown, first) {
  const lines = markdown.split("\n");
  const head = lines.findIndex((line) => line.startsWith(`| ${first} |`));
  if (head < 0) throw new Error(`docs/performance.md has no table whose first column is "${first}"`);
  const cells = (line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim());
  const names = cells(lines[head]);
  const end = lines.findIndex((line, i) => i > head && !line.startsWith("|"));
  let above = [];
  return lines.slice(head + 2, end).map((line) => {
    // An empty cell that says of what a row is stands for the one above it.
    const row = cells(line).map((cell, i) => (cell === "" && /^(model|host)$/.test(names[i]) ? above[i] : cell));
    above = row;
    return Object.fromEntries(row.map((cell, i) => [names[i], cell]));
  });
}

/** The numbers of a cell: `0.85 to 1.01 s` has two. */
const numbers = (cell) => [...cell.replaceAll(",", "").matchAll(/\d+(\.\d+)?/g)].map(([number]) => Number(number));

/** A cell without the stars of its bold parts. */
const plain = (cell) => cell.replaceAll("*", "");

/** What stands before a colon, which is what people call a workload. */
const short = (cell) => cell.replace(/:.*/, "");

/** A chart of horizontal bars from zero; `wanted` is a mark across a bar. */
function chart(title, rows, { unit = "", names = /** @type {string[]} */ ([]) }) {
  const most = Math.max(...rows.flatMap(({ bars, wanted = 0 }) => [...bars.flat(), wanted]));
  const x = (value) => (LABELS + (WIDTH * value) / most).toFixed(1);
  const colours = ["blue", "orange"];
  const body = rows.map(({ label, bars, wanted, text }, i) => {
    const y = TOP + i * ROW;
    const thick = bars.length > 1 ? 7 : 12;
    const drawn = bars.map(([low, high = low], j) => {
      const top = y + (bars.length > 1 ? j * 8 : 2);
      const range = high > low ? `<path class="line ${colours[j]}" d="M${x(low)} ${top + thick / 2}H${x(high)}"/>` : "";
      return `<rect class="fill ${colours[j]}" x="${LABELS}" y="${top}" width="${(Number(x(low)) - LABELS).toFixed(1)}" height="${thick}"/>${range}`;
    });
    const mark = wanted ? `<path class="wanted" d="M${x(wanted)} ${y}v16"/>` : "";
    const end = Math.max(...bars.flat(), wanted ?? 0);
    return [
      `<text x="${LABELS - 8}" y="${y + 12}" text-anchor="end">${escaped(label)}</text>`,
      ...drawn,
      mark,
      `<text x="${Number(x(end)) + 8}" y="${y + 12}">${escaped(text)}</text>`,
    ].join("");
  });
  const below = TOP + rows.length * ROW + 16;
  const legend = names.map(
    (name, i) =>
      `<rect class="fill ${colours[i]}" x="${LABELS + i * 180}" y="${below - 10}" width="12" height="12"/>` +
      `<text x="${LABELS + i * 180 + 18}" y="${below}">${escaped(name)}</text>`,
  );
  const wanted = rows.some((row) => row.wanted);
  if (wanted) {
    legend.push(
      `<path class="wanted" d="M${LABELS + 186} ${below - 12}v16"/><text x="${LABELS + 198}" y="${below}">wanted</text>`,
    );
  }
  const [width, height] = [LABELS + WIDTH + NUMBERS, below + (legend.length > 0 ? 12 : -8)];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>${escaped(title)}</title>
<style>${CSS}
  .fill { stroke: none; } .blue.fill { fill: #0969da; } .orange.fill { fill: #bc4c00; } .wanted { stroke: #24292f; stroke-width: 2; }
  @media (prefers-color-scheme: dark) { .blue.fill { fill: #58a6ff; } .orange.fill { fill: #f0883e; } .wanted { stroke: #e6edf3; } }
</style>
<text class="title" x="8" y="18">${escaped(title)}${unit ? `, ${escaped(unit)}` : ""}</text>
${[...body, ...legend].join("\n")}
</svg>
`;
}

/** A row for each ratio of a table. */
function ratios(rows, label, wanted) {
  return rows.map((row) => {
    return { label: label(row), bars: [numbers(row.ratio)], wanted: wanted?.(row), text: plain(row.ratio) };
  });
}

/** All charts by the names of their files, from the text of docs/performance.md. */
export function charts(markdown) {
  const pages = table(markdown, "model | host");
  const alone = table(markdown, "model | workload");
  const native = table(markdown, "f32 beside PyTorch's");
  const first = table(markdown, "from loading to the first score, fresh profile or process");
  const long = table(markdown, "tokens | GFLOP");
  const named = ({ model, host, workload }) =>
    [model.replace(/,.*/, ""), host, short(workload)].filter(Boolean).join(" · ");
  const beside = native.flatMap(({ "f32 beside PyTorch's": model, ...cells }) =>
    Object.entries(cells)
      .filter(([, cell]) => cell)
      .map(([workload, cell]) => ({
        label: `${model.replace(/,.*/, "")} · ${workload}`,
        bars: [numbers(cell).slice(0, 1)],
        text: plain(cell),
      })),
  );
  return {
    "performance-pages.svg": chart(
      "Times as fast as onnxruntime-web's best, WebGPU on a software adapter",
      ratios(pages, named, ({ wanted }) => numbers(wanted)[0]),
      {},
    ),
    "performance-cpu.svg": chart(
      "Times as fast as onnxruntime-web's q8, WebAssembly in a page that is not isolated",
      ratios(alone, named),
      {},
    ),
    "performance-native.svg": chart("Times as fast as PyTorch in f32, both with two threads", beside, {}),
    "performance-first.svg": chart(
      "From loading to the first score",
      first.map(({ ours, "onnxruntime-web, its quickest": theirs, ...where }) => ({
        label: Object.values(where)[0],
        bars: [ours, theirs].filter(Boolean).map(numbers),
        text: [ours, theirs].filter(Boolean).join("; "),
      })),
      { unit: "in seconds from the least to the most", names: ["ours", "onnxruntime-web"] },
    ),
    "performance-long.svg": chart(
      "A pair of so many tokens, Ettin 17 M on lavapipe",
      long.map(({ tokens, "µs a token": time }) => ({
        label: `${tokens} tokens`,
        bars: [numbers(time)],
        text: `${time} µs`,
      })),
      { unit: "µs a token" },
    ),
  };
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, svg] of Object.entries(charts(readFileSync(new URL("performance.md", DOCS), "utf8")))) {
    writeFileSync(new URL(`pictures/${name}`, DOCS), svg);
  }
}
