"""How often a model picks the right response, beside chance, the longest, word overlap and MiniLM's cosine.

    python evaluate.py MODEL [--each 2] [--tasks OUT.md] [--baselines]

The dev split of ../shared/instructions (the mean over tasks), held-out right answers against mismatched ones, the sixty
everyday questions, and checks for biases. MODEL is a folder that transformers reads, such as OUT/ema.
Nothing here is trained on. Ties are shared out.
"""

import argparse
import os
import random
import re
from collections import defaultdict

import torch
import torch.nn.functional as F
from safetensors import safe_open

from export import read_back
from model import base_folder, load_model, load_tokenizer, pad, score
from sources import FOLDER, dataset, read, read_answers, read_everyday
from spoil import EVASIVE


def cases_of_dev(each, seed=7):
    """[(task, instruction, responses, indices of the right ones)]: at most `each` groups a task, always the same."""
    out = []
    for task, rows in sorted(read(FOLDER, "dev").items()):
        r = random.Random(f"{seed}{task}")
        for row in r.sample(rows, min(len(rows), each)):
            pairs = [(s, True) for s in row.good] + [(s, False) for s, _ in row.bad]
            r.shuffle(pairs)
            out.append((task, row.instruction, [s for s, _ in pairs], {i for i, (_, y) in enumerate(pairs) if y}))
    return out


def cases_of_answers(n, seed=7):
    """Held-out right answers, each against three answers of other instructions of which one is of like length."""
    held = [x for rows in read_answers()[1].values() for x in rows if len(x.good[0]) < 800]
    r = random.Random(seed)
    out = []
    for row in r.sample(held, min(n, len(held))):
        others = sorted((x.good[0] for x in held if x is not row), key=lambda s: abs(len(s) - len(row.good[0])))
        pairs = [row.good[0], r.choice(others[:5])] + r.sample(others, 2)
        order = r.sample(range(4), 4)
        out.append(("answers/" + row.task, row.instruction, [pairs[i] for i in order], {order.index(0)}))
    return out


def cases_of_everyday():
    return [("everyday/" + x["kind"], x["instruction"], x["answers"], {x["best"]}) for x in read_everyday()]


def won(values, right):
    """1 if a right one is ahead; its share if it is tied with wrong ones."""
    top = [i for i, v in enumerate(values) if v == max(values)]
    return sum(i in right for i in top) / len(top)


def overlap(instruction, s):
    """Share of the response's words that stand in the instruction."""
    known = set(re.findall(r"\w+", instruction.lower()))
    ws = re.findall(r"\w+", s.lower())
    return sum(w in known for w in ws) / max(1, len(ws))


def cosines(cases):
    """MiniLM's cosine of instruction and response, as sentence-transformers computes it."""
    from transformers import BertModel
    model = BertModel.from_pretrained(base_folder(), dtype=torch.float32).eval()
    tok = load_tokenizer()
    texts = sorted({c[1] for c in cases} | {s for c in cases for s in c[2]}, key=len)
    vectors = {}
    with torch.no_grad():
        for at in range(0, len(texts), 32):
            ids, _, mask = pad(tok.encode_batch(texts[at : at + 32]))
            h = model(input_ids=ids, attention_mask=mask).last_hidden_state * mask[..., None]
            vectors |= dict(zip(texts[at : at + 32], F.normalize(h.sum(1) / mask.sum(1, keepdim=True))))
    return [[float(vectors[c[1]] @ vectors[s]) for s in c[2]] for c in cases]


def by_task(cases, values):
    got = defaultdict(list)
    for c, v in zip(cases, values):
        got[c[0]].append(won(v, c[3]))
    return {t: 100 * sum(x) / len(x) for t, x in got.items()}


def mean(xs):
    xs = list(xs)
    return sum(xs) / max(1, len(xs))


def scored(model, tok, cases):
    flat = iter(score(model, tok, [(c[1], s) for c in cases for s in c[2]]))
    return [[next(flat) for _ in c[2]] for c in cases]


