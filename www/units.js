import { withText } from "./dom.js";

/** @typedef {import("./cappy-web/index.js").Explanation} Explanation */
/** @typedef {Explanation["units"][number]} Unit */

/**
 * A text with its units shaded by their effects. One unit at a time can be reached by Tab, and arrow keys, Home and End
 * go from one to another.
 * @param {string} text
 * @param {Explanation} explanation of that text
 * @param {(unit: Unit) => void} onLook called with the unit that has the pointer or the focus
 */
export function makeUnits(text, { unit, units }, onLook) {
  const box = document.createElement("div");
  box.className = "units";
  box.dir = "auto";
  box.setAttribute("role", "listbox");
  box.setAttribute("aria-label", unit === "word" ? "Words with their effects" : "Sentences with their effects");
  const most = Math.max(...units.map(({ effect }) => Math.abs(effect)));
  const options = units.map((each) => makeUnit(each, most));
  for (const [index, option] of options.entries())
    box.append(text.slice(units[index - 1]?.end ?? 0, units[index]?.start), option);
  box.append(text.slice(units.at(-1)?.end ?? 0));

  let at = 0;
  const look = (/** @type {number} */ index) => {
    const found = units[index];
    if (found) onLook(found);
  };
  const choose = (/** @type {number} */ next) => {
    at = next;
    for (const [index, option] of options.entries()) {
      option.tabIndex = index === at ? 0 : -1;
      option.setAttribute("aria-selected", String(index === at));
    }
    look(at);
  };
  choose(0);
  const placeOf = (/** @type {Event} */ { target }) => options.indexOf(/** @type {HTMLElement} */ (target));
  box.addEventListener("focusin", (event) => choose(placeOf(event)));
  box.addEventListener("pointerover", (event) => look(placeOf(event)));
  box.addEventListener("pointerleave", () => look(at));
  box.addEventListener("keydown", (event) => {
    const last = options.length - 1;
    const back = Math.max(at - 1, 0);
    const on = Math.min(at + 1, last);
    /** @type {Partial<Record<string, number>>} */
    const places = { ArrowRight: on, ArrowDown: on, ArrowLeft: back, ArrowUp: back, Home: 0, End: last };
    const next = places[event.key];
    if (next === undefined || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    event.preventDefault();
    options[next]?.focus();
  });
  return box;
}

/**
 * A table of units and effects, for screen readers.
 * @param {Explanation} explanation
 */
export function effectsTable({ unit, units }) {
  const table = document.createElement("table");
  const head = document.createElement("tr");
  for (const title of [unit === "word" ? "Word" : "Sentence", "Effect on the score"]) {
    const cell = withText("th", title);
    cell.setAttribute("scope", "col");
    head.append(cell);
  }
  const rows = units.map(({ text, effect }) => {
    const row = document.createElement("tr");
    row.append(withText("td", text), withText("td", signed(effect)));
    return row;
  });
  table.append(withText("caption", `What each ${unit} does to the score`), head, ...rows);
  return table;
}

/**
 * A unit and what it does, in one line.
 * @param {Unit} unit
 */
export function effectInWords({ text, effect }) {
  const does = effect === 0 ? "changes nothing" : effect > 0 ? "raises the score" : "lowers the score";
  return `“${text}”: ${signed(effect)}, ${does}`;
}

/**
 * @param {Unit} unit
 * @param {number} most the strongest effect, which has the strongest colour
 */
function makeUnit(unit, most) {
  const option = withText("span", unit.text);
  option.className = "unit";
  option.setAttribute("role", "option");
  option.setAttribute("aria-label", effectInWords(unit));
  if (unit.effect !== 0) option.classList.add(unit.effect > 0 ? "raises" : "lowers");
  option.style.setProperty("--fill", String(Math.abs(unit.effect) / (most || 1)));
  return option;
}

/** @param {number} effect */
function signed(effect) {
  return `${effect < 0 ? "−" : "+"}${Math.abs(effect).toFixed(4)}`;
}
