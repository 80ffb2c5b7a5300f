"""Makes tests/golden/long.json: what transformers scores with a ModernBERT where a pair has 4,096 tokens.

Run by hand, after changing the model, the words or the recipe of the random weights:

    pip install torch transformers==5.24.0 tokenizers numpy
    python tests/golden/make_long.py

A text is made of words by their number, so that the file stays small: word i of a text that begins at
`first` is number (i * i + 7 * i + first) modulo the count of words.
"""

import json
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

import make_golden
from make_golden import family, sizes

HERE = Path(__file__).resolve().parent
HOW = "made by tests/golden/make_long.py, which says how to remake it"
TOKENIZER = "tokenizers/modernbert.json"
WORDS = (
    "the river carries its stones far below old bridges while every traveller counts seven lanterns "
    "and nobody answers questions about winter"
).split()
CONFIG = family("ModernBert", "modernbert", **sizes(64, 2, 96, 5, 1500, 8192), local_attention=128)
SEED = 1


def text(first, count):
    return " ".join(WORDS[(i * i + 7 * i + first) % len(WORDS)] for i in range(count))


def encode(tokenizer, pair):
    return tokenizer.encode(text(*pair[0]), text(*pair[1])).ids


def main():
    tokenizer = Tokenizer.from_file(str(HERE / TOKENIZER))
    tokenizer.no_padding()
    # A response of so many words that the pair has 4,096 tokens with some instruction.
    long = next(
        pair
        for words in range(1200, 2500)
        if 4000 < len(encode(tokenizer, ((0, 9), (3, words)))) <= 4096
        for some in range(1, 40)
        if len(encode(tokenizer, pair := ((0, some), (3, words)))) == 4096
    )
    pairs = [long] + [((i, 9 + i), (2 * i, count)) for i, count in enumerate((900, 300, 70, 51, 30, 8, 1))]
    model = make_golden.random_model(CONFIG, SEED, "plain").eval().float()
    ids = [encode(tokenizer, pair) for pair in pairs]
    scores = make_golden.score(model, [{"ids": pair} for pair in ids], CONFIG["pad_token_id"])
    double = make_golden.score(model.double(), [{"ids": pair} for pair in ids], CONFIG["pad_token_id"])
    moved = np.abs(scores - double).max() / scores.std()
    assert moved < make_golden.BOUND / 2, moved
    fields = {
        "how": HOW,
        "config": CONFIG,
        "seed": SEED,
        "tokenizer": TOKENIZER,
        "words": WORDS,
        "bound": {"of_std": make_golden.BOUND},
        "pairs": [
            {"instruction": a, "response": b, "tokens": len(tokens), "score": float(f"{score[0]:.9g}")}
            for (a, b), tokens, score in zip(pairs, ids, scores)
        ],
    }
    (HERE / "long.json").write_text(json.dumps(fields, indent=1) + "\n")
    print(moved, scores.ravel(), [len(tokens) for tokens in ids], torch.__version__)


if __name__ == "__main__":
    main()
