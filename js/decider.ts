import type { Answer, Answers, DecideOptions, Decision, Question, Rendering } from "./decide/decisions.js";
import { CappyError, messageOf, throwIfAborted } from "./error.js";
import type { AbortSignal } from "./globals.js";
import { checkOptions } from "./options.js";
import { part } from "./thrown.js";

/** What the adapter needs of a `Scorer`: it answers questions about a state. */
export interface Decider {
  /** Answers every question; `truncated` is the most tokens that were cut. */
  decide(decision: Decision, options?: DecideOptions): Promise<{ answers: Answers; truncated: number }>;
}

/** How to make a decision model for the AI SDK. */
export interface CappyDeciderOptions {
  /** The name that the AI SDK shows in its results and traces; `cappy` unless given. */
  modelId?: string;
  /** Changes of how the model is asked, and of its temperature, as `Scorer.decide` takes them. */
  rendering?: Partial<Rendering>;
}

/**
 * A decision model as `experimental_decide()` of `ai` 7 takes it: `Experimental_DecisionModelV4` of
 * `@ai-sdk/provider` 4. It is written out here because version 3 of that package has no such type.
 */
export interface CappyDecisionModel {
  /** The version of the interface. */
  readonly specificationVersion: "v4";
  /** Who makes the model. */
  readonly provider: string;
  /** The model's name. */
  readonly modelId: string;
  /** What may be asked. */
  readonly supportedQuestionTypes: readonly Question["type"][];
  /** Answers every question about the state. */
  doDecide(options: CappyDecisionCall): Promise<CappyDecisionResult>;
}

/** What the AI SDK asks of a decision model. Other fields are for services and are not read. */
export interface CappyDecisionCall {
  /** The state in parts. */
  readonly state: readonly CappyStatePart[];
  /** The questions by name. */
  readonly questions: Readonly<
    Record<
      string,
      { readonly type: Question["type"] | "box"; readonly instructions?: unknown; readonly criteria?: unknown }
    >
  >;
  /** How much to think, which is nothing that this model could choose. */
  readonly reasoning?: string | undefined;
  /** Stops the work. */
  readonly abortSignal?: AbortSignal | undefined;
}

/** A part of the state. */
export type CappyStatePart =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "json"; readonly value: unknown }
  | {
      readonly type: "file";
      readonly mediaType: string;
      readonly data:
        | { readonly type: "text"; readonly text: string }
        | { readonly type: "data"; readonly data: Uint8Array | string }
        | { readonly type: "url" | "reference" };
    };

/** What the AI SDK gets of a decision model. */
export interface CappyDecisionResult {
  /** The answers by the questions' names. */
  answers: Record<string, Answer | { type: "refusal" }>;
  /** What the caller ought to know. */
  warnings: ({ type: "other"; message: string } | { type: "unsupported"; feature: string; details: string })[];
  /** What answered. */
  response: { modelId: string };
}

/**
 * A decision model for the AI SDK, over a loaded `Scorer`. Answers are those of `Scorer.decide`, whose rules hold.
 *
 * The parts of the state are texts, JSON, and files of text, which are read one after the other. A question that
 * cannot be answered, such as a score with one level, is refused, with the reason as a warning; the other ones are
 * answered. A state that was cut because it is too long gives a warning. `headers`, `providerOptions` and
 * `maxOutputTokens` are ignored, since no request is sent and no text is generated.
 *
 * Calls throw `CappyError` with code `input` for a picture or another file that is no text, naming the part of the
 * state, and what `Scorer.decide` throws.
 *
 * @example
 * const { answers } = await experimental_decide({
 *   model: cappyDecider(await Scorer.load()),
 *   state: { message: "I was charged twice." },
 *   questions: { refund: { type: "boolean", instructions: "Is a refund asked for?" } },
 * });
 * console.log(answers.refund.probability);
 */
export function cappyDecider(scorer: Decider, options: CappyDeciderOptions = {}): CappyDecisionModel {
  checkOptions(options, { modelId: "string", rendering: "object" }, "cappyDecider");
  const { modelId = "cappy", rendering } = options;
  return {
    specificationVersion: "v4",
    provider: "cappy-web",
    modelId,
    supportedQuestionTypes: ["choice", "score", "boolean"],
    async doDecide({ state, questions, reasoning, abortSignal: signal }) {
      throwIfAborted(signal, "decide");
      const read = await stateOf(state);
      const { asked, faults } = await sorted(questions);
      const { answers, truncated } =
        Object.keys(asked).length > 0
          ? await scorer.decide({ state: read, questions: asked }, { signal, rendering })
          : { answers: {}, truncated: 0 };
      const warnings: CappyDecisionResult["warnings"] = faults.map(({ message }) => ({ type: "other", message }));
      if (truncated > 0) warnings.push({ type: "other", message: `state: is too long: ${truncated} tokens were cut` });
      if (reasoning !== undefined && reasoning !== "none" && reasoning !== "provider-default")
        warnings.push({
          type: "unsupported",
          feature: "reasoning",
          details: "options are scored, nothing is generated",
        });
      // In the questions' order, and not by assignment: a question may be called __proto__.
      const all = Object.keys(questions).map((name) => [
        name,
        Object.hasOwn(answers, name) ? answers[name]! : { type: "refusal" as const },
      ]);
      return { answers: Object.fromEntries(all), warnings, response: { modelId } };
    },
  };
}

/** The questions that can be answered, and what is wrong with the others. */
async function sorted(questions: CappyDecisionCall["questions"]) {
  const [{ planned }, { defaultRendering }] = await Promise.all([
    part("decide/plan.js", () => import("./decide/plan.js")),
    part("decide/rendering.js", () => import("./decide/rendering.js")),
  ]);
  const faults: CappyError[] = [];
  const asked = Object.entries(questions as Record<string, Question>).filter((entry) => {
    try {
      planned({ state: "", questions: Object.fromEntries([entry]) }, defaultRendering(1, true));
      return true;
    } catch (error) {
      faults.push(error as CappyError);
      return false;
    }
  });
  return { asked: Object.fromEntries(asked), faults };
}

/** The parts as one state: a single one as it is, several as texts, one after the other. */
async function stateOf(parts: readonly CappyStatePart[]): Promise<Decision["state"]> {
  const contents = parts.map(contentOf);
  if (contents.length === 1) return contents[0]!;
  const { textOf } = await part("decide/content.js", () => import("./decide/content.js"));
  return contents.map((content, index) => textOf(content, `state[${index}]`)).join("\n\n");
}

function contentOf(part: CappyStatePart, index: number): Decision["state"] {
  if (part.type === "text") return part.text;
  if (part.type === "json") return part.value as Decision["state"];
  const { data, mediaType } = part;
  const refuse = (what: string, cause?: unknown): never => {
    throw new CappyError("input", `state[${index}]`, what, { cause });
  };
  if (data.type === "text") return data.text;
  const type = mediaType.split(";")[0]!.trim().toLowerCase();
  if (!/^text(\/|$)|[/+](json|xml)$/.test(type)) return refuse(`is a file of type ${type}; texts and JSON are read`);
  if (data.type !== "data") return refuse("is a file that is elsewhere; give its content");
  try {
    const bytes =
      typeof data.data === "string" ? Uint8Array.from(atob(data.data), (byte) => byte.charCodeAt(0)) : data.data;
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    return refuse(`is no text in UTF-8: ${messageOf(cause)}`, cause);
  }
}
