import type { EngineClient } from "../engine/client.js";
import { forgetAdaptations, type Lesson } from "../engine/teachable.js";
import { asLines, lessonsOf, MOST_BYTES, MOST_OPINIONS, withoutLesson } from "../learn/opinions.js";
import { changeOpinions, deleteOpinions, onOpinions, readOpinions } from "../learn/store.js";
import { changeSettings, type Settings } from "../settings.js";
import { button, byId, make, onClick } from "../ui/dom.js";
import { errorBox } from "../ui/errors.js";
import { counted } from "../ui/words.js";

/** How many lessons are listed at first, and at most. All are in the exported file. */
const FIRST = 5;
const MOST = 200;

/** The most characters of a text that are shown. */
const MOST_SHOWN = 300;

/** The stored lessons: listed, exported, deleted. */
export class LessonsView {
  readonly #part = byId("lessons-part", HTMLElement);
  readonly #list = byId("lessons", HTMLElement);
  readonly #title = byId("lessons-title", HTMLElement);
  readonly #status = byId("lessons-status", HTMLElement);
  readonly #error = byId("lessons-error", HTMLElement);
  readonly #all = onClick("all-lessons", () => {
    this.#shown = MOST;
    void this.#refresh();
    this.#title.focus();
  });
  #shown = FIRST;
  #refreshes = 0;
  #learned = false;

  constructor(readonly engine: EngineClient) {
    byId("learn-limits", HTMLElement).textContent =
      `At most ${MOST_OPINIONS.toLocaleString("en")} thumbs and ${MOST_BYTES / 1e6} MB of text are kept; then the oldest go.`;
    onClick("export-lessons", () => void this.#do(() => this.#export()));
    const dialog = byId("confirm-lessons", HTMLDialogElement);
    onClick("delete-lessons", () => {
      dialog.returnValue = "";
      dialog.showModal();
    });
    dialog.addEventListener("close", () => {
      if (dialog.returnValue === "delete") void this.#do(() => this.#deleteAll());
    });
    onOpinions(() => void this.#refresh());
  }

  /** Shows the stored lessons. */
  show({ taught }: Settings): void {
    this.#learned = taught.length > 0;
    void this.#refresh();
  }

  async #refresh(): Promise<void> {
    const refresh = (this.#refreshes += 1);
    const lessons = lessonsOf(await readOpinions()).reverse();
    if (refresh !== this.#refreshes) return;
    this.#part.hidden = lessons.length === 0 && !this.#learned;
    this.#title.textContent = counted(lessons.length, "lesson");
    this.#all.hidden = lessons.length <= this.#shown || this.#shown === MOST;
    this.#all.textContent = `Show ${Math.min(lessons.length, MOST)}`;
    this.#list.replaceChildren(...lessons.slice(0, this.#shown).map((lesson, at) => this.#row(lesson, at + 1)));
    byId("export-lessons", HTMLElement).hidden = lessons.length === 0;
  }

  #row(lesson: Lesson, number: number): HTMLElement {
    const remove = button("Delete", () => void this.#do(() => this.#delete(lesson)), {
      className: "quiet",
      label: `Delete lesson ${number}`,
    });
    const [liked, disliked] =
      "label" in lesson
        ? lesson.label === 1
          ? [[lesson.response], []]
          : [[], [lesson.response]]
        : [lesson.chosen, lesson.rejected];
    return make(
      "li",
      { className: "lesson" },
      make(
        "div",
        { className: "line" },
        make("p", { className: "grow", dir: "auto" }, short(lesson.instruction)),
        remove,
      ),
      ...liked.map((text) => answer("Liked", text)),
      ...disliked.map((text) => answer("Not liked", text)),
    );
  }

  async #delete(lesson: Lesson): Promise<void> {
    await changeOpinions((opinions) => withoutLesson(opinions, lesson));
    this.#status.textContent =
      "Deleted the lesson. What was learned from it stays until you forget it, or teach again.";
    // The button that was pressed is gone.
    this.#title.focus();
  }

  async #deleteAll(): Promise<void> {
    await this.engine.stopTeaching();
    await deleteOpinions();
    await changeSettings({ taught: [] });
    // The loaded model may be using what it learned.
    await this.engine.unload();
    await forgetAdaptations("choices-");
    this.#status.textContent = "Deleted all lessons, and all that was learned from them.";
    byId("learn", HTMLElement).focus();
  }

  async #export(): Promise<void> {
    const lessons = lessonsOf(await readOpinions());
    const url = URL.createObjectURL(new Blob([asLines(lessons)], { type: "application/jsonl" }));
    make("a", { href: url, download: "cappy-lessons.jsonl" }).click();
    // The browser has opened it by then.
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
    this.#status.textContent = `Exported ${counted(lessons.length, "lesson")}. “cappy adapt --train” reads the file.`;
  }

  async #do(work: () => Promise<void>): Promise<void> {
    this.#error.replaceChildren();
    this.#status.textContent = "";
    try {
      await work();
    } catch (error) {
      this.#error.replaceChildren(errorBox(error, () => void this.#do(work)));
    }
  }
}

function answer(opinion: string, text: string): HTMLElement {
  return make(
    "p",
    { className: "small", dir: "auto" },
    make("span", { className: "opinion" }, `${opinion}: `),
    short(text),
  );
}

function short(text: string): string {
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text;
}
