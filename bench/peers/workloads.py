"""What is scored: an instruction and candidates, as texts for us and as ids for the others.

The texts are random words, because only their number of tokens counts. Every word is taken from the
tokenizer's own vocabulary, and every text is checked to have exactly the tokens that it should.
"""

import random
import re

import numpy as np

# What rows are padded with, and the position of the first token less one. Any token would do, since the
# mask leaves it out, and ModernBERT's graphs are made for these positions (modernbert.py).
PAD = 1
# `<s> A </s></s> B </s>`, and ModernBERT's `[CLS] A [SEP] B [SEP]`.
SPECIALS = {"roberta": 4, "modernbert": 3}
# Several sets of texts, so that no run can pass with the answer of the one before.
MOST_VARIANTS = 4
MOST_PAIRS = 256


def even(low, high, count):
    """So many whole numbers from low to high, evenly spread."""
    return [round(low + (high - low) * i / max(count - 1, 1)) for i in range(count)]


# Tokens of the instruction and of each candidate.
LENGTHS = {
    # Candidates of very different lengths, one pair, and many short candidates.
    "W1": (96, even(8, 120, 16)),
    "W2": (96, [28]),
    "W3": (54, [2 + i % 9 for i in range(63)] + [6]),
    # Time against tokens: as W1, with more and more candidates.
    "S2": (96, even(8, 120, 2)),
    "S4": (96, even(8, 120, 4)),
    "S8": (96, even(8, 120, 8)),
}
# Few tokens, so that reading weights counts for as much as it ever does.
SHORT = {"W4": (16, even(4, 16, 4))}
# Long answers or passages, 1,000 tokens a pair, which only ModernBERT reads.
LONG = {"W5": (97, [900] * 16)}
# Does our time follow the real tokens alone? More and more candidates of the same mixture of
# lengths; then as many tokens in candidates of one length.
MIXTURE = even(4, 60, 16)
SCALING = {
    **{f"mixed{count}": (32, MIXTURE * (count // 16)) for count in (16, 64, 256, 1024)},
    "equal64": (32, [sum(MIXTURE) // len(MIXTURE)] * 64),
}


class Texts:
    """Texts of given lengths in tokens."""

    def __init__(self, tokenizer, seed):
        self.tokenizer = tokenizer
        self.dice = random.Random(seed)
        self.words = sorted(
            word[1:] for word in tokenizer.get_vocab() if re.fullmatch("Ġ[a-z]{3,}", word)
        )

    def count(self, text):
        return len(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def of(self, tokens):
        for _ in range(1000):
            # The first word has no space before it and may be several tokens, so words come off.
            words = [self.dice.choice(self.words) for _ in range(tokens)]
            while len(words) > 1 and self.count(" ".join(words)) > tokens:
                words.pop()
            text = " ".join(words)
            if self.count(text) == tokens:
                return text
        raise ValueError(f"no text of {tokens} tokens found")


def make(tokenizer, lengths, seed, family):
    """One workload: several times an instruction with its candidates."""
    texts = Texts(tokenizer, seed)
    instruction_tokens, candidate_tokens = lengths
    variants = []
    for _ in range(max(1, min(MOST_VARIANTS, MOST_PAIRS // len(candidate_tokens)))):
        instruction = texts.of(instruction_tokens)
        order = texts.dice.sample(candidate_tokens, len(candidate_tokens))
        candidates = [texts.of(tokens) for tokens in order]
        ids = [tokenizer.encode(instruction, candidate).ids for candidate in candidates]
        expected = [instruction_tokens + tokens + SPECIALS[family] for tokens in order]
        assert [len(row) for row in ids] == expected, "pairs have other lengths than their parts"
        variants.append({"instruction": instruction, "candidates": candidates, "ids": ids})
    return {"variants": variants, **tokens(variants[0]["ids"])}


def tokens(ids):
    """Real tokens, and what they become when every row is padded to the longest."""
    return {
        "pairs": len(ids),
        "realTokens": sum(map(len, ids)),
        "paddedTokens": len(ids) * max(map(len, ids)),
    }


def make_all(tokenizer, family):
    """All workloads by name."""
    # In this order, because a place in it is a seed.
    everything = {**LENGTHS, **SCALING, **SHORT, **(LONG if family == "modernbert" else {})}
    return {name: make(tokenizer, lengths, seed, family) for seed, (name, lengths) in enumerate(everything.items())}


def feeds(ids):
    """Rows padded to the longest, the mask that says so, and the position of every token."""
    longest = max(map(len, ids))
    padded = np.array([row + [PAD] * (longest - len(row)) for row in ids], np.int64)
    mask = (np.arange(longest) < np.array([[len(row)] for row in ids])).astype(np.int64)
    positions = np.cumsum(mask, axis=1) * mask + PAD
    return {"input_ids": padded, "attention_mask": mask, "position_ids": positions}
