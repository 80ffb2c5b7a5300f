"""Scores a lazy frame of polars, which may be larger than memory.

pip install cappy-rerank polars
python polars_map_batches.py
"""

import polars as pl
from cappy import Scorer


def main() -> None:
    """Scores three rows."""
    frame = pl.LazyFrame(
        {
            "instruction": ["Name the animal that barks."] * 3,
            "response": ["cow", "dog", "duck"],
        }
    )
    added = {"score": pl.Float32, "tokens": pl.Int32, "truncated": pl.Int32}
    with Scorer.load() as scorer:
        # Polars says here what the columns are, so that it can plan without computing. Rows do not depend on each
        # other, so it may stream.
        scored = frame.map_batches(
            lambda batch: pl.DataFrame(scorer.score_arrow(batch)),
            schema={**frame.collect_schema(), **added},
            streamable=True,
        ).collect(engine="streaming")
    print(scored.sort("score", descending=True)["response"][0])


if __name__ == "__main__":
    main()
