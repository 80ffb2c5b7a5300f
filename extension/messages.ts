/**
 * Everything that one part of the extension says to another, and what makes it valid.
 *
 * There are three kinds: messages through a port to the engine (`ENGINE_PORT`), single messages to the background,
 * the offscreen document or pages (`to` says which, since all parts receive them), and single messages to the
 * content script of a tab. The receiver checks a message by its schema and by its sender, because content scripts
 * run in processes that hostile pages share.
 */
import * as v from "valibot";

/** Raised when a message changes its meaning, because old content scripts go on running after an update. */
export const VERSION = 1;

/** The name of ports to the engine. An engine of another version ignores them. */
export const ENGINE_PORT = `cappy-engine-${VERSION}`;

/**
 * The most characters of a text that are sent. A model reads 512 tokens of instruction and answer
 * together, so what is cut here would not be read either.
 */
export const MOST_CHARACTERS = 20_000;

/** The most answers in one request. */
export const MOST_ANSWERS = 256;

/** The most options that are decided between: what the package allows. */
export const MOST_OPTIONS = 256;

/** How a question is answered: by yes or no, by one of its options, or by a level of a scale, as the package calls them. */
export const KINDS = ["boolean", "choice", "score"] as const;
export type Kind = (typeof KINDS)[number];

/** The most requests to score that one port may have under way or waiting. */
export const MOST_SCORES = 4;

/** A text, cut to what is sent. No model reads more of it either. */
export function cut(text: string): string {
  return text.slice(0, MOST_CHARACTERS);
}

const version = v.literal(VERSION);
const id = v.pipe(v.number(), v.integer(), v.minValue(1));
const text = v.pipe(v.string(), v.maxLength(MOST_CHARACTERS));
const count = v.pipe(v.number(), v.integer(), v.minValue(0));

/** Where a model comes from. The files of a folder were copied into the extension's own storage. */
export const ModelChoice = v.variant("kind", [
  v.strictObject({ kind: v.literal("embedded") }),
  v.strictObject({ kind: v.literal("large") }),
  /** By its id on the hub, with a revision or without: `owner/name@revision`. */
  v.strictObject({
    kind: v.literal("hub"),
    id: v.pipe(v.string(), v.regex(/^[\w.-]+(\/[\w.-]+)?(@\S+)?$/), v.maxLength(300)),
  }),
  v.strictObject({ kind: v.literal("url"), url: v.pipe(v.string(), v.url(), v.regex(/^https?:/)) }),
  v.strictObject({ kind: v.literal("folder"), name: v.pipe(v.string(), v.regex(/^[\w.-]{1,100}$/)) }),
]);
export type ModelChoice = v.InferOutput<typeof ModelChoice>;

/** The name under which the package keeps what a model has learned. */
const AdaptationName = v.pipe(v.string(), v.regex(/^[\w-]{1,100}$/));

/** What a model has learned from the user's thumbs, and how well; the words of answers are not in it. */
export const Taught = v.strictObject({
  /** What the model is called that has learned. */
  model: v.string(),
  name: AdaptationName,
  lessons: count,
  steps: count,
  /** The mean squared error of lessons that were held out, before and after; `null` where there were too few. */
  before: v.nullable(v.number()),
  after: v.nullable(v.number()),
  /** When it was taught, in ms since 1970. */
  at: v.number(),
});
export type Taught = v.InferOutput<typeof Taught>;

/** The package's option for how weights are held. */
export const DTYPES = ["auto", "f16", "f32", "q8", "q4"] as const;

/** How much a badge says: rank and score, the rank alone, or only which answer is best. */
export const BADGE_STYLES = ["full", "rank", "best"] as const;

/** The part of the settings that content scripts get: what they need for badges, and nothing else. */
export const PageSettings = v.strictObject({
  on: v.boolean(),
  /** Site adapters by id that are switched off. */
  sitesOff: v.array(v.string()),
  badge: v.picklist(BADGE_STYLES),
  learn: v.boolean(),
  /** A text that changes when scores would change: with the model, its weights, or what it has learned. */
  scoring: v.string(),
});
export type PageSettings = v.InferOutput<typeof PageSettings>;

/** The names of what the background stores. */
export const STORED = ["settings", "collection", "ranking", "decision"] as const;
export type StoredName = (typeof STORED)[number];

/** The part of the settings that the engine needs. */
export const EngineSettings = v.strictObject({
  model: ModelChoice,
  /** The name of what the model has learned and is to be used; empty for the model as it came. */
  adaptation: v.union([v.literal(""), AdaptationName]),
  dtype: v.picklist(DTYPES),
  /** Where to compute, as the package's option says. */
  device: v.picklist(["auto", "gpu", "cpu"]),
  /** Minutes without work after which the model is unloaded. */
  idleMinutes: v.pipe(v.number(), v.minValue(0.05), v.maxValue(1440)),
});
export type EngineSettings = v.InferOutput<typeof EngineSettings>;

