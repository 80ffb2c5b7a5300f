/** The instruction and the answers, which the user writes, pastes, moves and removes. */
import type { Collection } from "../collection.js";
import { announce, byId, fromTemplate, onClick, part } from "../ui/dom.js";
import { counted } from "../ui/words.js";

/** The editor of the panel. */
export class TaskEditor {
  readonly #instruction = byId("instruction", HTMLTextAreaElement);
  readonly #list = byId("answers", HTMLElement);
  readonly #done = byId("done", HTMLElement);
  readonly #undoButton = onClick("undo", () => this.#undo());
  #takeBack: (() => void) | null = null;

  /** @param onChange called after every change by the user, and after `show` */
  constructor(readonly onChange: () => void) {
    this.#instruction.addEventListener("input", onChange);
    this.#list.addEventListener("input", onChange);
    this.#list.addEventListener("click", (event) => {
      const pressed = event.target instanceof Element ? event.target.closest("button") : null;
      const row = pressed?.closest("li");
      if (!row) return;
      if (pressed!.classList.contains("remove")) this.#remove(row);
      else this.#move(row, pressed!.classList.contains("up") ? -1 : 1);
    });
    onClick("add", () => {
      this.add([""]);
      part(this.#rows().at(-1)!, "textarea", HTMLTextAreaElement).focus();
    });
    onClick("clear", () => this.#clear());
  }

  /** The present content. */
  get state(): Collection {
    const answers = this.#rows().map((row) => ({
      id: row.dataset.id!,
      text: part(row, "textarea", HTMLTextAreaElement).value,
    }));
    return { instruction: this.#instruction.value, answers };
  }

  /** Replaces the content. Texts that stay the same are not touched, so that the cursor stays where it is. */
  show({ instruction, answers }: Collection): void {
    if (this.#instruction.value !== instruction) this.#instruction.value = instruction;
    const rows = new Map(this.#rows().map((row) => [row.dataset.id, row]));
    let at = this.#list.firstElementChild;
    for (const { id, text } of answers) {
      const row = rows.get(id) ?? makeRow(id);
      rows.delete(id);
      const area = part(row, "textarea", HTMLTextAreaElement);
      if (area.value !== text) area.value = text;
      if (row === at) at = at.nextElementSibling;
      else this.#list.insertBefore(row, at);
    }
    for (const row of rows.values()) row.remove();
    this.#changed();
  }

  /** Adds answers after those that are there. */
  add(texts: readonly string[]): void {
    this.#list.append(
      ...texts.map((text) => {
        const row = makeRow(crypto.randomUUID());
        part(row, "textarea", HTMLTextAreaElement).value = text;
        return row;
      }),
    );
    this.#offerUndo("", null);
    this.#changed();
  }

  /** Puts short texts beside answers, such as their ranks, and highlights `best`. */
  mark(words: ReadonlyMap<string, string>, best: string | undefined): void {
    for (const row of this.#rows()) {
      part(row, ".mark", HTMLElement).textContent = words.get(row.dataset.id!) ?? "";
      row.classList.toggle("best", row.dataset.id === best);
    }
  }

  /** Puts the cursor into the first empty text. */
  focus(): void {
    const areas = [this.#instruction, ...this.#list.querySelectorAll("textarea")];
    (areas.find(({ value }) => value.trim() === "") ?? byId("add", HTMLElement)).focus();
  }

  #rows(): HTMLElement[] {
    return [...this.#list.children] as HTMLElement[];
  }

  #move(row: HTMLElement, by: -1 | 1): void {
    const other = by < 0 ? row.previousElementSibling : row.nextElementSibling;
    if (!other) return;
    // Moves the neighbour to the other side, so that the row with the focus stays in its place in the document.
    if (by < 0) row.after(other);
    else row.before(other);
    this.#offerUndo("", null);
    this.#changed();
    announce(`Now answer ${this.#rows().indexOf(row) + 1} of ${this.#list.childElementCount}`);
    row.scrollIntoView({ block: "nearest" });
  }

  #remove(row: HTMLElement): void {
    const at = this.#rows().indexOf(row);
    row.remove();
    this.#offerUndo(`Removed answer ${at + 1}.`, () => {
      this.#list.insertBefore(row, this.#list.children[at] ?? null);
      part(row, "textarea", HTMLElement).focus();
    });
    this.#changed();
    // The button that had the focus is gone: its neighbour takes over.
    const next = this.#rows()[Math.min(at, this.#list.childElementCount - 1)];
    (next ? part(next, ".remove", HTMLElement) : byId("add", HTMLElement)).focus();
  }

  #clear(): void {
    const { instruction } = this.state;
    const rows = this.#rows();
    if (instruction === "" && rows.length === 0) return;
    this.#instruction.value = "";
    this.#list.replaceChildren();
    this.#offerUndo(`Cleared ${counted(rows.length, "answer")} and the instruction.`, () => {
      // What was written since then stays.
      this.#instruction.value ||= instruction;
      this.#list.prepend(...rows);
      this.#instruction.focus();
    });
    this.#changed();
    this.#undoButton.focus();
  }

  #offerUndo(what: string, takeBack: (() => void) | null): void {
    this.#done.textContent = what;
    this.#takeBack = takeBack;
    this.#undoButton.hidden = takeBack === null;
  }

  #undo(): void {
    const takeBack = this.#takeBack;
    this.#offerUndo("Undone.", null);
    takeBack?.();
    this.#changed();
  }

  /** Numbers the rows and names their controls. */
  #changed(): void {
    const rows = this.#rows();
    for (const [at, row] of rows.entries()) {
      const area = part(row, "textarea", HTMLTextAreaElement);
      area.id = `answer-${row.dataset.id}`;
      part(row, "label", HTMLLabelElement).htmlFor = area.id;
      part(row, ".number", HTMLElement).textContent = String(at + 1);
      part(row, ".up", HTMLElement).ariaLabel = `Move answer ${at + 1} up`;
      part(row, ".down", HTMLElement).ariaLabel = `Move answer ${at + 1} down`;
      part(row, ".remove", HTMLElement).ariaLabel = `Remove answer ${at + 1}`;
      // Not `disabled`: that would take the focus away from who presses it twice.
      part(row, ".up", HTMLElement).ariaDisabled = String(at === 0);
      part(row, ".down", HTMLElement).ariaDisabled = String(at === rows.length - 1);
    }
    byId("count", HTMLElement).textContent = String(rows.length);
    byId("no-answers", HTMLElement).hidden = rows.length > 0;
    this.onChange();
  }
}

function makeRow(id: string): HTMLElement {
  const row = fromTemplate("answer-template");
  row.dataset.id = id;
  return row;
}
