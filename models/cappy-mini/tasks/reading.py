"""Families whose answer stands in the text: the model has to look it up."""

from .core import a, cap, family
from .words import (ADJECTIVES, ANIMALS, CITIES, DAYS, DOINGS, MORE_ANIMALS, NAMES, OBJECTS, PLACES, ROOMS, w)

BEASTS = list(ANIMALS) + MORE_ANIMALS
ACTS = ["sleeps", "eats", "sits", "hides", "plays", "drinks", "waits", "runs"]


@family("which animal", [
    "{text} Which animal {q}?", "{text}\nQuestion: which animal {q}?", "Which animal {q}? {text}", "Read the text and answer. {text} What animal {q}?",
    "Text: {text}\nWho {q}?", "{text} Name the animal that {q}.", "{text}\n\nTell me which animal {q}.", "Which of the animals {q}?\n{text}",
    "Here is a story. {text} Which animal {q}?", "{text} Which one {q}?", "According to the text, which animal {q}? {text}",
    "After reading \"{text}\", can you say which animal {q}?"], weight=3.0)
def which_animal(r, tag):
    k = r.choice([2, 2, 3])
    beasts, places, acts = r.sample(BEASTS, k), r.sample(PLACES, k), r.sample(ACTS, k)
    text = " ".join(f"The {b} {x} {p}." for b, x, p in zip(beasts, acts, places))
    i = r.randrange(k)
    q = f"{acts[i]} {places[i]}" if r.random() < 0.6 else (acts[i] if r.random() < 0.5 else "is " + places[i])
    right = beasts[i]
    wrong = [b for b in beasts if b != right] + [r.choice([b for b in BEASTS if b not in beasts])]
    return ({"text": text, "q": q}, [right], wrong, {"forms": ["The {}.", "The {} " + q + ".", "It is the {}."]})


@family("who did what", [
    "{text} Who {q}?", "{text}\nQuestion: who {q}?\nAnswer:", "Who {q}? {text}", "Read this: {text} Which person {q}?", "{text} Name the person who {q}.",
    "Text: {text} Question: Who {q}?", "From the text, tell me who {q}. {text}", "{text} Who was it that {q}?", "Story: {text}\nWho {q}?",
    "{text}\nI forgot who {q}.", "{text} So who {q}?", "Given the following, who {q}?\n{text}"], weight=3.0)
def who(r, tag):
    k = r.choice([2, 2, 3])
    names, doings = r.sample(NAMES, k), r.sample(DOINGS, k)
    facts = [f"{d[0]} {r.choice(d[2])}" for d in doings]
    i = r.randrange(k)
    text = " ".join(f"{n} {f}." for n, f in zip(names, facts))
    wrong = [n for n in names if n != names[i]] + [r.choice([n for n in NAMES if n not in names])]
    return {"text": text, "q": facts[i]}, [names[i]], wrong, {"forms": ["{} did.", "{} " + facts[i] + ".", "It was {}."]}


@family("where is it", [
    "{text} Where is the {q}?", "{text}\nWhere is the {q}?", "Where is the {q}? {text}", "I am looking for the {q}. {text} Where should I look?",
    "{text} Tell me the place of the {q}.", "Text: {text} Question: where can I find the {q}?", "{text} In which place is the {q}?",
    "Please find the {q} for me. {text}", "{text} The {q} is", "Where did they put the {q}? {text}", "{text} Can you tell where the {q} is?",
    "{text} I need the {q}. Where is it?"], weight=2.5)
def where(r, tag):
    k = r.choice([2, 2, 3])
    objects, places = r.sample(OBJECTS, k), r.sample(PLACES, k)
    i = r.randrange(k)
    text = " ".join(f"The {o} is {p}." for o, p in zip(objects, places))
    wrong = [p for p in places if p != places[i]] + [r.choice([p for p in PLACES if p not in places])]
    return {"text": text, "q": objects[i]}, [places[i]], wrong, {"forms": ["The " + objects[i] + " is {}.", "It is {}.", "Look {}."]}


