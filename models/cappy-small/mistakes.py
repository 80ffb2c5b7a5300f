"""Asks the model the forty questions of own_questions.json, which the project wrote for looking at it, and shows what it gets wrong.

    python mistakes.py MODEL

Nothing is trained on them, and no model is chosen by them.
"""

import json
import os
import sys

from evaluate import open_folder, scored
from sources import HERE


def main():
    with open(os.path.join(HERE, "own_questions.json"), encoding="utf-8") as f:
        questions = json.load(f)
    model, tok = open_folder(sys.argv[1])
    values = scored(model, tok, [("own", q["instruction"], q["answers"], {q["best"]}) for q in questions])
    wrong = [(q, v) for q, v in zip(questions, values) if max(v) > v[q["best"]]]
    print(f"right: {len(questions) - len(wrong)} of {len(questions)}\n")
    print("| asked | chosen | right |\n| --- | --- | --- |")
    for q, v in wrong:
        first = max(range(4), key=lambda i: v[i])
        print(f"| {q['instruction']} | {q['answers'][first]} ({v[first]:.2f}) | {q['answers'][q['best']]} ({v[q['best']]:.2f}) |")


if __name__ == "__main__":
    main()
