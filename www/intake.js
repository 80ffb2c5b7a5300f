import { byId, withText } from "./dom.js";
import { parseJsonLines, split } from "./jsonl.js";
import { counted } from "./words.js";

/** @typedef {import("./jsonl.js").Task} Task */
/** @typedef {import("./jsonl.js").Problem} Problem */
/** @typedef {import("./task.js").TaskEditor} TaskEditor */

/** How many lines with problems are shown. The others are only counted. */
const SHOWN_PROBLEMS = 50;

/**
 * Takes many texts at once: pasted, from a file, or dropped.
 * @param {TaskEditor} editor
 */
export function setUpIntake(editor) {
  setUpPasting(editor);
  const input = byId("lines-file", HTMLInputElement);
  byId("pick-lines", HTMLButtonElement).addEventListener("click", () => input.click());
  input.addEventListener("change", async () => {
    const files = [...(input.files ?? [])];
    input.value = ""; // So that the same file can be chosen again.
    for (const file of files) await takeFile(editor, file);
  });
  byId("problems-close", HTMLButtonElement).addEventListener("click", () => {
    byId("problems", HTMLElement).hidden = true;
    byId("instruction", HTMLElement).focus();
  });
}

/**
 * Reads a file of JSON lines into the task.
 * @param {TaskEditor} editor
 * @param {File} file
 */
export async function takeFile(editor, file) {
  let text;
  try {
    text = await file.text();
  } catch (error) {
    editor.say(`${file.name} could not be read: ${error instanceof Error ? error.message : error}`);
    return;
  }
  takeLines(editor, text, file.name);
}

/**
 * @param {TaskEditor} editor
 * @param {string} text
 * @param {string} from what to call it
 */
function takeLines(editor, text, from) {
  const { tasks, problems } = parseJsonLines(text);
  const [first] = tasks;
  if (first && tasks.length === 1 && first.instruction === null) editor.add(first.candidates);
  else offerTasks(editor, tasks, from);
  if (tasks.length === 0) editor.say(`${from}: no candidate in it.`);
  showProblems(problems, from);
}

/**
 * Puts the first of these tasks on the page, and offers the others.
 * @param {TaskEditor} editor
 * @param {Task[]} tasks
 * @param {string} from
 */
function offerTasks(editor, tasks, from) {
  const line = byId("file-tasks-line", HTMLElement);
  const select = byId("file-tasks", HTMLSelectElement);
  if (tasks.length === 0) return;
  const take = () => {
    const at = select.selectedIndex;
    const { instruction, candidates } = tasks[at] ?? { instruction: "", candidates: [] };
    editor.replace(
      { instruction: instruction ?? "", candidates },
      `Task ${at + 1} of ${tasks.length} from ${from}, ${counted(candidates.length, "candidate")}.`,
    );
  };
  select.replaceChildren(
    ...tasks.map(({ instruction }, at) =>
      withText("option", `${at + 1}: ${instruction?.trim().slice(0, 60) ?? "(no instruction)"}`),
    ),
  );
  select.onchange = take;
  line.hidden = tasks.length < 2;
  take();
}

/**
 * @param {Problem[]} problems
 * @param {string} from
 */
function showProblems(problems, from) {
  byId("problems", HTMLElement).hidden = problems.length === 0;
  byId("problems-title", HTMLElement).textContent =
    `${from}: ${counted(problems.length, "line")} could not be used. All others were read.`;
  const items = problems.slice(0, SHOWN_PROBLEMS).map(({ line, what, text }) => {
    const item = withText("li", `Line ${line}: ${what}. `);
    item.append(withText("code", text.length > 120 ? `${text.slice(0, 120)}…` : text));
    return item;
  });
  const more = problems.length - items.length;
  if (more > 0) {
    const numbers = problems.slice(SHOWN_PROBLEMS).map(({ line }) => line);
    items.push(withText("li", `And ${more} more, in lines ${numbers.join(", ")}.`));
  }
  byId("problem-list", HTMLElement).replaceChildren(...items);
}

/** @param {TaskEditor} editor */
function setUpPasting(editor) {
  const dialog = byId("paste-dialog", HTMLDialogElement);
  const form = byId("paste-form", HTMLFormElement);
  const area = byId("paste-text", HTMLTextAreaElement);
  const by = () => new FormData(form).get("split");

  const count = () => {
    const kind = by();
    let text;
    if (kind === "json") {
      const { tasks, problems } = parseJsonLines(area.value);
      const found = tasks.reduce((sum, task) => sum + task.candidates.length, 0);
      text = counted(found, "candidate") + (problems.length ? `, ${counted(problems.length, "bad line")}` : "");
    } else {
      text = counted(split(area.value, kind === "blocks" ? "blocks" : "lines").length, "candidate");
    }
    byId("paste-count", HTMLElement).textContent = text;
  };
  form.addEventListener("input", count);
  byId("paste-many", HTMLButtonElement).addEventListener("click", () => {
    count();
    dialog.showModal();
    area.focus();
  });
  byId("paste-cancel", HTMLButtonElement).addEventListener("click", () => dialog.close());
  form.addEventListener("submit", () => {
    const kind = by();
    if (kind === "json") {
      takeLines(editor, area.value, "Pasted text");
    } else {
      const texts = split(area.value, kind === "blocks" ? "blocks" : "lines");
      if (texts.length > 0) editor.add(texts);
    }
    area.value = "";
  });
}
