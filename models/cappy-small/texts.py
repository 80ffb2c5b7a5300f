"""Requests about a short text: what it says, its gist, a fact in it, its mistakes, its form.

Each function takes a random.Random, a row with a text, and a function that gives another row; it returns (instruction,
[(response, label)]), or None where the row does not fit.
"""

import re

from asked import sentences_of
from sentences import worded
from spoil import STOP, cap, no_answer, spoiled, subject, words

PASSAGE = ["Passage: {p} Question: {q}", "{p}\n\n{q}", "Read this and answer. {p}\n{q}", "Text: {p}\nQuestion: {q}\nAnswer:",
           "{q}\n\n{p}", "Use the text to answer the question.\nText: {p}\nQuestion: {q}"]
SUMMARY = ["Summarise this in one line: {p}", "Write a one-line summary: {p}", "What is the main point of this? {p}", "Sum this up: {p}",
           "Summarise the following in at most twelve words: {p}", "{p}\n\nShort summary:", "Write a headline for this: {p}"]
MEND = ["Fix the spelling and grammar: {p}", "Correct the mistakes in this sentence: {p}", "Correct this: {p}", "Proofread: '{p}'",
        "Rewrite this without mistakes: {p}", "{p}\n\nCorrect the sentence."]
NOTES = ["Turn these notes into one full sentence: {p}", "Write a sentence from these notes: {p}", "Notes: {p}\nSentence:"]
EXTRACT = ["Extract the {k} from this text: '{p}'", "Which {k} is in this sentence? {p}", "{p}\n\nGive the {k} alone.", "Find the {k}: {p}"]
FACTS = {"year": r"\b(?:1[4-9]|20)\d\d\b", "number": r"\b\d[\d,.]*\d\b|\b\d\b", "percentage": r"\b\d[\d.]*(?: ?%| percent)",
         "name": r"(?<=[a-z,] )[A-Z][a-z]+(?: [A-Z][a-z]+)+"}
TYPOS = [("is", "are"), ("are", "is"), ("was", "were"), ("were", "was"), ("has", "have"), ("have", "has"), ("the", "teh"), ("their", "there"),
         ("an", "a"), ("to", "too"), ("its", "it's"), ("and", "an"), ("of", "off"), ("which", "wich"), ("because", "becouse")]


def parts(row):
    """(question, sentences) of a row of adversarial_qa."""
    m = re.search(r"Question: (.*?)\n+Context: (.*)", row.instruction, re.S)
    return (m.group(1).strip(), sentences_of(m.group(2))) if m else (None, [])


def passage(r, row, other):
    """A question about a few sentences, or without them; sentences beside the answer are on the subject and no answer."""
    q, said = parts(row)
    at = [i for i, s in enumerate(said) if row.good[0].lower() in s.lower()]
    if not q or len(at) != 1 or len(said) < 3:
        return None
    first = max(0, at[0] - r.randint(0, 2))
    window = said[first : at[0] + r.randint(1, 2)]
    beside = [s for s in said if s != said[at[0]]]
    right = said[at[0]] if r.random() < 0.35 else worded(r, q, row.good[0])
    pairs = [(right, 1.0)] + [(worded(r, q, s), 0.0) for s, _ in row.bad[: r.randint(0, 2)]]
    pairs += [(s, 0.0) for s in r.sample(beside, min(len(beside), r.choice((1, 2))))]
    bad = spoiled(r, right, r.choice(beside))
    if bad and row.good[0].lower() not in bad.lower():
        pairs.append((bad, 0.0))
    if r.random() < 0.4:
        pairs.append((no_answer(r, q), 0.0))
    q = q if q.endswith("?") else q + "?"
    return (q if r.random() < 0.3 else r.choice(PASSAGE).format(p=" ".join(window), q=cap(q))), pairs


def tidy(s):
    """A text of gigaword as people write it."""
    s = re.sub(r" ([,.;:!?')]|'s\b)", r"\1", s.replace("-lrb- ", "(").replace(" -rrb-", ")")).strip()
    return cap(s)


def gist(row):
    """(text, title) of a row of gigaword; None where digits or words are missing in it."""
    text = re.split(r":\s|\n", row.instruction)
    text = max(text, key=len)
    return None if re.search(r"#|unk\b|``", (text + row.good[0]).lower()) else (tidy(text), tidy(row.good[0]))


def summary(r, row, other):
    """The gist of a sentence, against its beginning, another gist, a changed one and a remark on it."""
    mine = gist(row)
    theirs = gist(other())
    if not mine or not theirs:
        return None
    text, right = mine
    if r.random() < 0.5:
        right = right.rstrip(".") + "."
    w = text.split()
    pairs = [(right, 1.0), (r.choice([theirs[1], theirs[0]]), 0.0), (" ".join(w[: r.randint(4, 9)]) + r.choice(["", ".", " ..."]), 0.1)]
    for _ in range(2):
        bad = spoiled(r, right if r.random() < 0.7 else text, theirs[0])
        if bad:
            pairs.append((bad, 0.0))
    if r.random() < 0.4:
        pairs.append((r.choice(["It is a text about {x}.", "This is about {x}.", "{x}"]).format(x=subject(r, text)), 0.1))
    return r.choice(SUMMARY).format(p=text), pairs


