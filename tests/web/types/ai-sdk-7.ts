// Compiled, never run: what `cappy-web/ai-sdk` gives, against the types of `ai` 7 and `@ai-sdk/provider` 4. Its own
// declarations take version 3 of the latter here, as where both are installed.
import type { Experimental_DecisionModelV4, RerankingModelV4 } from "@ai-sdk/provider-v4";
import { experimental_decide, rerank, type Experimental_DecisionModel } from "ai-7";
import type { Scorer } from "cappy-web";
import { cappyDecider, cappyReranker } from "cappy-web/ai-sdk";

declare const scorer: Scorer;

const model: Experimental_DecisionModelV4 = cappyDecider(scorer, { modelId: "m", rendering: { temperature: 0.1 } });
model satisfies Experimental_DecisionModel;
const { answers } = await experimental_decide({
  model: cappyDecider(scorer),
  state: { message: "I was charged twice." },
  questions: {
    team: { type: "choice", criteria: { billing: "Payments", support: null } },
    severity: { type: "score", criteria: ["Cosmetic", "Blocking"] },
    refund: { type: "boolean", instructions: "Is a refund asked for?" },
  },
});
answers.team.choice satisfies "billing" | "support";
answers.severity.score satisfies number;
answers.refund.probability satisfies number;
// What the AI SDK may send, as it is typed there.
declare const call: Parameters<Experimental_DecisionModelV4["doDecide"]>[0];
await cappyDecider(scorer).doDecide(call);
// @ts-expect-error A decider can decide.
cappyDecider({ rank: async () => [] });
// @ts-expect-error A rendering has no such field.
cappyDecider(scorer, { rendering: { heat: 1 } });

const reranker: RerankingModelV4 = cappyReranker(scorer, { version: 4 });
await rerank({ model: reranker, query: "q", documents: ["a", "b"] });
await rerank({ model: cappyReranker(scorer), query: "q", documents: ["a", "b"] });
// @ts-expect-error Version 3 is another type.
cappyReranker(scorer) satisfies RerankingModelV4;
