"""Prints the tables of README.md: how often the model picks the right candidate, beside three baselines.

    python evaluate.py [--model DIR] [--each N] [--keep]

The weights are the saved f16 values, the arithmetic is f32. Nothing here was trained on:
'instances' have new contents in known wordings, 'templates' have new contents in new wordings.
With --keep, the first ten hand-written examples that the model gets right by a clear margin
are written to examples.json.
"""

import argparse
import json
import os
import re
import zlib

import torch
from tokenizers import Tokenizer
from transformers import RobertaForSequenceClassification

from tasks import FAMILIES, OFF_TOPIC, Sampler
from train import HERE, PAD, make_rouge


def load(folder):
    tok = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    tok.enable_truncation(256, strategy="longest_first")
    model = RobertaForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
    return tok, model.eval()


def score(tok, model, pairs, rows=128):
    """The raw logit of every (instruction, response)."""
    encoded = [e.ids for e in tok.encode_batch(pairs)]
    order = sorted(range(len(pairs)), key=lambda i: len(encoded[i]))
    out = [0.0] * len(pairs)
    with torch.no_grad():
        for at in range(0, len(order), rows):
            part = order[at : at + rows]
            ids = torch.full((len(part), max(len(encoded[i]) for i in part)), PAD)
            for row, i in enumerate(part):
                ids[row, : len(encoded[i])] = torch.tensor(encoded[i])
            logits = model(input_ids=ids, attention_mask=(ids != PAD).long()).logits[:, 0]
            for i, x in zip(part, logits.tolist()):
                out[i] = x
    return out


def words(s):
    return re.findall(r"\w+", s.lower())


def overlap(instruction, s):
    """Share of the candidate's words that stand in the instruction."""
    known = set(words(instruction))
    return sum(x in known for x in words(s)) / max(1, len(words(s)))


def won(values, right):
    """1 if the right one is ahead alone; its share if it is tied."""
    top = max(values)
    return (values[right] == top) / values.count(top)


def family_result(tok, model, name, split, each, rouge):
    sampler = Sampler(zlib.crc32((name + split).encode()), split, OFF_TOPIC)
    for other in FAMILIES:  # something to take mismatched answers from
        sampler.instance(other)
    cases = [sampler.evaluation(name, rouge) for _ in range(each)]
    scores = iter(score(tok, model, [(x.instruction, s) for x, cs, _ in cases for s in cs]))
    total = [0.0] * 4
    for x, cs, right in cases:
        total[0] += won([next(scores) for _ in cs], right)
        total[1] += 1 / len(cs)
        total[2] += won([len(s) for s in cs], right)
        total[3] += won([overlap(x.instruction, s) for s in cs], right)
    return [100 * t / each for t in total]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--model", default=HERE)
    p.add_argument("--each", type=int, default=150, help="instances a family and split")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--keep", action="store_true")
    args = p.parse_args()
    torch.set_num_threads(args.threads)
    tok, model = load(args.model)
    with open(os.path.join(HERE, "hand_written.json"), encoding="utf-8") as f:
        examples = json.load(f)
    print("Hand-written examples:\n")
    kept, right = [], 0
    for x in examples:
        s = score(tok, model, [(x["instruction"], c) for c in x["candidates"]])
        first = max(range(len(s)), key=lambda i: s[i])
        good = first == x["best"]
        margin = s[x["best"]] - max(v for i, v in enumerate(s) if i != x["best"])
        right += good
        kept += [x] if margin >= 0.1 and len(kept) < 10 else []
        print(f"- {'right' if good else 'WRONG'}: {x['instruction'][:70]!r}:",
              ", ".join(f"{c!r} {v:.2f}" for c, v in zip(x["candidates"], s)))
    print(f"\n{right} of {len(examples)} right\n")
    if args.keep:
        with open(os.path.join(HERE, "examples.json"), "w", encoding="utf-8") as f:
            f.write("[\n" + ",\n".join(" " + json.dumps(x, ensure_ascii=False) for x in kept) + "\n]\n")
    rouge = make_rouge()
    print("| family | new contents | new wordings | chance | longest | overlap |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    rows = []
    for name in sorted(FAMILIES):
        one = family_result(tok, model, name, "instances", args.each, rouge)
        two = family_result(tok, model, name, "templates", args.each, rouge)
        row = [one[0], two[0]] + [(one[k] + two[k]) / 2 for k in (1, 2, 3)]
        rows.append((name, row))
        print(f"| {name} | " + " | ".join(f"{v:.0f}" for v in row) + " |", flush=True)
    mean = [sum(r[k] for _, r in rows) / len(rows) for k in range(5)]
    print("| **mean** | " + " | ".join(f"**{v:.1f}**" for v in mean) + " |")
    behind = [n for n, r in rows if min(r[0], r[1]) <= max(r[2:])]
    print(f"\nNot ahead of the best baseline on both columns: {', '.join(behind) or 'none'}")


if __name__ == "__main__":
    main()
