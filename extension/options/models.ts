import type { EngineClient } from "../engine/client.js";
import type { Settings } from "../settings.js";
import { askToDownload } from "../ui/cost.js";
import { button, byId, make, onClick } from "../ui/dom.js";
import { errorBox, isAbort } from "../ui/errors.js";
import { LARGE, type ModelView } from "../ui/model.js";
import { counted, inBytes, nameOf } from "../ui/words.js";
import { modelNamed } from "./address.js";
import { onDropped } from "./drop.js";
import { copyFolder, type Folder, pickedFolders, type Plan, planOf, safe } from "./folders.js";

const KINDS = ["embedded", "large", "url", "folder"] as const;

/** The controls to choose a model. */
export class ModelChooser {
  readonly #plan = byId("plan", HTMLElement);
  readonly #error = byId("folder-error", HTMLElement);
  readonly #url = byId("url", HTMLInputElement);

  /** @param onStored called after something was stored or deleted */
  constructor(
    readonly engine: EngineClient,
    readonly model: ModelView,
    readonly onStored: () => void,
  ) {
    onClick("use-embedded", () => void model.use({ kind: "embedded" }));
    onClick(
      "use-large",
      () => void askToDownload(byId("large-cost", HTMLElement), LARGE, () => void this.#use({ kind: "large" })),
    );
    byId("url-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      this.#lookUp();
    });
    for (const [buttonId, inputId] of [
      ["pick-folder", "folder-input"],
      ["pick-files", "files-input"],
    ] as const) {
      const input = byId(inputId, HTMLInputElement);
      onClick(buttonId, () => input.click());
      input.addEventListener("change", () => {
        const files = [...input.files!];
        // So that choosing the same folder again is a change, too.
        input.value = "";
        if (files.length > 0) void this.#offer(files);
      });
    }
    onDropped(
      (files) => void this.#offer(files),
      (error) => this.#error.replaceChildren(errorBox(error)),
    );
  }

  /** Shows which model is in use. */
  show({ model }: Settings): void {
    const used = model.kind === "hub" ? "url" : model.kind;
    for (const kind of KINDS) byId(`choice-${kind}`, HTMLElement).classList.toggle("in-use", kind === used);
    byId("use-embedded", HTMLElement).hidden = model.kind === "embedded";
    byId("use-large", HTMLElement).hidden = model.kind === "large";
    if (used === "url" && this.#url.value === "")
      this.#url.value = model.kind === "hub" ? model.id : model.kind === "url" ? model.url : "";
    void this.#listFolders(model.kind === "folder" ? model.name : "");
  }

  async #use(choice: Settings["model"]): Promise<void> {
    await this.model.use(choice);
    this.onStored();
  }

  #lookUp(): void {
    const problem = byId("url-problem", HTMLElement);
    const model = modelNamed(this.#url.value.trim());
    problem.textContent = model
      ? ""
      : "Write an id of the hub, such as owner/name, or a whole address, with https:// at its start.";
    if (!model) return this.#url.focus();
    const remote = {
      source: model.kind === "hub" ? model.id : (model as { url: string }).url,
      model,
      name: nameOf(model),
    };
    void askToDownload(byId("url-cost", HTMLElement), remote, () => void this.#use(remote.model));
  }

  async #listFolders(used: string): Promise<void> {
    const folders = await pickedFolders();
    byId("folders", HTMLElement).replaceChildren(...folders.map((folder) => this.#row(folder, folder.name === used)));
  }

  #row({ name, bytes, complete }: Folder, used: boolean): HTMLElement {
    const words = [inBytes(bytes), ...(complete ? [] : ["not complete"]), ...(used ? ["in use"] : [])];
    const row = make(
      "li",
      { className: "folder" },
      make("p", {}, `${name} `, make("span", { className: "muted small" }, words.join(", "))),
    );
    if (complete && !used) {
      row.append(button("Use", () => void this.#use({ kind: "folder", name }), { label: `Use the folder ${name}` }));
    }
    return row;
  }

  async #offer(files: File[]): Promise<void> {
    this.#error.replaceChildren();
    this.#plan.replaceChildren();
    let plan: Plan;
    try {
      plan = await planOf(files);
    } catch (error) {
      this.#error.replaceChildren(errorBox(error));
      return;
    }
    if (plan.missing.length > 0) {
      const error = { code: "not-found", message: `missing: ${plan.missing.join(", ")}` };
      this.#error.replaceChildren(errorBox(error));
      return;
    }
    const taken = new Set((await pickedFolders()).map(({ name }) => name));
    const title = make("h3", { tabIndex: -1 }, `Copy ${inBytes(plan.bytes)} into this browser?`);
    const name = make("input", {
      type: "text",
      id: "folder-name",
      value: plan.name,
      maxLength: 100,
      spellcheck: false,
    });
    const replaces = make("p", { className: "warning small", role: "status" });
    const check = () => {
      replaces.textContent = taken.has(safe(name.value)) ? "This replaces the folder of this name." : "";
    };
    name.addEventListener("input", check);
    check();
    const list = plan.files.map(({ path, file }) => make("li", {}, `${path}, ${inBytes(file.size)}`));
    const copy = button("Copy and use", () => void this.#copy({ ...plan, name: safe(name.value) }), {
      className: "primary",
    });
    this.#plan.replaceChildren(
      make(
        "div",
        { className: "notice", role: "group", ariaLabel: "Copy a model" },
        title,
        make("ul", { className: "small" }, ...list),
        make("label", { htmlFor: "folder-name" }, "Its name here"),
        name,
        replaces,
        make(
          "div",
          { className: "row" },
          copy,
          button("Not now", () => this.#plan.replaceChildren()),
        ),
      ),
    );
    title.focus();
  }

  async #copy(plan: Plan): Promise<void> {
    const stop = new AbortController();
    const bar = make("progress", { ariaLabel: "Copying the model", max: plan.bytes, value: 0 });
    const words = make("p", { className: "small numbers" }, `Copying ${counted(plan.files.length, "file")}`);
    const cancel = button("Cancel", () => stop.abort(), { label: "Cancel copying the model" });
    this.#plan.replaceChildren(
      make("div", { className: "notice" }, words, bar, make("div", { className: "row" }, cancel)),
    );
    cancel.focus();
    try {
      // The loaded model may be reading the folder that is replaced.
      await this.engine.unload();
      await copyFolder(plan, {
        signal: stop.signal,
        onProgress: (bytes) => {
          bar.value = bytes;
          words.textContent = `Copied ${inBytes(bytes)} of ${inBytes(plan.bytes)}`;
        },
      });
      this.#plan.replaceChildren();
      byId("pick-folder", HTMLElement).focus();
      await this.#use({ kind: "folder", name: plan.name });
    } catch (error) {
      this.#plan.replaceChildren();
      if (isAbort(error))
        this.#plan.append(make("p", { className: "muted", role: "status" }, "Cancelled. Nothing was stored."));
      else this.#error.replaceChildren(errorBox(error, () => void this.#copy(plan)));
      this.onStored();
    }
  }
}
