"""Writes the questions that the model is measured on as files for `cappy eval classification` and `cappy decide --calibrate`.

    python cases.py OUT [--each 5]        # OUT/dev.jsonl, OUT/everyday.jsonl, OUT/answers.jsonl, OUT/decisions.jsonl

Every question has one right response and the wrong ones, in random order. Beside them stand what word overlap and the base's
cosine give each, so that `cappy eval` compares them on the same questions. These texts are not the project's and are not
committed.
"""

import argparse
import json
import os
import random

from decisions import SHORT, TASKS
from evaluate import cases_of_answers, cases_of_dev, cases_of_everyday, cosines, overlap
from sources import FOLDER, read


def with_one_right(case, r):
    """The same question with one of its right responses."""
    task, instruction, responses, right = case
    keep = r.choice(sorted(right))
    order = [i for i in range(len(responses)) if i == keep or i not in right]
    return task, instruction, [responses[i] for i in order], {order.index(keep)}


def write(path, cases):
    r = random.Random(11)
    cases = [with_one_right(case, r) for case in cases]
    with open(path, "w", encoding="utf-8") as f:
        for number, ((task, instruction, responses, right), cosine) in enumerate(zip(cases, cosines(cases))):
            for i, response in enumerate(responses):
                scores = {"word overlap": overlap(instruction, response), "MiniLM cosine": cosine[i]}
                line = {"dataset_name": task, "template_name": "", "example_idx": number, "instruction": instruction,
                        "response": response, "label": int(i in right), "scores": scores}
                f.write(json.dumps(line, ensure_ascii=False) + "\n")


def write_decisions(path, each):
    """Labelled dev texts as choices and yes-or-no questions, whose right answers are known."""
    r = random.Random(13)
    fix = lambda s: SHORT.get(s.lower().rstrip("?"), s.rstrip("?"))
    dev = read(FOLDER, "dev")
    with open(path, "w", encoding="utf-8") as f:
        for task, (mark, questions) in sorted(TASKS.items()):
            rows = dev.get(task, [])
            for row in r.sample(rows, min(len(rows), each)):
                state, right = row.instruction.split(mark, 1)[-1].strip(), fix(row.good[0])
                labels = list(dict.fromkeys([right] + [fix(s) for s, _ in row.bad]))[:8]
                labels = r.sample(labels, len(labels))
                asked = r.choice(labels)
                line = {"state": {"message": state} if r.random() < 0.4 else state,
                        "questions": {"label": {"type": "choice", "instructions": questions[0], "criteria": dict.fromkeys(labels)},
                                      "is it": {"type": "boolean", "instructions": f"Is '{asked}' the right label?"}},
                        "answers": {"label": right, "is it": asked == right}}
                if len(labels) > 1:
                    f.write(json.dumps(line, ensure_ascii=False) + "\n")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("out")
    p.add_argument("--each", type=int, default=5, help="dev groups a task")
    args = p.parse_args()
    os.makedirs(args.out, exist_ok=True)
    write(os.path.join(args.out, "dev.jsonl"), cases_of_dev(args.each))
    write(os.path.join(args.out, "answers.jsonl"), cases_of_answers(200))
    write(os.path.join(args.out, "everyday.jsonl"), cases_of_everyday())
    write_decisions(os.path.join(args.out, "decisions.jsonl"), 20 * args.each)


if __name__ == "__main__":
    main()