@family("what did they do", [
    "{text} What did {q} do?", "{text}\nQuestion: what did {q} do?", "What did {q} do? {text}", "{text} Tell me what {q} did.",
    "Read: {text} What was done by {q}?", "{text} And {q}?", "Text: {text} What is said about {q}?", "{text} Name what {q} did.",
    "Find out what {q} did. {text}", "{text} What do we know about {q}?", "{text} Describe what {q} did.", "Look at {q} in this text. {text} What happened?"], weight=2.0)
def what(r, tag):
    k = r.choice([2, 2, 3])
    names, doings = r.sample(NAMES, k), r.sample(DOINGS, k)
    facts = [f"{d[0]} {r.choice(d[2])}" for d in doings]
    i = r.randrange(k)
    text = " ".join(f"{n} {f}." for n, f in zip(names, facts))
    new = r.choice([d for d in DOINGS if d not in doings])
    wrong = [f for f in facts if f != facts[i]] + [f"{new[0]} {r.choice(new[2])}"]
    return ({"text": text, "q": names[i]}, [facts[i]], wrong,
            {"forms": [names[i] + " {}.", names[i] + " {}.", "This person {}."], "corrupt": True, "free": True})


@family("span extraction", [
    ("Extract the {what} from the text: {text}", 0), ("Which {what} is mentioned? {text}", 0), ("{text}\nFind the {what}.", 0),
    ("Copy the {what} out of this sentence: {text}", 0), ("{text} What is the {what}?", 0), ("Text: {text} {What}:", 0),
    ("Give only the {what}. {text}", 0), ("Pull out the {what}: {text}", 0), ("From \"{text}\" take the {what}.", 0),
    ("I need the {what} in this text. {text}", 0), ("Get me the {what} named in the following. {text}", 0), ("{text}\nReturn the {what} only.", 0)], weight=2.5)
def span(r, tag):
    n, c, d, o = r.choice(NAMES), r.choice(CITIES), r.choice(DAYS), r.choice(OBJECTS)
    k = str(r.randint(2, 60))
    slots = {"name": n, "city": c, "day": d, "number": k, "object": o}
    text = r.choice([
        f"{n} travelled to {c} on {d} with a {o} and paid {k} dollars.", f"On {d} {n} sent a {o} and {k} coins to {c}.",
        f"{n} from {c} lost a {o} on {d} and {k} people looked for it.", f"The {o} that {n} ordered in {c} costs {k} dollars and comes on {d}.",
        f"In {c}, {n} waited {k} minutes on {d} for the {o}.", f"{n} will be in {c} on {d} at {k} Main Street to fetch the {o}."])
    what_ = r.choice(list(slots))
    return ({"text": text, "what": what_, "What": cap(what_)}, [slots[what_]], [v for s, v in slots.items() if s != what_],
            {"forms": ["The " + what_ + " is {}.", "It is {}."]})


def story(r):
    n, m = r.sample(NAMES, 2)
    adj, adj2 = r.sample(ADJECTIVES, 2)
    d1, d2 = r.sample(DOINGS, 2)
    o1, o2 = r.choice(d1[2]), r.choice(d2[2])
    c, day = r.choice(CITIES), r.choice(DAYS)
    room = r.choice(ROOMS)
    text = r.choice([
        f"{n} lives in {c}. On {day} {n} {d1[0]} {o1} near the {room}. Later {m} came and {d2[0]} {o2}.",
        f"It was {day} in {c}. {n} was {adj} and {d1[0]} {o1}. In the {room}, {m} {d2[0]} {o2}.",
        f"{n} and {m} met in the {room} on {day}. {n} {d1[0]} {o1} and {m}, who was {adj}, {d2[0]} {o2}.",
    ])
    return n, m, (d1[0], o1), (d2[0], o2), c, day, room, text


