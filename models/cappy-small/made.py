"""Requests of our own making that no data set here has: translations, small talk, forms, moods and voices.

Each function takes a random.Random and returns (instruction, [(response, label)]). The words are in made_words.json.
"""

import json
import os

from spoil import cap, no_answer

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "made_words.json"), encoding="utf-8") as f:
    W = json.load(f)
LANGUAGES = ["English", "French", "Spanish", "German", "Italian"]
TRANSLATE = ["Translate into {t}: {s}", "Translate to {t}: {s}", "How do you say this in {t}? {s}", "Translate this {f} sentence into {t}: {s}",
             "{s}\n\nTranslate the {f} text to {t}.", "What is the {t} for \"{s}\"?", "Say it in {t}: {s}", "Please put this into {t}: '{s}'"]
LABEL = ["Sentiment (positive, negative or mixed): '{s}'", "Is this review positive, negative or mixed? {s}", "{s}\nPositive, negative or mixed?",
         "Label the mood of this message as positive, negative or mixed: {s}"]


def meaning(r):
    """One sentence in every language, in the order of LANGUAGES."""
    if r.random() < 0.3:
        return r.choice(W["sentences"])
    noun, form = r.choice(W["nouns"]), r.choice(W["templates"])
    return [cap(f.format(x=n)) for f, n in zip(form, noun)]


def translation(r):
    """From or to English; wrong are other meanings, other languages, the text itself and remarks."""
    mine = meaning(r)
    a, b = r.choice([(0, k) for k in range(1, 5)] + [(k, 0) for k in range(1, 5)])
    others = [x for x in (meaning(r) for _ in range(4)) if x != mine]
    wrong = [x[b] for x in others[:2]] + [mine[r.choice([k for k in range(5) if k not in (a, b)])], mine[a]]
    wrong += [r.choice([f"{mine[a]} in {LANGUAGES[b]}.", f"It is a sentence in {LANGUAGES[a]}.", f"{LANGUAGES[b]} is spoken by many people.",
                        others[-1][a], no_answer(r, mine[a])])]
    return r.choice(TRANSLATE).format(s=mine[a], f=LANGUAGES[a], t=LANGUAGES[b]), [(mine[b], 1.0)] + [(s, 0.0) for s in r.sample(wrong, r.randint(3, 5))]


def small_talk(r):
    """A greeting, some news or a complaint; a reply fits its mood and its subject."""
    group = r.choice(list(W["talk"]))
    said, fits, about = r.choice(W["talk"][group])
    other = r.choice([g for g in W["talk"] if g != group])
    wrong = [r.choice(r.choice(W["talk"][other])[1]), about, r.choice(r.choice(W["talk"][other])[1]),
             r.choice(["{s}", "You said: {s}", "The user says: {s}"]).format(s=said), no_answer(r, said)]
    also = r.choice(W["talk"][group])
    pairs = [(r.choice(fits), 1.0)] + [(s, 0.0) for s in r.sample(wrong, r.randint(3, 4))]
    if also[0] != said and r.random() < 0.4:
        pairs.append((r.choice(also[1]), 0.3))
    return said, pairs