def one_sentence(r, row, low=40, high=150):
    some = [s for s in parts(row)[1] if low < len(s) < high and s[-1] == "." and s[0].isupper()]
    return r.choice(some) if some else None


def damaged(r, s, most):
    """The sentence with mistakes as people make them."""
    w = s.rstrip(".").split()
    for _ in range(most):
        i = r.randrange(len(w))
        x = w[i].lower()
        swaps = [b for a, b in TYPOS if a == x]
        if swaps:
            w[i] = r.choice(swaps)
        elif len(x) > 4 and x.isalpha():
            k = r.randrange(1, len(x) - 2)
            w[i] = r.choice([w[i][:k] + w[i][k + 1 :], w[i][:k] + w[i][k + 1] + w[i][k] + w[i][k + 2 :], w[i][:k] + w[i][k] + w[i][k:]])
    out = " ".join(w)
    return out[0].lower() + out[1:] if r.random() < 0.5 else out


def mend(r, row, other):
    """A sentence with mistakes; right is it without them, wrong are mistakes that stay and facts that change."""
    s, t = one_sentence(r, row), one_sentence(r, other())
    if not s or not t:
        return None
    bad = damaged(r, s, r.randint(3, 6))
    pairs = [(s, 1.0), (bad, 0.0), (damaged(r, s, 2), 0.2), (t, 0.0)]
    changed = spoiled(r, s, t)
    if changed:
        pairs.append((changed, 0.0))
    return r.choice(MEND).format(p=bad), r.sample(pairs, len(pairs))


def notes(r, row, other):
    """Notes to be made a sentence of."""
    s, t = one_sentence(r, row), one_sentence(r, other())
    if not s or not t:
        return None
    telling = [w.strip(".,;()") for w in s.split() if words(w) and words(w)[0] not in STOP]
    noted = " - ".join(telling)
    pairs = [(s, 1.0), (", ".join(telling) + ".", 0.1), (t, 0.0), (r.choice(["These are notes.", "Notes are short.", noted]), 0.0)]
    changed = spoiled(r, s, t)
    return r.choice(NOTES).format(p=noted), pairs + ([(changed, 0.0)] if changed else [])


def extract(r, row, other):
    """One fact of a sentence, against others of it, a changed one and the sentence itself."""
    s = one_sentence(r, row, 40, 250)
    if not s:
        return None
    kinds = [k for k, form in FACTS.items() if len(set(re.findall(form, s))) == 1]
    if not kinds:
        return None
    kind = r.choice(kinds)
    right = re.findall(FACTS[kind], s)[0]
    w = s.rstrip(".").split()
    wrong = [" ".join(w[i : i + r.randint(1, 3)]) for i in r.sample(range(len(w)), 2)] + [s, " ".join(w[: len(w) // 2])]
    changed = spoiled(r, right, s)
    if changed:
        wrong.append(changed)
    pairs = [(x, 0.0) for x in r.sample(wrong, min(len(wrong), 3)) if right.lower() not in x.lower() or x == s]
    style = r.choice([str, str, lambda x: f"The {kind} is {x}.", lambda x: x + "."])
    return r.choice(EXTRACT).format(k=kind, p=s), [(style(right), 1.0)] + pairs


def shape(r, row, other):
    """A sentence in another form: capital letters, small letters, quoted, as a list."""
    s, t = one_sentence(r, row, 30, 100), one_sentence(r, other(), 30, 100)
    if not s or not t:
        return None
    x = subject(r, s)
    if r.random() < 0.5:
        ask, right, wrong = r.choice([
            ("Write this in capital letters: {s}", s.upper(), [s, s.lower(), t.upper()]),
            ("Put this into lower case: {s}", s.lower(), [s, s.upper(), t.lower()]),
            ("Put this in quotation marks: {s}", f'"{s}"', [s, f'"{t}"', "Quotation marks."]),
            ("List the words of this sentence, one a line: {s}", "\n".join("- " + w.strip(".,") for w in s.split()), [s, "\n".join("- " + w.strip(".,") for w in t.split())]),
        ])
    else:
        ask, right, wrong = r.choice([
            ("Write a sentence about {x} in capital letters only.", s.upper(), [s, t.upper(), x]),
            ("Write a sentence about {x} in lower case.", s.lower(), [s, t.lower(), x]),
            ("Write a sentence with the word {x} in it.", s, [t, x, f"The word {x} has {len(x)} letters"[:14] + "."]),
            ("Write one full sentence about {x}.", s, [x, " ".join(s.split()[:3]), t]),
        ])
    return ask.format(s=s, x=x), [(right, 1.0)] + [(w, 0.0) for w in wrong]


# How often each is drawn; `summary` has rows of its own.
KINDS = {passage: 4, summary: 3, mend: 1.5, notes: 1, extract: 1.5, shape: 1}