/** The state of the engine, which all connected ports and the background get. */
export const EngineState = v.variant("phase", [
  /** No model is loaded: it was not needed yet, or it was unloaded. */
  v.strictObject({ phase: v.literal("idle") }),
  v.strictObject({
    phase: v.picklist(["download", "load"]),
    model: v.string(),
    bytes: v.number(),
    total: v.number(),
  }),
  v.strictObject({
    phase: v.literal("ready"),
    model: v.string(),
    adaptation: v.string(),
    /** How weights are held; those of 16 bits, how they are read. */
    dtype: v.picklist(["f16", "f32", "q8", "q4"]),
    device: v.picklist(["gpu", "cpu"]),
    adapter: v.string(),
    /** Bytes of graphics memory, or of the computer's own where the processor computes. */
    memoryBytes: v.number(),
    maxTokens: v.number(),
    /** Requests under way. */
    working: count,
  }),
  v.strictObject({ phase: v.literal("failed"), model: v.string(), code: v.string(), message: v.string() }),
]);
export type EngineState = v.InferOutput<typeof EngineState>;

/** The state of teaching, which the extension's own pages get. */
export const Teaching = v.variant("phase", [
  v.strictObject({ phase: v.literal("idle") }),
  v.strictObject({
    phase: v.literal("running"),
    lessons: count,
    step: count,
    /** 0 until it is known. */
    steps: count,
    /** The mean squared error of the last step, and of what is held out when it was last looked at. */
    loss: v.nullable(v.number()),
    heldOut: v.nullable(v.number()),
  }),
  v.strictObject({ phase: v.literal("done"), taught: Taught }),
  v.strictObject({ phase: v.literal("failed"), code: v.string(), message: v.string() }),
]);
export type Teaching = v.InferOutput<typeof Teaching>;

/** Messages through a port to the engine. Content scripts may send only `score` and `cancel`. */
export const ToEngine = v.variant("type", [
  v.strictObject({
    v: version,
    type: v.literal("score"),
    id,
    instruction: text,
    answers: v.pipe(v.array(text), v.minLength(1), v.maxLength(MOST_ANSWERS)),
  }),
  v.strictObject({ v: version, type: v.literal("cancel"), id }),
  /** Answers a question about a text. Options are those of a choice, or the levels of a scale from the lowest on. */
  v.strictObject({
    v: version,
    type: v.literal("decide"),
    id,
    text,
    question: text,
    kind: v.picklist(KINDS),
    options: v.pipe(v.array(text), v.maxLength(MOST_OPTIONS)),
  }),
  v.strictObject({ v: version, type: v.literal("load"), id }),
  v.strictObject({ v: version, type: v.literal("unload"), id }),
  /** Teaches the chosen model what the thumbs say. It goes on when the port is closed. */
  v.strictObject({ v: version, type: v.literal("teach"), id }),
  /** Stops teaching, also where another page began it. */
  v.strictObject({ v: version, type: v.literal("stop-teaching"), id }),
]);
export type ToEngine = v.InferOutput<typeof ToEngine>;

/** One scored answer. */
export const Score = v.strictObject({
  /** The raw logit; nominally 0..1. */
  score: v.number(),
  /** Tokens of instruction and answer that were cut. */
  truncated: count,
});
export type Score = v.InferOutput<typeof Score>;

/** The answer to a question. */
export const Decided = v.strictObject({
  /** Every option with its probability, in the order of the question; of yes and no first that of yes. */
  shares: v.array(v.strictObject({ option: v.string(), share: v.number() })),
  /** Where the question asks for a level: the mean one, of which the lowest is 0. */
  level: v.nullable(v.number()),
  /** The most tokens of the text that were cut. */
  truncated: count,
});
export type Decided = v.InferOutput<typeof Decided>;

/** Messages through a port from the engine. */
export const FromEngine = v.variant("type", [
  v.strictObject({ v: version, type: v.literal("state"), state: EngineState }),
  v.strictObject({ v: version, type: v.literal("teaching"), teaching: Teaching }),
  /** Scores of a batch, the first of them that of answer number `first`. */
  v.strictObject({ v: version, type: v.literal("scored"), id, first: count, scores: v.array(Score) }),
  v.strictObject({ v: version, type: v.literal("decided"), id, decided: Decided }),
  /** The request with this id is done: everything was scored or decided, or the model is loaded, or unloaded. */
  v.strictObject({ v: version, type: v.literal("done"), id }),
  v.strictObject({ v: version, type: v.literal("failed"), id, code: v.string(), message: v.string() }),
]);
export type FromEngine = v.InferOutput<typeof FromEngine>;

