/** Groups of answers that are ranked against each other: answers to prompts with the same text. */
import type { Answer, Reading } from "./read.js";
import type { Texts } from "./text.js";

/** The most answers of one group, and of a page, that are ranked. The newest count, which are at the end of the page. */
const MOST_IN_GROUP = 64;
const MOST_ON_PAGE = 256;

/** The most prompts whose texts are compared, again the newest. */
const MOST_PROMPTS = 1024;

/** An answer with its text. */
export interface Shown {
  answer: Answer;
  text: string;
  /** Its first part with a text, at which the badge is placed. */
  anchor: Element;
}

/** Answers to prompts with the same text, in reading order. */
export interface Group {
  key: string;
  instruction: string;
  shown: Shown[];
}

/**
 * Groups of two answers or more, the newest first, and how many answers are not ranked because there are too many.
 * `others` says how many answers to a prompt are known that the page may not show now. With `alone`, groups of one
 * answer follow, because the page may show another answer in its place later.
 */
export function groupsOf(
  reading: Reading,
  texts: Texts,
  { others, alone }: { others: (key: string) => number; alone: boolean },
): { groups: Group[]; left: number } {
  const { gathered, looked } = gather(reading, texts);
  const isOne = ({ key, newestFirst }: Gathered) => newestFirst.length + others(key) < 2;
  let left = reading.answers.length - looked;
  let room = MOST_ON_PAGE;
  const groups: Group[] = [];
  for (const { key, instruction, newestFirst } of [
    ...gathered.filter((group) => !isOne(group)),
    ...gathered.filter(isOne),
  ]) {
    const one = newestFirst.length < 2;
    if (one && !alone) continue;
    const chosen = newestFirst.slice(0, Math.min(room, MOST_IN_GROUP));
    if (!one) left += newestFirst.length - chosen.length;
    room -= chosen.length;
    const shown = chosen.flatMap((answer) => shownOf(answer, texts)).reverse();
    if (shown.length > 0) groups.push({ key, instruction, shown });
  }
  return { groups, left };
}

/** Empty for an answer without text. */
function shownOf(answer: Answer, texts: Texts): Shown[] {
  const text = texts.of(answer.parts);
  return text ? [{ answer, text, anchor: answer.parts.find((part) => texts.of([part])) ?? answer.parts[0] }] : [];
}

interface Gathered {
  key: string;
  instruction: string;
  newestFirst: Answer[];
}

function gather({ answers }: Reading, texts: Texts): { gathered: Gathered[]; looked: number } {
  const gathered = new Map<string, Gathered>();
  let looked = 0;
  let prompts = 0;
  let prompt: Element | undefined;
  let group: Gathered | undefined;
  for (let at = answers.length - 1; at >= 0; at -= 1) {
    const answer = answers[at]!;
    if (answer.prompt !== prompt) {
      prompts += 1;
      if (prompts > MOST_PROMPTS) break;
      prompt = answer.prompt;
      group = groupOf(prompt, texts, gathered);
    }
    looked += 1;
    group?.newestFirst.push(answer);
  }
  return { gathered: [...gathered.values()], looked };
}

/** `undefined` for an answer without a prompt, or with a prompt without text, such as a picture. */
function groupOf(prompt: Element | undefined, texts: Texts, gathered: Map<string, Gathered>): Gathered | undefined {
  const instruction = prompt && texts.of([prompt]);
  if (!instruction) return undefined;
  const key = texts.nameOf(prompt);
  let group = gathered.get(key);
  if (!group) gathered.set(key, (group = { key, instruction, newestFirst: [] }));
  return group;
}
