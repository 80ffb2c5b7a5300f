/** The side panel: the collection is edited, ranked and copied here. Questions about a text are in `decide.ts`. */
import type { Collection } from "../collection.js";
import { explained } from "../content/explain.js";
import { inShort } from "../content/words.js";
import { engineClient } from "../engine/client.js";
import type { Score } from "../messages.js";
import { forEngine, onSettings, readSettings, type Settings } from "../settings.js";
import { askToDownload } from "../ui/cost.js";
import { announce, byId, onClick } from "../ui/dom.js";
import { codeOf, errorBox, isAbort, isSaidBy } from "../ui/errors.js";
import { LARGE, ModelView } from "../ui/model.js";
import { TeachView } from "../ui/teach.js";
import { counted, nameOf } from "../ui/words.js";
import { DecideView } from "./decide.js";
import { Draft } from "./draft.js";
import { KEPT_COLLECTION, withoutBlankRows } from "./merge.js";
import { offerPasting } from "./paste.js";
import { onCollected, ownWindow } from "./private.js";
import { inOrder, isOf, storeRanking, type RankedAnswer, type Ranking, readRanking } from "./ranking.js";
import { ResultsView } from "./results.js";
import { Tabs } from "./tabs.js";
import { TaskEditor } from "./task.js";
import { RowThumbs } from "./thumbs.js";

const engine = engineClient();
const model = new ModelView(byId("model", HTMLElement), engine, {
  retry: () => void (failed ? rank() : decide.failed ? decide.run() : model.load()),
});
const thumbs = new RowThumbs();
const results = new ResultsView((instruction, answer, signal) => explained(engine, instruction, answer, signal));
const teach = new TeachView(byId("teach", HTMLElement), engine);
const task = new TaskEditor(changed);
const draft = new Draft(
  KEPT_COLLECTION,
  () => task.state,
  (collection) => task.show(collection),
);

/** The ranking that is shown, as soon as it is finished. */
let ranking: Ranking | undefined;
/** Stops the ranking that is under way. */
let running: AbortController | undefined;
/** Why the last ranking failed, if it did. */
let failed: unknown;
/** The name of what the chosen model has learned and uses; empty if nothing. */
let adaptation = "";
/** Whether the window is private, so that nothing is stored. It counts as private until that is known. */
let isPrivate = true;

const tabs = new Tabs(() => decide.changed());
const decide = new DecideView({ engine, model, tabs, adaptation: () => adaptation });

const rankButton = onClick("rank", () => void rank());
const cancelButton = onClick("cancel", () => running?.abort());
const status = byId("task-status", HTMLElement);
const failure = byId("ranking-error", HTMLElement);
const bar = byId("bar", HTMLProgressElement);

onClick("open-options", () => void chrome.runtime.openOptionsPage());
onClick("use-embedded", () => void model.use({ kind: "embedded" }));
onClick(
  "use-large",
  () => void askToDownload(byId("cost", HTMLElement), LARGE, () => void model.use({ kind: "large" })),
);
offerPasting((texts) => {
  task.add(texts);
  announce(`Added ${counted(texts.length, "answer")}`);
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || byId("paste", HTMLDialogElement).open) return;
  void (tabs.chosen === "rank" ? rank() : decide.run());
});
model.onChange(() => {
  const busy = model.state.phase === "download";
  byId("use-large", HTMLElement).hidden = busy || model.choice.kind === "large";
  byId("use-embedded", HTMLElement).hidden = busy || model.choice.kind === "embedded";
  showFailure();
  compare();
});

onSettings(applySettings);
void start();

async function start(): Promise<void> {
  const own = await ownWindow();
  isPrivate = own.isPrivate;
  byId("private", HTMLElement).hidden = !isPrivate;
  if (isPrivate)
    onCollected(own.windowId, ({ as, text }) => {
      if (as === "text") return decide.take(text);
      if (as === "answer") task.add([text]);
      else task.show({ ...task.state, instruction: text });
      tabs.show("rank");
    });
  else {
    void draft.open();
    void decide.open();
  }
  applySettings(await readSettings());
  if (isPrivate) return;
  const found = await readRanking();
  // A ranking that began meanwhile is newer.
  if (!found || running || ranking) return;
  ranking = found;
  finish(found);
  compare();
}

function applySettings(settings: Settings): void {
  adaptation = forEngine(settings).adaptation;
  thumbs.switch(settings.learn && !isPrivate);
  teach.show(settings);
  byId("learning", HTMLElement).hidden = !settings.learn;
  compare();
  decide.compare();
}

function finish(ranking: Ranking): void {
  results.finish(ranking);
  thumbs.show(ranking.instruction, results.rows(ranking.answers));
}

function changed(): void {
  draft.changed();
  status.textContent = "";
  compare();
}