def form(r):
    """What is asked for is a form: so many words or things, an order, a row, a list. The model does not tell capital letters from small ones."""
    kind = r.choice(["words", "list", "row", "sort", "json"])
    if kind == "words":
        subject, telling = r.choice(list(W["described"].items()))
        n = r.randint(2, 5)
        line = lambda k: cap(", ".join(r.sample(telling, k))) + "."
        other = r.choice([v for k, v in W["described"].items() if k != subject])
        count = ["zero", "one", "two", "three", "four", "five"][n]
        wrong = [line(n + r.randint(1, 2)), line(1), cap(", ".join(r.sample(other, n))) + ".", f"In {count} words: {subject} is {subject}.",
                 f"{cap(subject)} is {telling[0]}, and it is also {telling[1]} and quite {telling[2]}."]
        return f"Describe {subject} in exactly {count} words.", [(line(n), 1.0)] + [(s, 0.0) for s in r.sample(wrong, 3)]
    if kind == "list":
        group, things = r.choice(list(W["groups"].items()))
        n = r.randint(2, 5)
        other = r.choice([v for k, v in W["groups"].items() if k != group])
        style = r.choice([lambda xs: ", ".join(xs), lambda xs: "\n".join(f"{i}. {x}" for i, x in enumerate(xs, 1)), lambda xs: "\n".join(f"- {x}" for x in xs),
                          lambda xs: cap(", ".join(xs[:-1])) + " and " + xs[-1] + "."])
        some = r.sample(things, n)
        wrong = [style(r.sample(things, n + r.randint(1, 2))), style(r.sample(other, n)), style(r.sample(things, n - 1) + r.sample(other, 1)),
                 f"There are many {group}.", f"{cap(group)} are things that people talk about.", style((some[:1] * n))]
        ask = r.choice(["Name {n} {g}.", "List {n} {g}.", "Give me {n} {g}, nothing else.", "What are {n} {g}?", "{n} {g}, please."])
        return ask.format(n=["zero", "one", "two", "three", "four", "five"][n], g=group), [(style(some), 1.0)] + [(s, 0.0) for s in r.sample(wrong, 4)]
    if kind in ("row", "json"):
        keys, rows = r.choice(list(W["records"].items()))
        keys = keys.split()
        row, other = r.sample(rows, 2)
        values = dict(zip(keys, row))
        text = W["told"][" ".join(keys)].format(**values)
        order = r.sample(keys, len(keys))
        write = (lambda v: " | ".join(v[k] for k in order)) if kind == "row" else (lambda v: json.dumps({k: v[k] for k in order}))
        changed = dict(values, **{order[0]: dict(zip(keys, other))[order[0]]})
        turned = dict(zip(order, [values[k] for k in order[1:] + order[:1]]))
        wrong = [write(turned), write(changed), text, ", ".join(values[k] for k in order[:-1]), write(dict(zip(keys, other)))]
        ask = f"as a row in the form {' | '.join(order)}" if kind == "row" else f"as JSON with the keys {', '.join(order)}"
        return r.choice(["{t} Write this {a}.", "Give this {a}: {t}", "{t}\n\nPut it {a}."]).format(t=text, a=ask), [(write(values), 1.0)] + [(x, 0.0) for x in r.sample(wrong, 4) if x != write(values)]
    some = r.sample(r.choice(list(W["groups"].values())), r.randint(3, 5))
    back = r.random() < 0.3
    right = sorted(some, reverse=back)
    wrong = [sorted(some, reverse=not back), right[1:] + right[:1], right[:-1], some, right[:-2] + [right[-1], right[-2]]]
    ask = "Sort these words from Z to A: {s}" if back else r.choice(["Sort these words alphabetically: {s}", "Put in alphabetical order: {s}"])
    return ask.format(s=", ".join(some)), [(", ".join(right), 1.0)] + [(", ".join(x), 0.0) for x in wrong if x != right]


def mood(r):
    """A label for praise, for a complaint or for both; a part of the text is no label."""
    good, bad = r.choice(W["praise"]), r.choice(W["complaints"])
    right = r.choice(["positive", "negative", "mixed"])
    text = {"positive": cap(good) + r.choice([".", "!", f", and {r.choice(W['praise'])}."]), "negative": cap(bad) + r.choice([".", "!", f", and {r.choice(W['complaints'])}."]),
            "mixed": cap(r.choice([f"{good}, but {bad}.", f"{bad}, although {good}.", f"{good}. Sadly, {bad}."]))}[right]
    style = r.choice([str, cap, lambda s: f"The review is {s}.", lambda s: f"{s}."])
    wrong = [style(s) for s in ("positive", "negative", "mixed") if s != right] + [" ".join(text.split()[-2:]), " ".join(text.split()[:3]), text]
    return r.choice(LABEL).format(s=text), [(style(right), 1.0)] + [(s, 0.0) for s in wrong[: r.randint(3, 5)]]


def voice(r):
    """Active and passive voice, tense, and number, in sentences of three parts."""
    who, done, (present, past, part), what = r.choice(W["agents"]), r.choice(W["agents"]), *r.choice(W["deeds"])
    what = r.choice(what)
    active, passive = f"{cap(who)} {past} {what}.", f"{cap(what)} was {part} by {who}."
    kinds = [("Change this to the active voice: {s}", passive, active, [f"{cap(what)} {past} {who}.", f"{cap(what)} had been {part} by {who}.", f"{cap(what)} was {part}."]),
             ("Change this to the passive voice: {s}", active, passive, [f"{cap(who)} was {part} by {what}.", f"{cap(who)} has {part} {what}.", f"{cap(what)} {past} {who}."]),
             ("Put this into the past tense: {s}", f"{cap(who)} {present} {what}.", active, [f"{cap(who)} will have {part} {what}.", f"{cap(what)} {past} {who}.", f"{cap(who)} is in the past with {what}."]),
             ("Put this into the present tense: {s}", active, f"{cap(who)} {present} {what}.", [f"{cap(who)} had {part} {what}.", f"{cap(what)} {present} {who}.", passive])]
    ask, given, right, wrong = r.choice(kinds)
    wrong = wrong + [given, right.replace(cap(who), cap(done)).replace(who, done) if done != who else given.upper()]
    return ask.format(s=given), [(right, 1.0)] + [(s, 0.0) for s in r.sample(wrong, 4) if s != right]


KINDS = {translation: 30, small_talk: 25, form: 20, mood: 12, voice: 13}


def made(r):
    """One of these requests."""
    return r.choices(list(KINDS), list(KINDS.values()))[0](r)