/** Single messages to the background. Content scripts may send only the first four. */
export const ToBackground = v.variant("type", [
  /** Answered with `Answer` as soon as ports to the engine can be opened. */
  v.strictObject({ v: version, to: v.literal("background"), type: v.literal("ensure-engine") }),
  /** Answered with `PageSettings`. */
  v.strictObject({ v: version, to: v.literal("background"), type: v.literal("page-settings") }),
  /** A thumb was pressed, or taken back. Refused while learning is off. */
  v.strictObject({
    v: version,
    to: v.literal("background"),
    type: v.literal("opinion"),
    instruction: text,
    answer: text,
    liked: v.nullable(v.boolean()),
  }),
  /** Answered with `Known`: which thumbs were pressed for these answers. Refused while learning is off. */
  v.strictObject({
    v: version,
    to: v.literal("background"),
    type: v.literal("opinions"),
    instruction: text,
    answers: v.pipe(v.array(text), v.minLength(1), v.maxLength(MOST_ANSWERS)),
  }),
  /** Answered with `StoredValue`. */
  v.strictObject({ v: version, to: v.literal("background"), type: v.literal("read-stored"), name: v.picklist(STORED) }),
  /** Replaces these fields of what is stored under this name. The other fields stay. */
  v.strictObject({
    v: version,
    to: v.literal("background"),
    type: v.literal("store"),
    name: v.picklist(STORED),
    fields: v.record(v.string(), v.unknown()),
  }),
  /** Deletes everything that is stored. */
  v.strictObject({ v: version, to: v.literal("background"), type: v.literal("delete-stored") }),
  /** From the offscreen document, for the toolbar badge. */
  v.strictObject({ v: version, to: v.literal("background"), type: v.literal("engine-state"), state: EngineState }),
  /** From the offscreen document when it starts: answered with `EngineSettings`. It cannot read storage. */
  v.strictObject({ v: version, to: v.literal("background"), type: v.literal("engine-settings") }),
  /** From the offscreen document: what was learned, to be stored with the settings. */
  v.strictObject({ v: version, to: v.literal("background"), type: v.literal("taught"), taught: Taught }),
]);
export type ToBackground = v.InferOutput<typeof ToBackground>;

/** Single messages to the offscreen document. */
export const ToOffscreen = v.variant("type", [
  v.strictObject({ v: version, to: v.literal("offscreen"), type: v.literal("configure"), settings: EngineSettings }),
]);
export type ToOffscreen = v.InferOutput<typeof ToOffscreen>;

/** Single messages from the background to the extension's own pages. */
export const ToPages = v.variant("type", [
  /** What is stored under this name after a change; `null` after it was deleted. */
  v.strictObject({
    v: version,
    to: v.literal("pages"),
    type: v.literal("stored"),
    name: v.picklist(STORED),
    value: v.unknown(),
  }),
  /** Text that was selected in a private window, for the panel of that window, which answers with `Answer`. */
  v.strictObject({
    v: version,
    to: v.literal("pages"),
    type: v.literal("collect"),
    windowId: v.number(),
    as: v.picklist(["instruction", "answer", "text"]),
    text: v.string(),
  }),
]);
export type ToPages = v.InferOutput<typeof ToPages>;

/** Single messages to the content script of a tab. */
export const ToContent = v.variant("type", [
  /** The settings have changed. */
  v.strictObject({ v: version, to: v.literal("content"), type: v.literal("settings"), settings: PageSettings }),
  /** Answered with `PageReport`. */
  v.strictObject({ v: version, to: v.literal("content"), type: v.literal("report") }),
  /** The keyboard shortcut: moves the focus to the first badge in sight, or to the next one. */
  v.strictObject({ v: version, to: v.literal("content"), type: v.literal("focus-badge") }),
  /** Removes everything of the extension from the page; with `host`, only from pages of that host. */
  v.strictObject({ v: version, to: v.literal("content"), type: v.literal("leave"), host: v.optional(v.string()) }),
]);
export type ToContent = v.InferOutput<typeof ToContent>;

/** What a content script sees on its page. */
export const PageReport = v.strictObject({
  /** The id of the site adapter. */
  adapter: v.string(),
  prompts: count,
  answers: count,
  /** Prompts with two answers or more, which are those that get badges. */
  ranked: count,
  /** Answers that are not ranked because there are too many. */
  left: count,
  /** What went wrong last; empty if nothing did. */
  problem: v.string(),
});
export type PageReport = v.InferOutput<typeof PageReport>;

/** The thumbs of answers, in the order of the question. */
export const Known = v.strictObject({ ok: v.literal(true), liked: v.array(v.nullable(v.boolean())) });
export type Known = v.InferOutput<typeof Known>;

/** What is stored; `null` where nothing is. */
export const StoredValue = v.strictObject({ ok: v.literal(true), value: v.unknown() });
export type StoredValue = v.InferOutput<typeof StoredValue>;

/** How a single message is answered. */
export type Answer = { ok: true } | { ok: false; message: string };
