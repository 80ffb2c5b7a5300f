"""What stopping early keeps of best-of-n, and what it saves.

    python best_of_n.py write OUT.jsonl [--each 5]            # questions with four candidates or more, from the dev split
    cappy score --model models/cappy-small < OUT.jsonl > SCORES.jsonl
    python best_of_n.py table OUT.jsonl SCORES.jsonl          # the table of docs/evaluation.md

A candidate is worth its label: 1 for a right one, 0 for a wrong one, and its Rouge-L where a language model wrote it. The
texts are not the project's and are not committed.
"""

import argparse
import json
import random
from collections import defaultdict

LEAST = 4
DRAWS = 16
ORDERS = 200
POLICIES = [
    *[{"enough": enough} for enough in (0.3, 0.4, 0.5, 0.6, 0.8)],
    *[{"atMost": most} for most in (2, 3, 4, 6, 8)],
    *[{"patience": patience} for patience in (2, 3, 4, 6)],
    {"enough": 0.5, "patience": 4},
    {"enough": 0.6, "patience": 6},
]


def write(out, each):
    from sources import FOLDER, read

    r = random.Random(17)
    with open(out, "w", encoding="utf-8") as f:
        for task, rows in sorted(read(FOLDER, "dev").items()):
            rows = [row for row in rows if len(row.good) + len(row.bad) >= LEAST]
            for row in r.sample(rows, min(len(rows), each)):
                candidates = [(text, 1.0) for text in row.good] + list(row.bad)
                r.shuffle(candidates)
                line = {"task": task, "instruction": row.instruction, "responses": [text for text, _ in candidates],
                        "worths": [worth for _, worth in candidates]}
                f.write(json.dumps(line, ensure_ascii=False) + "\n")


def best(candidates, enough=float("inf"), patience=float("inf"), atMost=float("inf")):
    """The worth of the candidate that `Scorer.best` chooses of (score, worth), and how many it scored."""
    top, worth, since = float("-inf"), 0.0, 0
    for scored, (score, value) in enumerate(candidates, 1):
        since += 1
        if score > top:
            top, worth, since = score, value, 0
        if top >= enough or since >= patience or scored >= atMost:
            break
    return worth, scored


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def over_tasks(questions, choose):
    """The mean over tasks of what `choose` gives for each order of a question's candidates."""
    tasks = defaultdict(list)
    for task, orders in questions:
        tasks[task].extend(choose(order) for order in orders)
    return [mean(mean(column) for column in columns) for columns in zip(*[list(zip(*rows)) for rows in tasks.values()])]


def columns(questions):
    """For each policy the share of the gain that it keeps, and of the samples that it saves, in percent."""
    first, samples = over_tasks(questions, lambda order: (order[0][1], len(order)))
    full, _ = over_tasks(questions, best)
    print(f"{len(questions)} questions, {samples:.1f} candidates each: first {100 * first:.1f}, best of all {100 * full:.1f}")
    rows = [over_tasks(questions, lambda order: best(order, **policy)) for policy in POLICIES]
    return [(100 * (worth - first) / (full - first), 100 * (1 - scored / samples)) for worth, scored in rows]


def table(questions_path, scores_path):
    with open(questions_path, encoding="utf-8") as q, open(scores_path, encoding="utf-8") as s:
        lines = [(json.loads(a), json.loads(b)["scores"]) for a, b in zip(q, s, strict=True)]
    pools = [(x["task"], list(zip(scores, x["worths"], strict=True))) for x, scores in lines]
    r = random.Random(19)
    once = [(task, [r.sample(pool, len(pool)) for _ in range(ORDERS)]) for task, pool in pools]
    drawn = [(task, [r.choices(pool, k=DRAWS) for _ in range(ORDERS)]) for task, pool in pools]
    rows = zip(POLICIES, columns(once), columns(drawn))
    print(f"\n| stops at | gain kept | samples saved | {DRAWS} draws: gain kept | samples saved |\n| --- | ---: | ---: | ---: | ---: |")
    for policy, each_once, draws in rows:
        name = ", ".join(f"`{option}: {value}`" for option, value in policy.items())
        print(f"| {name} | " + " | ".join(f"{value:.0f}%" for value in (*each_once, *draws)) + " |")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("what", choices=["write", "table"])
    p.add_argument("questions")
    p.add_argument("scores", nargs="?")
    p.add_argument("--each", type=int, default=5, help="questions a task")
    args = p.parse_args()
    if args.what == "write":
        write(args.questions, args.each)
    else:
        table(args.questions, args.scores)


if __name__ == "__main__":
    main()
