/** What the badge of an answer says. */
import type { EngineState, Score } from "../messages.js";

export type View =
  | {
      kind: "ranked";
      rank: number;
      of: number;
      score: Score;
      best: boolean;
      /** The answer is still being written, or was edited and has not been scored anew. */
      changing: boolean;
      /** Other answers have no score yet. */
      soFar: boolean;
    }
  | { kind: "waiting"; of: number }
  | { kind: "loading"; phase: "download" | "load"; percent: number | undefined }
  | { kind: "failed"; message: string };

/** One answer of a group: its score if there is one, and whether its text has changed since. */
export interface Rated {
  score: Score | undefined;
  changing: boolean;
}

/** The views of the answers of one group. Equal scores share a rank. */
export function viewsOf(rated: readonly Rated[], state: EngineState | undefined, problem: string): View[] {
  const scores = rated.flatMap(({ score }) => (score ? [score.score] : []));
  const soFar = scores.length < rated.length;
  return rated.map(({ score, changing }) => {
    if (!score) return withoutScore(rated.length, state, problem);
    const rank = 1 + scores.filter((other) => other > score.score).length;
    return { kind: "ranked", rank, of: rated.length, score, best: rank === 1 && !soFar, changing, soFar };
  });
}

function withoutScore(of: number, state: EngineState | undefined, problem: string): View {
  if (problem) return { kind: "failed", message: problem };
  if (state?.phase !== "download" && state?.phase !== "load") return { kind: "waiting", of };
  const percent = state.total > 0 ? Math.min(100, Math.floor((100 * state.bytes) / state.total)) : undefined;
  return { kind: "loading", phase: state.phase, percent };
}
