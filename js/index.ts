/**
 * Score and rank answers on the visitor's own GPU.
 *
 * @module cappy-web
 *
 * @example
 * import { Scorer } from "cappy-web";
 * const scorer = await Scorer.load();
 * const ranked = await scorer.rank("Which animal barks?", ["a cat", "a dog"]);
 * console.log(ranked[0].text);
 */

export { CappyError, type CappyErrorCode } from "./error.js";
export type { Best, BestOptions, Stopped } from "./best/choice.js";
export type {
  Answer,
  Answers,
  Content,
  DecideOptions,
  Decision,
  Question,
  Rendering,
} from "./decide/decisions.js";
export type { Explanation, ExplainOptions } from "./explain/explanation.js";
export { deleteKept, keptModels, probe } from "./models.js";
export { deleteAdaptation, keptAdaptations, Scorer } from "./scorer.js";
export type {
  AdaptationSource,
  Adapted,
  AdaptHistory,
  AdaptOptions,
  AdaptPlan,
  AdaptProgress,
  AdaptStep,
  AdapterInfo,
  Candidate,
  Cost,
  CpuWeights,
  Depth,
  Device,
  Dtype,
  Info,
  KeptAdaptation,
  KeptModel,
  Lesson,
  LoadOptions,
  LoadProgress,
  ModelSource,
  Ranked,
  RankOptions,
  Scored,
  ScoreOptions,
  SourceOptions,
} from "./types.js";
