import type { EngineClient } from "../engine/client.js";
import { onStored } from "../storage.js";
import { onOpinions } from "../learn/store.js";
import { changeSettings, readSettings } from "../settings.js";
import { button, byId, make, onClick } from "../ui/dom.js";
import { errorBox } from "../ui/errors.js";
import { LARGE } from "../ui/model.js";
import { hostOf } from "../ui/places.js";
import { counted, inBytes, listed } from "../ui/words.js";
import { deleteFolder } from "./folders.js";
import { deleteAll, inPhrases, type Stored, takeStock } from "./stored.js";

/** The list of what is stored, with buttons to delete it. */
export class StoredView {
  readonly #list = byId("stored", HTMLElement);
  readonly #error = byId("stored-error", HTMLElement);
  readonly #deleted = byId("deleted", HTMLElement);
  readonly #button = onClick("delete-all", () => void this.#confirm());
  #refreshes = 0;
  #working = false;

  constructor(readonly engine: EngineClient) {
    const dialog = byId("confirm", HTMLDialogElement);
    dialog.addEventListener("close", () => {
      if (dialog.returnValue === "delete") void this.#deleteAll();
    });
    onOpinions(() => void this.refresh());
    onStored(() => void this.refresh());
  }

  /** Lists again what is stored. */
  async refresh(): Promise<void> {
    // While something is deleted, reading could create parts of it anew.
    if (this.#working) return;
    const refresh = (this.#refreshes += 1);
    const stored = await takeStock();
    if (refresh !== this.#refreshes) return;
    const { usage, quota } = stored;
    this.#list.replaceChildren(...this.#rows(stored));
    byId("space", HTMLElement).textContent =
      usage === undefined || quota === undefined
        ? ""
        : `The browser counts ${inBytes(usage)} in all, and grants ${inBytes(quota)}.`;
  }

  #rows({
    settings,
    instruction,
    answers,
    ranking,
    decision,
    lessons,
    taught,
    models,
    problem,
    folders,
    tuningBytes,
    origins,
  }: Stored): HTMLElement[] {
    const collected = [...(instruction ? ["the instruction"] : []), ...(answers ? [counted(answers, "answer")] : [])];
    const rows = [
      line("Settings", settings ? "changed" : "as they came"),
      line("Collected in the side panel", listed(collected) || "nothing"),
      line("Last ranking of the side panel", ranking ? "stored" : "none"),
      line("Text and question to decide", decision ? "stored" : "none"),
      line("Lessons from your thumbs", lessons > 0 ? String(lessons) : "none"),
      line("Learned from them", listed(taught) || "nothing"),
      line("Measurements of this graphics adapter", tuningBytes > 0 ? inBytes(tuningBytes) : "none"),
    ];
    if (origins.length > 0) rows.push(line("Sites that you allowed", listed(origins.map(hostOf))));
    for (const { model, bytes, complete } of models) {
      rows.push(
        line(
          model,
          inBytes(bytes) + (complete ? "" : ", not complete"),
          this.#deleteButton(model, async () => {
            const { model: choice } = await readSettings();
            const used =
              choice.kind === "large"
                ? LARGE.source
                : choice.kind === "hub"
                  ? choice.id
                  : choice.kind === "url"
                    ? choice.url
                    : "";
            // The names of stored models have no query, and an address may have one.
            await this.#stopUsing(used.split("?")[0] === model);
            await (await import("cappy-web")).deleteKept(model);
          }),
        ),
      );
    }
    for (const { name, bytes, complete } of folders) {
      rows.push(
        line(
          `Folder ${name}`,
          inBytes(bytes) + (complete ? "" : ", not complete"),
          this.#deleteButton(`folder ${name}`, async () => {
            const { model: choice } = await readSettings();
            await this.#stopUsing(choice.kind === "folder" && choice.name === name);
            await deleteFolder(name);
          }),
        ),
      );
    }
    if (problem) rows.push(line("Models that cannot be listed", problem));
    else if (models.length + folders.length === 0)
      rows.push(line("Models", "none but Cappy-small, which comes with the extension"));
    return rows;
  }

  /** Chooses the extension's own model in place of one that is to be deleted, and unloads that. */
  async #stopUsing(used: boolean): Promise<void> {
    if (!used) return;
    await changeSettings({ model: { kind: "embedded" } });
    await this.engine.unload();
  }

  #deleteButton(what: string, act: () => Promise<void>): HTMLElement {
    return button(
      "Delete",
      () =>
        void this.#do(async () => {
          await act();
          this.#deleted.textContent = `Deleted ${what}.`;
        }),
      { className: "quiet", label: `Delete ${what}` },
    );
  }

  async #confirm(): Promise<void> {
    const phrases = inPhrases(await takeStock());
    if (phrases.length === 0) {
      this.#deleted.textContent = "Nothing is stored.";
      return;
    }
    byId("confirm-list", HTMLElement).replaceChildren(...phrases.map((phrase) => make("li", {}, phrase)));
    const dialog = byId("confirm", HTMLDialogElement);
    dialog.returnValue = "";
    dialog.showModal();
  }

  #deleteAll(): Promise<void> {
    return this.#do(async () => {
      const before = inPhrases(await takeStock());
      await deleteAll(this.engine);
      const left = inPhrases(await takeStock());
      this.#deleted.textContent =
        left.length === 0
          ? `Deleted: ${listed(before)}. Nothing is stored any more.`
          : `Some things could not be deleted: ${listed(left)}.`;
    });
  }

  async #do(work: () => Promise<void>): Promise<void> {
    this.#error.replaceChildren();
    this.#deleted.textContent = "";
    this.#button.disabled = this.#working = true;
    try {
      await work();
    } catch (error) {
      this.#error.replaceChildren(errorBox(error, () => void this.#do(work)));
    }
    this.#button.disabled = this.#working = false;
    // The button that was pressed may be gone.
    if (document.activeElement === document.body) this.#button.focus();
    await this.refresh();
  }
}

function line(what: string, value: string, ...controls: HTMLElement[]): HTMLElement {
  return make(
    "li",
    {},
    make("span", { className: "grow" }, what),
    make("span", { className: "muted numbers" }, value),
    ...controls,
  );
}
