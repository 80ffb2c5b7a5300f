import { BY_HAND, copyText, setUpCodeButtons } from "./copy.js";
import { DecidePanel } from "./decide.js";
import { bringIntoView, byId, isFocusLost, mayMove, part, withText } from "./dom.js";
import { dropped } from "./drop.js";
import { codeOf, hideError, isModelGone, showError } from "./errors.js";
import { examples } from "./examples.js";
import { ExplainPanel } from "./explain.js";
import { GuessPanel } from "./guess.js";
import { setUpIntake, takeFile } from "./intake.js";
import { fragmentOf, readFragment } from "./link.js";
import { mayDownload } from "./metered.js";
import { ModelPanel } from "./model.js";
import { keepForOffline } from "./offline.js";
import { showNoModel, showProof } from "./proof.js";
import { RankingView } from "./ranking.js";
import { rankingSnippetOf } from "./snippet.js";
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
  // A link's task that was edited is another one, which the address would not lead to.
  if (!editor.isUntouched && readFragment(location.hash))
    history.replaceState(history.state, "", location.pathname + location.search);
});
/** @type {{ stop: AbortController, unasked: boolean } | null} the ranking that goes on */
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

new GuessPanel(model);

setUpIntake(editor);
setUpExamples();
setUpCopying();
setUpSections();
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
byId("running-cancel", HTMLButtonElement).addEventListener("click", () => ranking?.stop.abort());
addEventListener("hashchange", () => {
  const opened = openLink();
  if (opened) void (opened === "rank" ? rank() : decide.run());
});
showWhetherRankable();
void begin(openLink());

/**
 * Loads the page's own model, answers what came with the link, and ranks what came with it or with the page, so that
 * there is something to see.
 * @param {"rank" | "decide" | null} linked what the link is of
 */
async function begin(linked) {
  const expected = editor.isUntouched ? editor.state.candidates : [];
  view.expect(expected);
  await mayDownload();
  await model.reload();
  // A person may have loaded another model meanwhile, and ranked.
  if (view.results.length === 0 && !ranking) view.expect(model.scorer && editor.isUntouched ? expected : []);
  if (!model.scorer) {
    showNoModel();
    return;
  }
  if (linked === "decide") await decide.run({ unasked: true });
  if (editor.isUntouched) await rank({ unasked: true });
  // The first device may only be where the model begins.
  const settled = await model.scorer?.settled().catch(() => undefined);
  if (settled) await keepForOffline(settled.device);
}

/**
 * Shows the task or the questions that the address has, and says which of them it has.
 * @returns {"rank" | "decide" | null}
 */
function openLink() {
  const decision = decide.openLink(location.hash);
  if (decision) {
    tabs.choose("decide", { address: false });
    return decision === "opened" ? "decide" : null;
  }
  const found = readFragment(location.hash);
  if (!found) return null;
  tabs.choose("rank", { address: false });
  if (found.fault !== undefined) editor.say(`The link's task cannot be read: ${found.fault}.`);
  else editor.open(found.task);
  return found.task ? "rank" : null;
}

/**
 * Ranks the task on the page.
 * @param {{ unasked?: boolean }} [options] whether the page does it by itself: then it neither scrolls nor takes the focus
 */
async function rank({ unasked = false } = {}) {
  const { scorer } = model;
  // One that the page began by itself gives way to one that a person asks for.
  if (ranking && (unasked || !ranking.unasked)) return;
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
  if (!unasked) editor.say("");
  hideError("ranking-error");
  ranking?.stop.abort();
  const stop = new AbortController();
  const run = { stop, unasked };
  const isOver = () => ranking !== run;
  ranking = run;
  showWhetherRankable();
  view.begin(given.map(({ text }) => text));
  teach.begin(instruction);
  explain.begin(instruction);
  if (!unasked) bringIntoView(byId("ranking", HTMLElement));
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
    if (isOver()) return;
    const seconds = view.end(stop.signal.aborted ? "cancelled" : "done", model.where);
    if (!stop.signal.aborted) showProof(given.length, seconds, model.where);
  } catch (error) {
    if (isOver()) return;
    const cancelled = stop.signal.aborted || codeOf(error) === "aborted";
    view.end(cancelled ? "cancelled" : "failed");
    if (!cancelled) showError("ranking-error", error, () => void (isModelGone(error) ? model.reload() : rank()));
  } finally {
    if (!isOver()) {
      ranking = null;
      teach.end(view.results);
      showWhetherRankable();
      if (!unasked && isFocusLost()) rankButton.focus({ preventScroll: true });
    }
  }
}

/** The button is not `disabled`, which would take the focus away; `rank` shows what is missing. */
function showWhetherRankable() {
  rankButton.setAttribute("aria-disabled", String((ranking && !ranking.unasked) || model.scorer === null));
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

function setUpCopying() {
  setUpCodeButtons(document);
  byId("copy-ranking-code", HTMLButtonElement).addEventListener("click", () => {
    const taught = Boolean(model.scorer?.info().adaptation);
    void view.copy(rankingSnippetOf(editor.state, { ...model.origin, taught }), "the code that does this");
  });
  byId("copy-link", HTMLButtonElement).addEventListener("click", async () => {
    const fragment = fragmentOf(editor.state);
    if (!fragment) {
      editor.say("This task is too long for a link. Copy the ranking as JSON instead.");
      return;
    }
    const copied = await copyText(new URL(fragment, location.href).href, "Link to this task");
    editor.say(copied ? "Copied a link. The texts are in the link itself and are sent to no server." : BY_HAND);
  });
}

/** The sections that say what cappy does lead to the parts of the page that do it. */
function setUpSections() {
  const go = (
    /** @type {string} */ button,
    /** @type {"rank" | "decide"} */ tab,
    /** @type {() => HTMLElement} */ to,
  ) =>
    byId(button, HTMLButtonElement).addEventListener("click", () => {
      tabs.choose(tab);
      const target = to();
      target.focus({ preventScroll: true });
      target.scrollIntoView({ behavior: mayMove() ? "smooth" : "auto", block: "center" });
    });
  go("try-rank", "rank", () => byId("instruction", HTMLElement));
  go("try-decide", "decide", () => byId("decide-go", HTMLElement));
  go("try-explain", "rank", () => document.querySelector(".markable .explain") ?? byId("rank", HTMLElement));
  go("try-teach", "rank", () => document.querySelector(".markable [data-mark]") ?? byId("rank", HTMLElement));
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
      else if (ranking) ranking.stop.abort();
      else if (explain.isBusy) explain.stop();
      else if (teach.isBusy) teach.cancel();
      else model.cancel();
    }
  });
}
