// Writes the docs that the demo page links to as pages into a built site. Usage: docs-pages.mjs SITE

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Marked } from "marked";

const PAGES = ["decisions", "explanations"];

const site = process.argv[2];
const markdown = new Marked({
  renderer: {
    link({ href, tokens }) {
      const text = this.parser.parseInline(tokens);
      const [, name] = /^(?:\.\/)?([\w-]+)\.md(?:#.*)?$/.exec(href) ?? [];
      if (PAGES.includes(name)) return `<a href="${name}.html">${text}</a>`;
      // Other files of the repository are not in the site.
      return /^https?:/.test(href) ? `<a href="${href}">${text}</a>` : text;
    },
    // What is wider than a phone scrolls by itself, and can be reached by the keyboard.
    table(token) {
      const { header, rows } = token;
      const cellOf = ({ tokens }, tag) => {
        const text = this.parser.parseInline(tokens);
        return tag === "th" && text ? `<th scope="col">${text}</th>` : `<td>${text}</td>`;
      };
      const row = (cells, tag) => `<tr>${cells.map((cell) => cellOf(cell, tag)).join("")}</tr>`;
      const body = rows.map((cells) => row(cells, "td")).join("");
      return `<div class="scroller" role="group" aria-label="Table" tabindex="0"><table><thead>${row(header, "th")}</thead><tbody>${body}</tbody></table></div>`;
    },
  },
});

for (const name of PAGES) {
  const text = readFileSync(new URL(`../docs/${name}.md`, import.meta.url), "utf8");
  const [, title] = /^# (.+)/.exec(text) ?? [];
  if (!title) throw new Error(`docs/${name}.md does not begin with a title`);
  writeFileSync(join(site, `${name}.html`), page(title, markdown.parse(text)));
}

function page(title, body) {
  return `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta http-equiv="Content-Security-Policy" content="default-src 'self'">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>cappy: ${title}</title>
  <link rel="icon" href="favicon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="palette.css">
  <link rel="stylesheet" href="style.css">
  <link rel="stylesheet" href="tables.css">
  <link rel="stylesheet" href="docs.css">
</head>
<body>
<header><a href="./">cappy</a></header>
<main class="card docs">
${body}</main>
</body>
</html>
`;
}
