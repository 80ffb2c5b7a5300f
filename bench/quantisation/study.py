"""What weight quantisation costs, by block size, scheme and way of rounding.

    pip install torch transformers tokenizers safetensors numpy rouge_score
    python bench/quantisation/study.py                    # measures what results.json lacks; resumes
    python bench/quantisation/study.py --only feedback --cases mini --minutes 4
    python bench/quantisation/study.py --table            # the tables of docs/quantisation.md

Scores in f32 of a model with rounded weights are held against those of the model itself, over
groups of 16 pairs: Pearson's correlation, groups whose best candidate stays the best, and the mean
and largest difference in standard deviations of the scores.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import torch

import models
from feedback import Calibration, Feedback
from rounding import Scheme, rounded

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.json"
WORDS = "embeddings.word_embeddings.weight"
GROUPS = {"mini": 1000, "outliers-384": 1000, "outliers-768": 250}

WORDS_8 = Scheme(8, 0, search="error")
HEAD_8 = Scheme(8, 32, search="weighted")
Q8 = Scheme(8, 32, search="weighted")
Q4 = Scheme(4, 64, signed=True, search="weighted")


def matrix(name):
    return name.startswith("encoder") and name.endswith(".weight") and "LayerNorm" not in name


def large(scheme_of, words):
    """Megabytes of a model of the large shape: everything but matrices and the word table in f16."""
    hidden, ffn, layers, vocab = 1024, 4096, 24, 50265
    names = {n: (hidden, hidden) for n in ("self.query", "self.key", "self.value", "output.dense")}
    shapes = {f"attention.{n}": s for n, s in names.items()}
    shapes |= {"intermediate.dense": (ffn, hidden), "output.dense": (hidden, ffn)}
    total = words.size(vocab, hidden) if words else vocab * hidden * 2
    plain = 0
    for layer in range(layers):
        plain += 4 * hidden + ffn + hidden + 4 * hidden
        for name, shape in shapes.items():
            scheme = scheme_of(f"encoder.layer.{layer}.{name}.weight")
            total += scheme.size(*shape) if scheme else 2 * shape[0] * shape[1]
    scheme = scheme_of("classifier.dense.weight")
    total += scheme.size(hidden, hidden) if scheme else 2 * hidden**2
    plain += 514 * hidden + hidden + 2 * hidden + 2 * hidden + 1
    return (total + 2 * plain) / 1e6


def bits_a_weight(case, scheme_of):
    """Bits a weight of the encoder's matrices."""
    matrices = {n: t for n, t in case.model.weights.items() if matrix(n)}
    stored = sum(s.size(*t.shape) if (s := scheme_of(n)) else 2 * t.numel() for n, t in matrices.items())
    return 8 * stored / sum(t.numel() for t in matrices.values())


class Row:
    """One way to store a model."""

    def __init__(self, part, label, scheme, words=WORDS_8, except_for=(), instead=None, how=None, head=None):
        self.part, self.label, self.words, self.how = part, label, words, how
        self.except_for, self.instead, self.scheme, self.head = except_for, instead, scheme, head

    def of(self, layers):
        """Name of a matrix to its scheme, in a model of so many layers."""

        def scheme_of(name):
            if name == "classifier.dense.weight":
                return self.head
            if not matrix(name):
                return None
            name = name.replace(f"layer.{layers - 1}.", "layer.last.")
            return self.instead if any(part in name for part in self.except_for) else self.scheme

        return scheme_of

    def measure(self, case):
        scheme_of = self.of(case.model.layers)
        w = {n: t.half().float() for n, t in case.model.weights.items()}
        if self.words:
            w[WORDS] = rounded(self.words, case.model.weights[WORDS])
        if self.how:
            w = Calibration(case, self.how).round(w, scheme_of)
        else:
            for n in w:
                if scheme_of(n):
                    w[n] = rounded(scheme_of(n), case.model.weights[n])
        result = case.compare(w)
        result["bits"] = bits_a_weight(case, scheme_of)
        result["large"] = large(self.of(24), self.words)
        return result


def size_of(block):
    return f"blocks of {block}" if block else "whole rows"


