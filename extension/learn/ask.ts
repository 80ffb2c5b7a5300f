/** Messages by which content scripts and pages store the user's opinions of answers, and ask for them. */
import * as v from "valibot";
import { cut, Known, MOST_ANSWERS, type ToBackground, VERSION } from "../messages.js";

/** Stores a thumb that was pressed; `undefined` takes it back. Fails where it was not stored. */
export async function sendOpinion(instruction: string, answer: string, liked: boolean | undefined): Promise<void> {
  await send({
    v: VERSION,
    to: "background",
    type: "opinion",
    instruction: cut(instruction),
    answer: cut(answer),
    liked: liked ?? null,
  });
}

/** The opinions of answers to an instruction, in the order of the answers. */
export async function askOpinions(instruction: string, answers: readonly string[]): Promise<(boolean | undefined)[]> {
  const all: (boolean | undefined)[] = [];
  for (let start = 0; start < answers.length; start += MOST_ANSWERS) {
    const part = answers.slice(start, start + MOST_ANSWERS).map(cut);
    const { liked } = v.parse(
      Known,
      await send({ v: VERSION, to: "background", type: "opinions", instruction: cut(instruction), answers: part }),
    );
    all.push(...liked.map((one) => one ?? undefined));
  }
  return all;
}

async function send(message: ToBackground): Promise<unknown> {
  const answer: unknown = await chrome.runtime.sendMessage(message);
  const { ok, message: why } = (answer ?? {}) as { ok?: boolean; message?: string };
  if (ok !== true) throw new Error(why ?? "The background does not answer");
  return answer;
}
