// Time against tokens as an SVG: `node bench/peers/plot.mjs RESULTS.json` prints it again.
import { readFileSync } from "node:fs";
import { argv } from "node:process";
import { fileURLToPath } from "node:url";

import { isOurs } from "./contest.mjs";

const PANEL = { width: 300, height: 250, left: 56, top: 46, gap: 30, bottom: 76 };
// Told apart without colour, too: by the shape of the mark and by dashes.
const STYLES = [
  { colour: "blue", dash: "" },
  { colour: "orange", dash: "5 3" },
  { colour: "green", dash: "2 3" },
  { colour: "purple", dash: "8 3 2 3" },
  { colour: "grey", dash: "1 3" },
  { colour: "red", dash: "3 1" },
  { colour: "teal", dash: "12 3" },
];

// GitHub shows an SVG as an image: it cannot know the page's colours, but it does know light and dark.
export const CSS = `
  text { font: 12px system-ui, sans-serif; fill: #24292f; } .title { font-weight: 600; font-size: 13px; }
  .grid { stroke: #d0d7de; } .line { fill: none; stroke-width: 2; } .mark { stroke-width: 1.5; fill: #fff; }
  .blue { stroke: #0969da; } .orange { stroke: #bc4c00; } .green { stroke: #1a7f37; } .purple { stroke: #8250df; } .grey { stroke: #6e7781; }
  .red { stroke: #cf222e; } .teal { stroke: #1b7c83; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .grid { stroke: #3d444d; } .mark { fill: #0d1117; }
    .blue { stroke: #58a6ff; } .orange { stroke: #f0883e; } .green { stroke: #3fb950; } .purple { stroke: #bc8cff; } .grey { stroke: #8b949e; } .red { stroke: #ff7b72; } .teal { stroke: #39c5cf; }
  }`;

/** What one host measured of the mini shape: `{ name: [[real tokens, seconds], ...] }`, from few tokens to many. */
function series({ shapes }) {
  const cases = Object.values(shapes.mini?.cases ?? {})
    .filter(({ runs }) => runs)
    .toSorted((a, b) => a.realTokens - b.realTokens);
  const lines = {};
  for (const { realTokens, runs } of cases) {
    for (const [name, { median }] of Object.entries(runs)) if (median) (lines[name] ??= []).push([realTokens, median]);
  }
  return lines;
}

/** 1, 2 and 5 times the powers of ten around what is shown. */
function ticks(low, high, steps) {
  const all = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    for (const step of steps) all.push(Number((step * 10 ** power).toPrecision(1)));
  }
  return all.filter((tick) => tick >= low && tick <= high);
}

export const escaped = (text) => text.replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`);

/** Both axes are logarithmic: time that follows tokens is a line that rises by one decade a decade. */
export function plot({ hosts }) {
  const panels = Object.values(hosts)
    .filter((host) => host.adapter)
    .map((host) => ({ title: host.title, lines: series(host) }))
    .filter(({ lines }) => Object.keys(lines).length > 0);
  const points = panels.flatMap(({ lines }) => Object.values(lines).flat());
  if (points.length === 0) return "";
  const names = [...new Set(panels.flatMap(({ lines }) => Object.keys(lines)))];
  /** @returns {[low: number, high: number]} */
  const range = (of) => [Math.min(...points.map(of)) / 1.2, Math.max(...points.map(of)) * 1.2];
  const [tokens, times] = [range(([x]) => x), range(([, y]) => y)];
  const scale =
    ([low, high], length) =>
    (value) =>
      (length * Math.log(value / low)) / Math.log(high / low);
  const [x, y] = [scale(tokens, PANEL.width), scale(times, PANEL.height)];
  const width = PANEL.left + panels.length * (PANEL.width + PANEL.gap);
  const legendTop = PANEL.top + PANEL.height + PANEL.bottom - 24;
  const height = legendTop + names.length * 18 + 8;
  const style = (name) => STYLES[names.indexOf(name) % STYLES.length];

  const body = panels.map(({ title, lines }, i) => {
    const at = `<g transform="translate(${PANEL.left + i * (PANEL.width + PANEL.gap)} ${PANEL.top})">`;
    const grid = [
      ...ticks(...tokens, [1, 2, 5]).map(
        (tick) =>
          `<path class="grid" d="M${x(tick).toFixed(1)} 0V${PANEL.height}"/>` +
          `<text x="${x(tick).toFixed(1)}" y="${PANEL.height + 18}" text-anchor="middle">${tick}</text>`,
      ),
      ...ticks(...times, [1, 2, 5]).map((tick) => {
        const up = (PANEL.height - y(tick)).toFixed(1);
        const label = i === 0 ? `<text x="-8" y="${Number(up) + 4}" text-anchor="end">${tick} s</text>` : "";
        return `<path class="grid" d="M0 ${up}H${PANEL.width}"/>${label}`;
      }),
    ];
    const drawn = Object.entries(lines).map(([name, line]) => {
      const { colour, dash } = style(name);
      const places = line.map(([tokens, time]) => [x(tokens).toFixed(1), (PANEL.height - y(time)).toFixed(1)]);
      const marks = places.map(([x, y]) => mark(name, x, y, colour)).join("");
      return `<path class="line ${colour}" stroke-dasharray="${dash}" d="M${places.map((place) => place.join(" ")).join("L")}"/>${marks}`;
    });
    const name = `<text class="title" x="${PANEL.width / 2}" y="-12" text-anchor="middle">${escaped(title)}</text>`;
    const below = `<text x="${PANEL.width / 2}" y="${PANEL.height + 36}" text-anchor="middle">tokens, padding not counted</text>`;
    return [at, ...grid, ...drawn, name, below, "</g>"].join("\n");
  });
  const legend = names.map((name, i) => {
    const { colour, dash } = style(name);
    const y = legendTop + i * 18;
    return (
      `<path class="line ${colour}" stroke-dasharray="${dash}" d="M${PANEL.left} ${y}h36"/>${mark(name, PANEL.left + 18, y, colour)}` +
      `<text x="${PANEL.left + 46}" y="${y + 4}">${escaped(name)}</text>`
    );
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>Time to score against tokens, 4 layers of 256: ours and onnxruntime-web</title>
<style>${CSS}
</style>
${[...body, ...legend].join("\n")}
</svg>
`;
}

/** Ours are discs, theirs squares. */
function mark(name, x, y, colour) {
  return isOurs(name)
    ? `<circle class="mark ${colour}" cx="${x}" cy="${y}" r="4"/>`
    : `<rect class="mark ${colour}" x="${x - 3.5}" y="${y - 3.5}" width="7" height="7"/>`;
}

if (argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(plot(JSON.parse(readFileSync(argv[2], "utf8"))));