def rows():
    made = []

    def add(*args, **kwargs):
        made.append(Row(*args, **kwargs))

    for block in (16, 32, 64, 128, 0):
        for search, name in (("absmax", "largest weight"), ("error", "least error")):
            add("q8", f"{size_of(block)}, {name}", Scheme(8, block, search=search))
    add("q8", "blocks of 32, zero point, least error", Scheme(8, 32, zero=True, search="error"))
    for block in (16, 32, 64, 128, 0):
        for kind, options in (
            ("positive scale, largest weight", {"search": "absmax"}),
            ("signed scale, largest weight", {"signed": True, "search": "absmax"}),
            ("signed scale, least error", {"signed": True, "search": "error"}),
            ("zero point, largest weight", {"zero": True, "search": "absmax"}),
            ("zero point, least error", {"zero": True, "search": "error"}),
        ):
            add("q4", f"{size_of(block)}, {kind}", Scheme(4, block, **options))
    for label, words in (
        ("q8, whole rows, largest weight", Scheme(8, 0)),
        ("q8, whole rows, least error", WORDS_8),
        ("q8, blocks of 32, least error", Scheme(8, 32, search="error")),
        ("q4, blocks of 64, least error", Scheme(4, 64, signed=True, search="error")),
        ("q4, blocks of 16, least error", Scheme(4, 16, signed=True, search="error")),
    ):
        add("words", label, None, words)
    plain_8, plain_4 = Scheme(8, 32, search="error"), Scheme(4, 64, signed=True, search="error")
    for label, parts in (
        ("queries and keys", ["query", "key"]),
        ("values", ["value"]),
        ("attention out", ["attention.output"]),
        ("FFN up", ["intermediate"]),
        ("FFN down", [f"{i}.output.dense" for i in (*range(24), "last")]),
        ("first layer", ["layer.0."]),
        ("last layer", ["layer.last."]),
    ):
        add("mixed", f"q8 for {label}", plain_4, except_for=parts, instead=plain_8)
    for name, best in (("q8", Q8), ("q4", Q4)):
        for label, how in (
            ("weighed search only", Feedback(columns=False, drift=False)),
            ("and biases", Feedback(columns=False, drift=False, bias=True)),
            ("drift only", Feedback(columns=False)),
            ("feedback only, damping 0.01", Feedback(drift=False, damp=0.01)),
            ("feedback only", Feedback(drift=False)),
            ("feedback and drift, damping 0.01", Feedback(damp=0.01)),
            ("feedback and drift", Feedback()),
            ("and biases, feedback and drift", Feedback(bias=True)),
            ("ordered by inputs", Feedback(ordered=True)),
            ("scales of corrected weights", Feedback(moved=True)),
            ("two passes of descent", Feedback(descent=2)),
            ("tokens weighed by gradients", Feedback(gradient=True)),
            ("head q8 and fitted", Feedback(fit=0.01)),
        ):
            head = HEAD_8 if how.fit else None
            add("feedback", f"{name}: {label}", best, how=how, head=head)
    fit = Feedback(fit=0.01)
    for label, scheme in (
        ("q8, blocks of 16", replace(Q8, block=16)),
        ("q8, blocks of 64", replace(Q8, block=64)),
        ("q8, blocks of 128", replace(Q8, block=128)),
        ("q4, blocks of 16", replace(Q4, block=16)),
        ("q4, blocks of 32", replace(Q4, block=32)),
        ("q4, blocks of 128", replace(Q4, block=128)),
        ("q4, blocks of 64, zero point", Scheme(4, 64, zero=True, search="weighted")),
        ("q4, blocks of 32, zero point", Scheme(4, 32, zero=True, search="weighted")),
    ):
        add("blocks", label, scheme, how=fit, head=HEAD_8)
    for label, scheme, parts, instead in (
        ("q8, first layer f16", Q8, ["layer.0."], None),
        ("q8, first two layers f16", Q8, ["layer.0.", "layer.1."], None),
        ("q8, FFN down of the first and keys of the second layer f16", Q8, ["layer.0.output", "layer.1.attention.self.key"], None),
        ("q4, first layer q8", Q4, ["layer.0."], Q8),
        ("q4, first layer f16", Q4, ["layer.0."], None),
        ("q4, first two layers q8", Q4, ["layer.0.", "layer.1."], Q8),
        ("q4, last layer q8", Q4, ["layer.last."], Q8),
        ("q4, values and attention out q8", Q4, ["value", "attention.output"], Q8),
        ("q4, FFN q8", Q4, ["intermediate", ".output.dense"], Q8),
        ("q4, attention q8", Q4, ["attention"], Q8),
    ):
        add("exceptions", label, scheme, except_for=parts, instead=instead, how=fit, head=HEAD_8)
    return made


def load():
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def measure(args):
    until = time.monotonic() + 60 * args.minutes
    for name in args.cases:
        todo = [r for r in rows() if args.only in (None, r.part) and args.match in r.label]
        todo = [r for r in todo if f"{name}/{r.part}/{r.label}" not in load()]
        if not todo:
            continue
        case = models.cases([name], GROUPS[name], args.calibration)[0]
        for row in todo:
            if time.monotonic() > until:
                return
            start = time.monotonic()
            result = row.measure(case)
            result["calibration"] = args.calibration if row.how else 0
            # Read again: another run may have added to it.
            RESULTS.write_text(json.dumps(load() | {f"{name}/{row.part}/{row.label}": result}, indent=0) + "\n")
            shown = " ".join(f"{k} {v:.6g}" for k, v in result.items())
            print(f"{name}/{row.part}/{row.label}: {shown} ({time.monotonic() - start:.0f} s)", flush=True)


def table():
    """Markdown: a table a part, three columns a case."""
    results = load()
    names = list(GROUPS)
    for part in dict.fromkeys(r.part for r in rows()):
        if not any(f"/{part}/" in key for key in results):
            continue
        print(f"\n<!-- {part} -->\n| | bits a weight | MB, large | " + " | ".join(f"{n}: r | top-1 | mean, max" for n in names) + " |")
        print("| --- | ---: | ---: |" + " ---: | ---: | ---: |" * len(names))
        for row in rows():
            found = [results.get(f"{n}/{row.part}/{row.label}") for n in names]
            if row.part != part or not any(found):
                continue
            cells = [
                f"{f['correlation']:.6f} | {100 * f['top1']:.1f} | {f['mean']:.4f}, {f['max']:.2f}" if f else "| |"
                for f in found
            ]
            any_ = next(f for f in found if f)
            print(f"| {row.label} | {any_['bits']:.2f} | {any_['large']:.0f} | " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", default=list(GROUPS), type=lambda s: s.split(","))
    parser.add_argument("--only", help="one part of the study")
    parser.add_argument("--match", default="", help="rows whose label has this in it")
    parser.add_argument("--calibration", type=int, default=100, help="groups of 16 calibration pairs")
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no row after this time")
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(2)
    if args.table:
        table()
    else:
        measure(args)


if __name__ == "__main__":
    main()