/** Marks the answers with their ranks, and shows where the ranking does not fit them any more. */
function compare(): void {
  const state = task.state;
  if (!ranking) return results.number(state.answers);
  results.markStale(whyStale(ranking, state));
  const now = new Map(state.answers.map(({ id, text }) => [id, text]));
  const ordered = inOrder(ranking.answers);
  const several = ordered.length > 1;
  const asked = state.instruction === ranking.instruction;
  const marks = new Map(
    ordered.flatMap(({ id, text, score }, at): [string, string][] => {
      if (!asked || now.get(id) !== text) return [];
      return [[id, `${several && at === 0 ? "Best" : `Rank ${at + 1}`} · ${inShort(score)}`]];
    }),
  );
  const best = ordered[0]?.id;
  task.mark(marks, several && best !== undefined && marks.has(best) ? best : undefined);
  results.number(state.answers);
}

function whyStale(ranking: Ranking, state: Collection): string {
  if (!isOf(ranking, state)) return "The instruction or the answers have changed since this ranking.";
  if (ranking.model !== nameOf(model.choice))
    return `Another model has been chosen since this ranking: ${nameOf(model.choice)}.`;
  if (ranking.adaptation !== adaptation)
    return "What the model has learned, or whether it is used, has changed since this ranking.";
  return "";
}

async function rank(): Promise<void> {
  if (running) return;
  const { instruction, answers } = withoutBlankRows(task.state);
  const missing =
    instruction.trim() === "" ? "Write the instruction first." : answers.length === 0 ? "Add an answer first." : "";
  if (missing) {
    status.textContent = missing;
    task.focus();
    return;
  }
  draft.flush();
  const stop = (running = new AbortController());
  const began = performance.now();
  const scores: Score[] = [];
  const scored = () =>
    answers.slice(0, scores.length).map((answer, at): RankedAnswer => ({ ...answer, ...scores[at]! }));
  ranking = undefined;
  failed = undefined;
  begin(answers.length);
  try {
    await engine.score(
      instruction,
      answers.map(({ text }) => text),
      {
        signal: stop.signal,
        onScored: (first, part) => {
          // Where the engine begins anew, the scores begin anew, too.
          scores.splice(first, scores.length, ...part);
          results.show(scored(), false);
          results.number(task.state.answers);
          progress(scores.length, answers.length);
          if (first === 0) results.reveal();
        },
      },
    );
    const { dtype, adaptation } = model.state.phase === "ready" ? model.state : { dtype: "", adaptation: "" };
    ranking = {
      instruction,
      answers: scored(),
      model: nameOf(model.choice),
      adaptation,
      dtype,
      seconds: (performance.now() - began) / 1000,
    };
    finish(ranking);
    status.textContent = "";
    announce(`Ranked ${counted(answers.length, "answer")}. Best: ${inOrder(ranking.answers)[0]!.text.slice(0, 200)}`);
    if (!isPrivate) await storeRanking(ranking);
  } catch (error) {
    fail(error, scores.length, answers.length);
  } finally {
    running = undefined;
    end();
  }
}

function begin(total: number): void {
  showFailure();
  results.begin();
  thumbs.show("", []);
  results.markStale("");
  task.mark(new Map(), undefined);
  cancelButton.hidden = bar.hidden = false;
  rankButton.ariaDisabled = "true";
  progress(0, total);
  announce(`Ranking ${counted(total, "answer")}`);
}

function progress(done: number, total: number): void {
  bar.max = total;
  if (done > 0) bar.value = done;
  else bar.removeAttribute("value");
  status.textContent = `${done} of ${total} scored`;
}

function end(): void {
  // The focus is not lost with the button.
  if (document.activeElement === cancelButton) rankButton.focus();
  cancelButton.hidden = bar.hidden = true;
  rankButton.ariaDisabled = "false";
  compare();
}

function fail(error: unknown, done: number, total: number): void {
  const what = `${done} of ${counted(total, "answer")}`;
  // The user unloaded the model: here, in the popup or in the options.
  const away = codeOf(error) === "disposed";
  if (away || isAbort(error)) {
    status.textContent = "";
    results.stop(away ? `Stopped after ${what}: the model was unloaded.` : `Cancelled after ${what}.`);
    announce(away ? "Stopped" : "Cancelled");
    return;
  }
  results.stop(`Stopped by an error after ${what}.`);
  status.textContent = "The ranking failed.";
  failed = error;
  showFailure();
  results.reveal();
}

/** Shows why the ranking failed, unless the model's own box says the same already. */
function showFailure(): void {
  if (failed === undefined || isSaidBy(model.state, failed)) failure.replaceChildren();
  else if (!failure.hasChildNodes()) failure.append(errorBox(failed, () => void rank()));
}
