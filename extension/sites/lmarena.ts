import type { SiteAdapter } from "./adapter.js";

/**
 * LMArena, by its old address and by arena.ai, its new one. No attributes mark its messages, so class
 * names have to do: the prompt is a raised bubble at the right, an answer the `.prose` of a card with a
 * sticky head that names the model. The list shows the newest message first in the document and is turned
 * over by its style. From public descriptions up to October 2026; none of it could be checked against the
 * live site here.
 *
 * Unconfirmed, from one source only: `.bg-surface-secondary.max-w-prose`. No source has seen
 * `data-message-author-role` there: those layers are for the day that it comes.
 */
export const lmarena: SiteAdapter = {
  id: "lmarena",
  name: "LMArena",
  matches: ["https://lmarena.ai/*", "https://arena.ai/*"],
  prompt: [
    '[data-message-author-role="user"]',
    ".bg-surface-raised .prose, .self-end .prose",
    ".bg-surface-secondary.max-w-prose",
    "ol .justify-end .prose",
  ],
  answer: [
    '[data-message-author-role="assistant"]',
    ":has(> .sticky .truncate) .prose:not(.bg-surface-raised *, .self-end *)",
    "ol .prose:not(.bg-surface-raised *, .self-end *, .justify-end *, .bg-surface-secondary *)",
  ],
  turn: ':has(> .sticky .truncate), [class*="basis-"], [role="group"][aria-roledescription="slide"]',
  reversed: "ol",
  ignore: [
    "button",
    "details",
    ".sticky",
    ".sr-only",
    // "Thought for …" is a button, and what it opens stands behind it.
    "button[aria-controls] + *",
    // The head of a block of code, with the language's name.
    '[data-code-block="true"] > :not(pre, code, :has(pre, code))',
  ],
  streaming: ['[aria-busy="true"]', ".animate-spin"],
  // A label, for want of anything better: the site is in English alone.
  running: 'button[aria-label="Stop generation"]',
  settleMs: 1500,
};