def biases(model, tok, cases, values):
    """Lines about what the model prefers for no good reason."""
    longer = lambda c: max(range(len(c[2])), key=lambda i: len(c[2][i]))
    picks = [max(range(len(v)), key=lambda i: v[i]) for v in values]
    some = [c for c in cases if len(next(iter([c[2][i] for i in c[3]]))) > 15]
    some = random.Random(3).sample(some, min(200, len(some)))
    right = [c[2][min(c[3])] for c in some]
    best = score(model, tok, [(c[1], s) for c, s in zip(some, right)])
    echo = score(model, tok, [(c[1], c[1].split("\n")[-1][-200:]) for c in some])
    r = random.Random(5)
    evasive = score(model, tok, [(c[1], r.choice(EVASIVE)) for c in some])
    half = score(model, tok, [(c[1], s[: len(s) // 2]) for c, s in zip(some, right)])
    long = [i for i, s in enumerate(right) if len(s.split()) >= 5]
    moved = score(model, tok, [(some[i][1], " ".join(r.sample(right[i].split(), len(right[i].split())))) for i in long])
    share = lambda xs: f"{100 * mean(xs):.0f}%"
    return [f"picks the longest: {share(p == longer(c) for p, c in zip(picks, cases))} (the longest is right in {share(longer(c) in c[3] for c in cases)})",
            f"right answer ahead of an echo of the instruction: {share(a > b for a, b in zip(best, echo))}, of an evasive answer: "
            f"{share(a > b for a, b in zip(best, evasive))}, of its own first half: {share(a > b for a, b in zip(best, half))}, "
            f"of its own words in another order: {share(best[i] > m for i, m in zip(long, moved))}"]


def open_folder(folder):
    """(model in f32, tokenizer), also of a folder that export.py wrote."""
    with safe_open(os.path.join(folder, "model.safetensors"), "pt") as f:
        rounded = any(n.endswith(".scales") for n in f.keys())
    return (read_back(folder) if rounded else load_model(folder)).eval(), load_tokenizer(folder)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("model", nargs="*")
    p.add_argument("--each", type=int, default=2, help="dev groups a task")
    p.add_argument("--answers", type=int, default=100)
    p.add_argument("--tasks", help="write the table by task here")
    p.add_argument("--baselines", action="store_true", help="MiniLM's cosine, too")
    p.add_argument("--show", action="store_true", help="print the everyday questions that it gets wrong")
    args = p.parse_args()
    torch.set_num_threads(1)
    sets = {"dev": cases_of_dev(args.each), "answers": cases_of_answers(args.answers), "everyday": cases_of_everyday()}
    columns = {name: {} for name in ["chance", "longest", "overlap"]}
    for name, cases in sets.items():
        columns["chance"][name] = [[0.0] * len(c[2]) for c in cases]
        columns["longest"][name] = [[len(s) for s in c[2]] for c in cases]
        columns["overlap"][name] = [[overlap(c[1], s) for s in c[2]] for c in cases]
        if args.baselines:
            columns.setdefault("cosine", {})[name] = cosines(cases)
    print("| model | dev, mean over tasks | over data sets | held-out answers | everyday |\n| --- | ---: | ---: | ---: | ---: |", flush=True)

    def line(label, values):
        tasks = by_task(sets["dev"], values["dev"])
        groups = defaultdict(list)
        for t, x in tasks.items():
            groups[dataset(t)].append(x)
        plain = lambda n: 100 * mean(won(v, c[3]) for c, v in zip(sets[n], values[n]))
        print(f"| {label} | {mean(tasks.values()):.1f} | {mean(mean(x) for x in groups.values()):.1f} | {plain('answers'):.0f} | {plain('everyday'):.0f} |", flush=True)

    for label, values in columns.items():
        line(label, values)
    for folder in args.model:
        model, tok = open_folder(folder)
        values = {name: scored(model, tok, cases) for name, cases in sets.items()}
        columns[folder] = values
        line(folder, values)
        for s in biases(model, tok, sets["dev"] + sets["everyday"], values["dev"] + values["everyday"]):
            print("  - " + s, flush=True)
        kinds = by_task(sets["everyday"], values["everyday"])
        print("  - everyday by kind: " + ", ".join(f"{k.split('/')[1]} {v:.0f}" for k, v in sorted(kinds.items())), flush=True)
        if args.show:
            for c, v in zip(sets["everyday"], values["everyday"]):
                if won(v, c[3]) < 1:
                    print(f"    {c[1][:100]!r}: " + "; ".join(f"{'*' if i in c[3] else ''}{s[:50]!r} {x:.2f}" for i, (s, x) in enumerate(zip(c[2], v))))
    if args.tasks:
        tables = {label: by_task(sets["dev"], v["dev"]) for label, v in columns.items()}
        with open(args.tasks, "w", encoding="utf-8") as f:
            f.write("| task | groups | " + " | ".join(tables) + " |\n| --- | ---: |" + " ---: |" * len(tables) + "\n")
            for t in sorted(tables["chance"]):
                f.write(f"| {t} | {sum(c[0] == t for c in sets['dev'])} | " + " | ".join(f"{x[t]:.0f}" for x in tables.values()) + " |\n")


if __name__ == "__main__":
    main()
