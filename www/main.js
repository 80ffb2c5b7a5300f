import { DecidePanel } from "./decide.js";
import { bringIntoView, byId, isFocusLost, part, withText } from "./dom.js";
import { dropped } from "./drop.js";
import { codeOf, hideError, isModelGone, showError } from "./errors.js";
import { examples } from "./examples.js";
import { ExplainPanel } from "./explain.js";
import { setUpIntake, takeFile } from "./intake.js";
import { ModelPanel } from "./model.js";
import { keepForOffline } from "./offline.js";
import { RankingView } from "./ranking.js";
import { Tabs } from "./tabs.js";
import { TaskEditor } from "./task.js";
import { TeachPanel } from "./teach.js";

const tabs = new Tabs(part(document, "[role=tablist]", HTMLElement));
const rankButton = byId("rank", HTMLButtonElement);
const view = new RankingView();
const exampleSelect = byId("examples", HTMLSelectElement);
const editor = new TaskEditor(() => {
  view.markStale("task");
  exampleSelect.selectedIndex = 0;
});
/** @type {AbortController | null} stops the ranking that goes on */
let ranking = null;
const model = new ModelPanel(
  () => {
    showWhetherRankable();
    teach.modelChanged();
    decide.modelChanged();
  },
  () => {
    view.markStale("model");
    decide.markStale("model");
  },
);
const decide = new DecidePanel(model);
const explain = new ExplainPanel(model, () => view.results);
const teach = new TeachPanel(
  () => model.scorer,
  () => {
    decide.modelChanged();
    decide.markStale("model");
    return rank();
  },
);

setUpIntake(editor);
setUpExamples();
setUpKeys();
dropped(
  (files) => {
    if (files.some(({ name }) => /(^config\.json|\.safetensors|\.bin|\.index\.json)$/.test(name))) {
      void model.loadFiles(files);
      return;
    }
    // Tasks are to be ranked.
    tabs.choose("rank");
    if (files.length === 1 && files[0]) {
      void takeFile(editor, files[0]);
    } else {
      editor.say("Nothing was read: drop one file of JSON lines at a time, or all files of a model.");
    }
  },
  (error) => editor.say(`The folder could not be read: ${error instanceof Error ? error.message : error}`),
);
rankButton.addEventListener("click", () => void rank());
byId("running-cancel", HTMLButtonElement).addEventListener("click", () => ranking?.abort());
showWhetherRankable();
// The first device may only be where the model begins.
void model.reload().then(async () => {
  const settled = await model.scorer?.settled().catch(() => undefined);
  if (settled) void keepForOffline(settled.device);
});

/** Ranks the task on the page. */
async function rank() {
  const { scorer } = model;
  if (ranking) return;
  if (!scorer) {
    editor.say(model.isBusy ? "The model is still on its way." : "There is no model yet. Choose one above.");
    return;
  }
  const { instruction, candidates } = editor.state;
  // Blank rows are ignored. `place` is the row of a candidate on the page.
  const given = candidates.map((text, place) => ({ text, place })).filter(({ text }) => text.trim() !== "");
  if (instruction.trim() === "" || given.length === 0) {
    editor.say(instruction.trim() === "" ? "Write an instruction first." : "Write a candidate first.");
    editor.focus();
    return;
  }
  editor.say("");
  hideError("ranking-error");
  const stop = new AbortController();
  ranking = stop;
  showWhetherRankable();
  view.begin(given.length);
  teach.begin(instruction);
  explain.begin(instruction);
  bringIntoView(byId("ranking", HTMLElement));
  const work = (async () => {
    for await (const result of scorer.stream(instruction, given, { signal: stop.signal })) {
      // Results that still arrive after an abort are ignored.
      if (stop.signal.aborted) break;
      view.add(result);
    }
  })();
  model.holdFor(work.catch(() => {}));
  try {
    await work;
    view.end(stop.signal.aborted ? "cancelled" : "done");
  } catch (error) {
    const cancelled = stop.signal.aborted || codeOf(error) === "aborted";
    view.end(cancelled ? "cancelled" : "failed");
    if (!cancelled) showError("ranking-error", error, () => void (isModelGone(error) ? model.reload() : rank()));
  } finally {
    ranking = null;
    teach.end(view.results);
    showWhetherRankable();
    if (isFocusLost()) rankButton.focus({ preventScroll: true });
  }
}

/** The button is not `disabled`, which would take the focus away; `rank` shows what is missing. */
function showWhetherRankable() {
  rankButton.setAttribute("aria-disabled", String(ranking !== null || model.scorer === null));
}

function setUpExamples() {
  exampleSelect.append(...examples.map(({ name }) => withText("option", name)));
  const sources = new Set(examples.map(({ source, licence }) => (licence ? `${source}, ${licence}` : source)));
  byId("example-sources", HTMLElement).textContent = [...sources].join("; ");
  exampleSelect.addEventListener("change", () => {
    const at = exampleSelect.selectedIndex;
    const example = examples[at - 1];
    if (example)
      editor.replace(example, `${example.name}. By ${example.source}, “${example.candidates[example.best]}” is right.`);
    exampleSelect.selectedIndex = at;
  });
}

function setUpKeys() {
  if (/Mac|iPhone|iPad/.test(navigator.platform))
    for (const key of document.querySelectorAll(".go-key")) key.textContent = "⌘ Enter";
  document.addEventListener("keydown", (event) => {
    if (byId("paste-dialog", HTMLDialogElement).open) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      void (tabs.chosen === "decide" ? decide.run() : rank());
    } else if (event.key === "Escape") {
      if (tabs.chosen === "decide" && decide.isBusy) decide.stop();
      else if (ranking) ranking.abort();
      else if (explain.isBusy) explain.stop();
      else if (teach.isBusy) teach.cancel();
      else model.cancel();
    }
  });
}
