/** The look of badges and notes. It lives in a shadow root, so that neither the page's style nor its policy matters. */

/** The colours of `www/palette.css`, as CSS declarations. The page decides between light and dark, not the browser. */
const declarations = (colors: Readonly<Record<string, string>>) =>
  Object.entries(colors)
    .map(([name, color]) => `  ${name}: ${color};`)
    .join("\n");

export const STYLE = `
:host {
  all: initial !important;
  display: block !important;
  position: fixed !important;
  inset: 0 auto auto 0 !important;
  width: 0 !important;
  height: 0 !important;
  z-index: 2147483646 !important;
}
.spot, .note {
  color-scheme: light;
${declarations(PALETTE.light)}
  /* Fainter than on pages of our own: a badge is small, and stands in a text. */
  --edge: #aab5b0;
  --shadow: 0 1px 2px rgb(20 40 34 / 18%);
  position: fixed;
  top: 0;
  left: 0;
  box-sizing: border-box;
  font: 12px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  letter-spacing: normal;
  color: var(--ink);
}
.spot.dark, .note.dark {
  color-scheme: dark;
${declarations(PALETTE.dark)}
  /* Lighter than on pages of our own: dark sites are of many greys, from which a badge has to stand out. */
  --card: #232b27;
  --muted: #a9b5b0;
  --edge: #5d6a64;
  --shadow: 0 1px 2px rgb(0 0 0 / 50%);
}
.through { pointer-events: none; }
[hidden] { display: none !important; }
button { font: inherit; color: inherit; margin: 0; cursor: pointer; }
button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }

.spot { display: flex; align-items: center; gap: 5px; }
.badge {
  position: relative;
  box-sizing: border-box;
  display: flex;
  align-items: center;
  gap: 4px;
  height: 20px;
  padding: 0 7px;
  border: 1px solid var(--edge);
  border-radius: 10px;
  background: var(--card);
  box-shadow: var(--shadow);
  font-size: 11px;
  line-height: 18px;
  font-variant-numeric: tabular-nums;
  white-space: nowrap;
}
/* Larger to the finger than to the eye. */
.badge::after { content: ""; position: absolute; inset: -3px; }
.badge:hover { background: var(--soft); }
.badge .rank, .badge .star { font-weight: 700; }
.badge .score, .badge .dots { color: var(--muted); }
.badge.best { border-color: var(--accent); background: var(--accent); color: var(--on-accent); }
.badge.best .score, .badge.best .dots { color: inherit; }
.badge.failed .rank { color: var(--bad); padding: 0 2px; }
.badge.changing, .badge.waiting, .badge.loading { border-style: dashed; }

.thumbs {
  box-sizing: border-box;
  display: flex;
  height: 20px;
  border: 1px solid var(--edge);
  border-radius: 10px;
  background: var(--card);
  box-shadow: var(--shadow);
}
.thumb {
  position: relative;
  display: grid;
  place-items: center;
  width: 25px;
  padding: 0;
  border: 0;
  border-radius: 9px;
  background: transparent;
  color: var(--muted);
}
.thumb::after { content: ""; position: absolute; inset: -4px 0; }
.thumb:hover { background: var(--soft); color: var(--ink); }
.thumb svg { fill: none; stroke: currentColor; stroke-width: 1.3; stroke-linejoin: round; }
.thumb[aria-pressed="true"] { color: var(--accent); }
.thumb.down[aria-pressed="true"] { color: var(--bad); }
.thumb[aria-pressed="true"] svg { fill: currentColor; }

.note {
  z-index: 1;
  width: 292px;
  max-width: calc(100vw - 16px);
  max-height: calc(100vh - 16px);
  overflow: auto;
  padding: 12px 14px 10px;
  border: 1px solid var(--edge);
  border-radius: 12px;
  background: var(--card);
  box-shadow: 0 6px 24px rgb(10 20 17 / 28%);
  font-size: 13px;
  overflow-wrap: anywhere;
}
.note h2 { margin: 0 0 4px; font: inherit; font-size: 14px; font-weight: 650; }
.note p { margin: 0 0 6px; color: var(--muted); }
.note .row { display: flex; flex-wrap: wrap; gap: 6px; margin-top: 10px; }
.note .row button { min-height: 28px; padding: 2px 10px; border: 1px solid var(--edge); border-radius: 8px; background: transparent; }
.note .row button:hover { background: var(--soft); }
.note .row .first { border-color: transparent; background: var(--accent); color: var(--on-accent); font-weight: 600; }
.note .row .first:hover { background: var(--accent); text-decoration: underline; }

.spoken { position: fixed; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

@media (prefers-reduced-motion: no-preference) {
  .waiting .dots { animation: breathe 1.6s ease-in-out infinite; }
  @keyframes breathe { 50% { opacity: .35; } }
}
@media (forced-colors: active) {
  .badge.best { background: Highlight; color: HighlightText; forced-color-adjust: none; }
  .badge.best .score, .badge.best .dots { color: HighlightText; }
  .thumb[aria-pressed="true"] { background: Highlight; color: HighlightText; forced-color-adjust: none; }
}
@media print { .spot, .note { display: none; } }
`;
