/** Copies a text, says so in `said`, and shows the text in `byHand` where the browser does not let a page copy. */
export async function copyText(
  text: string,
  done: string,
  { said, byHand }: { said: HTMLElement; byHand: HTMLTextAreaElement },
): Promise<void> {
  // A screen reader does not say the same text again unless it was removed first.
  said.textContent = "";
  try {
    await navigator.clipboard.writeText(text);
    byHand.hidden = true;
    said.textContent = done;
  } catch {
    byHand.hidden = false;
    byHand.value = text;
    byHand.select();
    said.textContent = "The browser does not let this page copy. Copy the text below.";
  }
}
