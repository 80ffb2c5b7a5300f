import type { ModelSource, SourceOptions } from "../types.js";
import { BROWSER, openIn, type OpenedModel } from "./open.js";
import type { PlainSource } from "./picked.js";
import type { LoadContext } from "./session.js";

export type { OpenedModel } from "./open.js";
export type { FileProgress } from "./progress.js";
export { type Hasher, type LoadContext, persist } from "./session.js";

/**
 * Opens the folder that `source` names. Nothing is read yet but, of each file when it is opened, its size.
 *
 * @throws `input` for a source or option that makes no sense, `aborted`
 */
export function openModel(
  source: ModelSource | PlainSource,
  options: SourceOptions,
  context: LoadContext,
): Promise<OpenedModel> {
  return openIn(BROWSER, source, options, context);
}