def wrong_story(r, n, m, f1, f2):
    """Statements that the story does not make."""
    x = r.choice([y for y in NAMES if y not in (n, m)])
    g = r.choice([d for d in DOINGS if d[0] not in (f1[0], f2[0])])
    return [f"{m} {f1[0]} {f1[1]} and {n} {f2[0]} {f2[1]}.", f"{x} {f1[0]} {f1[1]} and {m} {g[0]} {g[2][0]}.",
            f"{n} {g[0]} {g[2][0]} and {x} {f2[0]} {f2[1]}.", f"{x} {g[0]} {g[2][-1]} and {f2[0]} {f2[1]}."]


@family("summary", [
    "Summarize: {text}", "Summarise this text in one sentence: {text}", "{text}\nTL;DR:", "Write a short summary. {text}", "What is the text about, in a sentence? {text}",
    "{text} Sum this up.", "Give the main point of this text.\n\n{text}", "Text: {text}\nSummary:", "Shorten this: {text}", "Which sentence says what the text says? {text}",
    "Tell me briefly what happened. {text}", "Make a summary of the following story: {text}", "Please condense the text: {text}"], weight=2.5)
def summary(r, tag):
    n, m, f1, f2, c, day, room, text = story(r)
    refs = [f"{n} {f1[0]} {f1[1]} and {m} {f2[0]} {f2[1]}.", f"{m} {f2[0]} {f2[1]} after {n} {f1[0]} {f1[1]}."]
    return {"text": text}, refs, wrong_story(r, n, m, f1, f2), {"forms": [], "free": True, "corrupt": True, "decorate": False}


@family("title", [
    "Write a title for this text: {text}", "Give a headline for: {text}", "{text}\nTitle:", "Find a good title. {text}", "What could be the headline of this story? {text}",
    "Choose a title for the following text. {text}", "Suggest a heading: {text}", "Text: {text} Headline:", "Which title fits? {text}", "A title for this, please: {text}",
    "Name this story. {text}", "{text} What would you call this text?"], weight=1.5)
def title(r, tag):
    n = r.choice(NAMES)
    d1, d2 = r.sample(DOINGS, 2)
    o, o2 = r.choice(d1[2]), r.choice(d2[2])
    c = r.choice(CITIES)
    text = r.choice([f"Yesterday {n} {d1[0]} {o} in {c}. Many people saw it.", f"People in {c} were surprised when {n} {d1[0]} {o}.",
                     f"It took a long time, but at last {n} {d1[0]} {o}. {c} was never the same."])
    x = r.choice([y for y in NAMES if y != n])
    c2 = r.choice([y for y in CITIES if y != c])
    form = r.choice(["{n} {v} {o} in {c}", "In {c}, {n} {v} {o}", "{n} {v} {o}"])
    fill = lambda n, d, o, c: form.format(n=n, v=d[1], o=o, c=c)
    return ({"text": text}, [fill(n, d1, o, c)], [fill(x, d2, o2, c2), fill(x, d1, o, c2), fill(n, d2, o2, c2), fill(x, d2, o2, c)],
            {"forms": [], "free": True, "corrupt": True})


@family("entailment", [
    "{p} Does it follow that {h}? Answer yes or no.", "Premise: {p} Hypothesis: {H} Is the hypothesis true?", "Suppose {pl}. Is it true that {h}?",
    "{p}\nQuestion: {H} Yes or no?", "Given that {pl}, can we say that {h}?", "If {pl}, is it right to say that {h}?", "Text: {p} Claim: {H} Is the claim right?",
    "{p} Based on this, {h}. Correct?", "We know: {p} Should we believe that {h}?", "{p} Therefore {h}. Is that true?", "Take this as given: {p} Then is it true that {h}?",
    "Read: {p} True or not: {h}?"], weight=2.0)
