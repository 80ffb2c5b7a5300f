"""Scores a data set of Hugging Face's `datasets`, whose batches stay in Arrow's memory.

pip install cappy-rerank datasets
python datasets_map.py
"""

from cappy import Scorer
from datasets import Dataset


def main() -> None:
    """Scores three rows."""
    data = Dataset.from_dict(
        {
            "instruction": ["Name the animal that barks."] * 3,
            "response": ["cow", "dog", "duck"],
        }
    )
    with Scorer.load() as scorer:
        # The data set calls back with batches of lists, and keeps what it is given in a file of Arrow.
        scored = data.map(
            lambda batch: {"score": scorer.score_pairs(zip(batch["instruction"], batch["response"], strict=True))},
            batched=True,
            batch_size=1024,
        )
    print(scored.sort("score", reverse=True)["response"][0])


if __name__ == "__main__":
    main()
