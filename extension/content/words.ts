/** The texts of badges and notes. */
import type { EngineState, PageSettings } from "../messages.js";
import type { View } from "./views.js";

const LOADING = { download: "Downloading the model", load: "Loading the model" };

/** A score in two digits, for which a badge has room. */
export function inShort(score: number): string {
  return score.toFixed(2).replace(/^-(0\.00)$/, "$1");
}

/** What a badge means, as a sentence for screen readers. */
export function sentence(view: View): string {
  switch (view.kind) {
    case "ranked":
      return [
        `Rank ${view.rank} of ${view.of}${view.soFar ? " so far" : ""}`,
        `score ${inShort(view.score.score)}`,
        ...(view.best ? ["the best"] : []),
        ...(view.changing ? ["still changing"] : []),
      ].join(", ");
    case "waiting":
      return `One of ${view.of} answers, not scored yet`;
    case "loading":
      return LOADING[view.phase] + (view.percent === undefined ? "" : `, ${view.percent}%`);
    case "failed":
      return "The answers could not be ranked";
  }
}

/** What a badge shows, in pieces with their CSS classes; empty where the style shows no badge. */
export function pieces(view: View, style: PageSettings["badge"]): [name: string, text: string][] {
  switch (view.kind) {
    case "ranked": {
      if (style === "best")
        return view.best
          ? [
              ["star", "★"],
              ["rank", "Best"],
            ]
          : [];
      return [
        ...(view.best ? [["star", "★"] as [string, string]] : []),
        ["rank", `#${view.rank}`],
        ...(style === "full" ? [["score", inShort(view.score.score)] as [string, string]] : []),
        ...(view.changing ? [["dots", "…"] as [string, string]] : []),
      ];
    }
    case "waiting":
      return [["dots", "…"]];
    case "loading":
      return [["dots", view.percent === undefined ? "Model …" : `Model ${view.percent}%`]];
    case "failed":
      return [["rank", "!"]];
  }
}

/** The lines of a note. The first is its title. */
export function lines(view: View, state: EngineState | undefined): string[] {
  switch (view.kind) {
    case "ranked":
      return [
        `Rank ${view.rank} of ${view.of}${view.soFar ? " so far" : ""}${view.best ? ", the best" : ""}`,
        `Score ${view.score.score.toFixed(4)}. The nearer to 1, the more the model trusts the answer.`,
        ...(view.changing ? ["The answer is still changing; this is the score of its earlier words."] : []),
        ...(view.score.truncated > 0
          ? [`Too long for the model: ${view.score.truncated} tokens of prompt and answer were not read.`]
          : []),
        ...(state?.phase === "ready" ? [`${state.model}, ${state.dtype}, on ${state.adapter || "your GPU"}.`] : []),
      ];
    case "waiting":
      return ["Not scored yet", "An answer is scored when it no longer changes."];
    case "loading":
      return [
        `${LOADING[view.phase]}${view.percent === undefined ? "" : `: ${view.percent}%`}`,
        "Scores follow by themselves.",
      ];
    case "failed":
      return ["The answers could not be ranked", view.message];
  }
}
