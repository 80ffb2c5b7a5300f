import { byId } from "./dom.js";

/**
 * Copies a text. Where the browser forbids that, the text is shown and selected, to be copied by hand.
 * @param {string} text
 * @param {string} name what it is
 * @param {HTMLTextAreaElement} area where it is shown
 * @returns {Promise<boolean>} whether it was copied
 */
export async function copyText(text, name, area = byId("by-hand", HTMLTextAreaElement)) {
  try {
    await navigator.clipboard.writeText(text);
    area.hidden = true;
    return true;
  } catch {
    area.hidden = false;
    area.ariaLabel = name;
    area.value = text;
    area.select();
    return false;
  }
}

/** What to say where a text was not copied. */
export const BY_HAND = "The browser does not let this page copy. Copy the text below.";

/**
 * Buttons that copy the code beside them.
 * @param {ParentNode} root
 */
export function setUpCodeButtons(root) {
  for (const button of root.querySelectorAll("button[data-copies]")) {
    const code = byId(button.getAttribute("data-copies") ?? "", HTMLElement);
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(`${code.textContent?.trim()}\n`);
        say(button, "Copied");
      } catch {
        getSelection()?.selectAllChildren(code);
        say(button, "Copy the selected text");
      }
    });
  }
}

/**
 * Says it on a button, for a while.
 * @param {Element} button
 * @param {string} text
 */
function say(button, text) {
  const before = button.getAttribute("data-name") ?? button.textContent ?? "";
  button.setAttribute("data-name", before);
  button.textContent = text;
  setTimeout(() => {
    button.textContent = before;
  }, 2000);
}
