/** The dialog to paste several answers at once. */
import { byId, onClick, part } from "../ui/dom.js";
import { counted } from "../ui/words.js";

/** Opens the dialog by its button; `add` gets the answers. */
export function offerPasting(add: (texts: string[]) => void): void {
  const dialog = byId("paste", HTMLDialogElement);
  const form = part(dialog, "form", HTMLFormElement);
  const area = byId("paste-text", HTMLTextAreaElement);
  const count = byId("paste-count", HTMLElement);
  const answers = () => split(area.value, new FormData(form).get("split") === "one");
  const showCount = () => {
    count.textContent = counted(answers().length, "answer");
  };
  onClick("paste-several", () => {
    dialog.returnValue = "";
    dialog.showModal();
    area.focus();
    showCount();
  });
  onClick("paste-cancel", () => dialog.close());
  form.addEventListener("input", showCount);
  dialog.addEventListener("close", () => {
    if (dialog.returnValue !== "add") return;
    const texts = answers();
    area.value = "";
    if (texts.length > 0) add(texts);
  });
}

/** The answers in a text: one, or those between lines of three dashes or more. */
function split(text: string, asOne: boolean): string[] {
  const parts = asOne ? [text] : text.split(/^[ \t]*-{3,}[ \t]*\r?$/m);
  return parts.map((part) => part.trim()).filter((part) => part !== "");
}
