import { open } from "node:fs/promises";
import { Scorer } from "cappy-web";

const PROMPT = "How do I get a red wine stain out of a white shirt?";

/** Recorded samples, one after the other as a language model would give them. Ask yours here instead. */
async function* samples() {
  const file = await open(new URL("samples.txt", import.meta.url));
  try {
    for await (const line of file.readLines()) {
      yield line;
    }
  } finally {
    // Runs as soon as no more samples are wanted: end the request here.
    await file.close();
  }
}

const scorer = await Scorer.load();
const best = await scorer.best(PROMPT, samples(), {
  enough: 0.35,
  patience: 6,
  onScore: ({ score, text }) => console.log(`${score.toFixed(3).padStart(6)}  ${text}`),
});
if (best) {
  console.log(`\nThe best of ${best.scored} (${best.stopped}): ${best.text}`);
}
scorer.dispose();
