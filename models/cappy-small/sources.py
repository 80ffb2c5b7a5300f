"""Reads ../shared/instructions: rows of one instruction with right and wrong responses, by source and task."""

import gzip
import json
import os
import re
from collections import defaultdict
from dataclasses import dataclass

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(HERE, "..", "..", "..", "shared", "instructions")
FILES = ["t0_ok", "t0_sa", "ni_v1", "ni_extra", "choices", "preferences", "candidates"]


@dataclass
class Row:
    task: str
    instruction: str
    good: list  # right responses
    bad: list  # (response, label) of the others; the label is 0, or Rouge-L where the response is free text


def lines(folder, name):
    with gzip.open(os.path.join(folder, name + ".jsonl.gz"), "rt", encoding="utf-8") as f:
        for line in f:
            yield json.loads(line)


def read(folder=FOLDER, split="train", longest=None):
    """{task: [Row]} of every file with labels. Longer instructions than `longest` characters are left out."""
    tasks = defaultdict(list)
    for name in FILES:
        for x in lines(folder, name):
            if x["split"] != split or longest and len(x["instruction"]) > longest:
                continue
            pairs = list(zip(x["responses"], x["labels"]))
            good = [s for s, y in pairs if y == 1.0]
            bad = [(s, y) for s, y in pairs if y < 1.0]
            if good and bad:
                tasks[x["task"]].append(Row(x["task"], x["instruction"], good, bad))
    return dict(tasks)


def read_answers(folder=FOLDER):
    """{task: [Row]} of the right answers without wrong ones. One in twenty is kept out, for evaluation."""
    train, held = defaultdict(list), defaultdict(list)
    for i, x in enumerate(lines(folder, "answers")):
        row = Row(x["task"], x["instruction"].strip(), [x["response"].strip()], [])
        (held if i % 20 == 0 else train)[x["task"]].append(row)
    return dict(train), dict(held)


def read_everyday(folder=FOLDER):
    """Sixty questions that serve to choose between models. They are never trained on."""
    with open(os.path.join(folder, "everyday.json"), encoding="utf-8") as f:
        return json.load(f)


def dataset(task):
    """The data set of a task: all templates of one data set count as one when tasks are weighed."""
    kind, _, rest = task.partition("/")
    if kind == "t0":
        return kind + "/" + rest.split("_")[0]
    if kind in ("blimp", "trivia", "induce"):
        return kind
    m = re.search(r"subtask\d+_([a-z]+)", rest)
    return kind + "/" + m.group(1) if m else task


def task_weights(tasks):
    """Weight of each task: small tasks count less, many templates of one data set count less each."""
    templates = defaultdict(int)
    for t in tasks:
        templates[dataset(t)] += 1
    return {t: min(1.0, len(rows) / 200) ** 0.5 / templates[dataset(t)] ** 0.5 for t, rows in tasks.items()}