def entailment(r, tag):
    n, m = r.sample(NAMES, 2)
    (v, s, objs), other = r.sample(DOINGS, 2)
    o = r.choice(objs)
    place, place2 = r.sample(PLACES, 2)
    fact, bad = r.choice([
        (f"{n} {v} {o}", [f"{m} {v} {o}", f"{n} {other[0]} {other[2][0]}", f"{n} never {v} {o}"]),
        (f"{n} {v} {o} {place}", [f"{n} {v} {o} {place2}", f"{m} {v} {o}"]),
        (f"{n} and {m} are {place}", [f"{n} is {place2}", f"{m} is not {place}", f"{n} is {place2}"])])
    good = {True: [f"{n} {v} {o}", f"somebody {v} {o}"], False: [f"{n} is {place}", f"{m} is {place}"]}[v in fact]
    yes = r.random() < 0.5
    h = r.choice(good if yes else bad)
    return ({"p": fact + ".", "pl": fact, "h": h, "H": cap(h) + "."}, ["yes" if yes else "no"], ["no" if yes else "yes"],
            {"forms": [], "key": fact + h})


@family("paraphrase", [
    "Rephrase: {text}", "Say the same in other words: {text}", "Paraphrase this sentence: {text}", "Write the sentence differently: {text}", "{text}\nIn other words:",
    "How else could one say this? {text}", "Which sentence means the same as: {text}", "Reword this, please. {text}", "Put this in another way: \"{text}\"",
    "Give me a sentence with the same meaning. {text}", "Express this differently: {text}", "Find another wording for: {text}"], weight=2.0)
def paraphrase(r, tag):
    n, m = r.sample(NAMES, 2)
    (v, s, objs), other = r.sample([d for d in DOINGS if d[0] not in ("broke", "wrote")], 2)
    o, place = r.choice(objs), r.choice(PLACES)
    o2 = r.choice(other[2])
    active, passive = (lambda n, v, o: f"{n} {v} {o}."), (lambda n, v, o: f"{cap(o)} {be(o)} {v} by {n}.")
    front, back = (lambda n, v, o: f"{cap(place)}, {n} {v} {o}."), (lambda n, v, o: f"{n} {v} {o} {place}.")
    x, y = r.choice([(active, passive), (passive, active), (front, back), (back, front)])
    return ({"text": x(n, v, o)}, [y(n, v, o)], [y(m, v, o), y(n, other[0], o2), y(m, other[0], o2), y(n, v, o).replace(v, "never " + v, 1)],
            {"forms": [], "free": True, "corrupt": True})


def be(o):
    return "were" if o.endswith("s") else "was"


@family("same meaning or not", [
    "Do these two sentences mean the same? 1. {x} 2. {y}", "Sentence A: {x} Sentence B: {y} Same meaning?", "{x}\n{y}\nAre these paraphrases? Answer yes or no.",
    "Is \"{x}\" the same as \"{y}\"?", "Compare: {x} / {y} Do they say the same thing?", "First: {x} Second: {y} Do both mean the same?",
    "Yes or no: \"{x}\" means \"{y}\"", "Can I replace \"{x}\" with \"{y}\"?", "Question 1: {x} Question 2: {y} Duplicates?", "Are the following equivalent? {x} {y}",
    "Does \"{y}\" say the same as \"{x}\"?", "Check whether both lines agree.\n{x}\n{y}"], weight=1.5)
def same(r, tag):
    n = r.choice(NAMES)
    (v, s, objs), other = r.sample(DOINGS, 2)
    o, place = r.choice(objs), r.choice(PLACES)
    yes = r.random() < 0.5
    x = f"{n} {v} {o} {place}."
    y = f"{cap(place)}, {n} {v} {o}."
    if not yes:
        y = r.choice([y.replace(n, r.choice([m for m in NAMES if m != n])), y.replace(f"{v} {o}", f"{other[0]} {other[2][0]}"),
                      f"{cap(r.choice([p for p in PLACES if p != place]))}, {n} {v} {o}."])
    return {"x": x, "y": y}, ["yes" if yes else "no"], ["no" if yes else "yes"], {"forms": []}
