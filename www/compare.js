import { byId, withText } from "./dom.js";

/** @typedef {import("./ranking.js").Result} Result */

/**
 * Shows two rankings of the same candidates side by side.
 * @param {readonly Result[]} before best first
 * @param {readonly Result[]} now best first
 * @param {(text: string) => boolean | undefined} marked whether a person marked it as right
 */
export function compare(before, now, marked) {
  const rows = now.map(({ text, score, candidate }, at) => {
    const then = before.findIndex((each) => each.candidate.place === candidate.place);
    const was = before[then];
    const row = document.createElement("tr");
    const head = withText("th", text.length > 80 ? `${text.slice(0, 79)}…` : text);
    head.setAttribute("scope", "row");
    head.dir = "auto";
    const mark = marked(text);
    row.append(
      head,
      withText("td", mark === undefined ? "" : mark ? "right" : "wrong"),
      withText("td", was ? `${then + 1} · ${was.score.toFixed(2)}` : ""),
      withText("td", `${at + 1}${was ? arrow(then - at) : ""} · ${score.toFixed(2)}`),
    );
    return row;
  });
  byId("compare-rows", HTMLElement).replaceChildren(...rows);
  byId("compare", HTMLElement).hidden = false;
}

/** Hides the comparison. */
export function hideComparison() {
  byId("compare", HTMLElement).hidden = true;
}

/** @param {number} up places */
function arrow(up) {
  if (up === 0) return "";
  return up > 0 ? " ↑" : " ↓";
}
