import { byId, withText } from "./dom.js";
import { inBytes } from "./words.js";

/** @typedef {typeof import("./cappy-web/index.js")} Package */

/**
 * Lists the models that this browser keeps, with buttons to load and to delete them.
 * @param {Package} cappy
 * @param {(model: string) => void} load
 * @param {(error: unknown) => void} fail called when listing or deleting fails
 */
export async function showStoredModels(cappy, load, fail) {
  const list = byId("kept", HTMLElement);
  const none = byId("kept-none", HTMLElement);
  try {
    const models = await cappy.keptModels();
    const rows = models.map(({ model, bytes, complete }) => {
      const row = document.createElement("li");
      row.className = "kept";
      const name = withText("p", model);
      name.append(withText("span", ` ${inBytes(bytes)}${complete ? "" : ", not complete"}`));
      const use = button(complete ? "Load" : "Go on", `Load ${model}`, () => load(model));
      const remove = button("Delete", `Delete ${model} from this browser`, async () => {
        remove.disabled = true;
        try {
          await cappy.deleteKept(model);
        } catch (error) {
          fail(error);
        }
        await showStoredModels(cappy, load, fail);
        byId("source", HTMLElement).focus();
      });
      row.append(name, use, remove);
      return row;
    });
    list.replaceChildren(...rows);
    none.hidden = models.length > 0;
  } catch (error) {
    fail(error);
  }
}

/**
 * @param {string} text
 * @param {string} label
 * @param {() => void} act
 */
function button(text, label, act) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = "quiet";
  element.textContent = text;
  element.setAttribute("aria-label", label);
  element.addEventListener("click", act);
  return element;
}
