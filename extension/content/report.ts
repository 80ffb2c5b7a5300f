/** The report on a page for the popup. */
import type { PageReport } from "../messages.js";
import type { SiteAdapter } from "../sites/index.js";
import { groupsOf } from "./groups.js";
import { readPage } from "./read.js";
import { Texts } from "./text.js";

/** The report on a page on which nothing is ranked. */
export function reportOf(adapter: SiteAdapter): PageReport {
  const reading = readPage(adapter);
  const { groups, left } = groupsOf(reading, new Texts(adapter.ignore), { others: () => 0, alone: false });
  return {
    adapter: adapter.id,
    prompts: reading.prompts.length,
    answers: reading.answers.length,
    ranked: groups.filter(({ shown }) => shown.length > 1).length,
    left,
    problem: "",
  };
}
