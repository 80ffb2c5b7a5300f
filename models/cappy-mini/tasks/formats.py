"""Families about form, order, counting and numbers."""

from .core import a, cap, family, join
from .words import (ADJECTIVES, CATEGORIES, CITIES, DAYS, DOINGS, MONTHS, NAMES, OBJECTS, OFF_TOPIC, PLACES, RHYMES, SIZES,
                    THINGS_BY_SIZE, number_words, w)

NOUNS = [x for xs in CATEGORIES.values() for x in xs if x[0].islower()]


@family("compare numbers", [
    ("Which number is larger, {x} or {y}?", 1), ("Which is bigger: {x} or {y}?", 1), ("Pick the greater number: {x}, {y}", 1), ("Which number is smaller, {x} or {y}?", 0),
    ("Is {x} or {y} the higher number?", 1), ("Name the smaller of {x} and {y}.", 0), ("{x} or {y}: which is more?", 1), ("{x} or {y}: which is less?", 0),
    ("What is the maximum of {x} and {y}?", 1), ("What is the minimum of {x} and {y}?", 0), ("Tom has {x} coins and Anna has {y}. What is the larger number of coins?", 1),
    ("Take the lower number of {x} and {y}.", 0), ("Between {x} and {y}, which one is larger?", 1), ("Which one is smaller: {x} or {y}?", 0)], weight=2.0)
def numbers(r, tag):
    x, y = r.sample(range(1, 100), 2)
    big, small = max(x, y), min(x, y)
    right, wrong = (big, small) if tag else (small, big)
    return {"x": x, "y": y}, [str(right)], [str(wrong)], {}


@family("compare sizes", [
    ("Which is bigger, {x} or {y}?", 1), ("Which is smaller, {x} or {y}?", 0), ("What is larger: {x} or {y}?", 1), ("{x} or {y}: which one is bigger?", 1),
    ("{x} or {y}: which one is smaller?", 0), ("Compare {x} and {y}. Which takes more space?", 1), ("Name the bigger one of {x} and {y}.", 1), ("Name the smaller one of {x} and {y}.", 0),
    ("Which would fit into a smaller box, {x} or {y}?", 0), ("Is {x} or {y} larger?", 1), ("Between {x} and {y}, which is the bigger one?", 1), ("Which of the two is smaller: {x} or {y}?", 0)], weight=1.5)
def sizes(r, tag):
    table = r.choice([SIZES, THINGS_BY_SIZE])
    i, j = sorted(r.sample(range(len(table)), 2))
    if j - i < 2:
        j = min(j + 2, len(table) - 1)
        i = max(0, j - 3)
    small, big = table[i], table[j]
    x, y = r.sample([small, big], 2)
    right, wrong = (big, small) if tag else (small, big)
    word = "bigger" if tag else "smaller"
    return {"x": a(x), "y": a(y)}, [right], [wrong], {"forms": ["The {} is " + word + ".", "The {}.", a("{}").replace("a ", "A ", 1) + "."]}


@family("yes or no format", [
    "Answer only yes or no: is {item} {kind}?", "Is {item} {kind}? Reply with yes or no.", "Yes or no? {item} is {kind}.", "Say yes or no. Does {item} belong to: {kind}?",
    "True or false does not matter, just yes or no: {item} is {kind}.", "One word, yes or no: is {item} {kind}?", "Respond with 'yes' or 'no'. Is {item} {kind}?",
    "Is {item} {kind}? (yes/no)", "Please reply yes or no only. {item}, is that {kind}?", "I want a plain yes or no. Is {item} {kind}?", "{item}: {kind}? yes or no",
    "Only use the word yes or the word no. Is {item} {kind}?"], weight=2.0)
def yes_no(r, tag):
    cats = [c for c in CATEGORIES if c not in ("animal", "bird", "insect", "country")]
    kind = r.choice(cats)
    yes = r.random() < 0.5
    item = r.choice(CATEGORIES[kind] if yes else [x for c in cats if c != kind for x in CATEGORIES[c] if x not in CATEGORIES[kind]])
    right, wrong = ("yes", "no") if yes else ("no", "yes")
    chatty = [f"Well, {item} is something that many people like.", f"{cap(item)} is a nice word.", "Maybe.", f"I think about {item} a lot.", "That is hard to say in a word.", item]
    return {"item": item, "kind": a(kind)}, [right], [wrong] + r.sample(chatty, 2), {"forms": []}


@family("exactly so many words", [
    "Describe {thing} in exactly {n} words.", "Answer with exactly {n} words: what is {thing} like?", "Use {n} words to describe {thing}.", "In {n} words: {thing}",
    "Write exactly {n} words about {thing}.", "Tell me about {thing}, but use exactly {n} words.", "{thing}, described in {n} words:", "Exactly {n} words, please. Describe {thing}.",
    "Your reply must have {n} words. How is {thing}?", "Give {n} words for {thing}.", "How would you describe {thing} in {n} words?", "Reply in exactly {n} words about {thing}."], weight=2.0)
def word_count_format(r, tag):
    n = r.choice([1, 2, 3, 3, 3, 3, 4, 5])
    pool = w("big cold soft warm loud bright quiet old fresh green wide deep calm heavy round light sweet slow wild strong") + ADJECTIVES
    thing = "the " + r.choice(w("sea forest city moon winter summer mountain desert river garden night") + OBJECTS)
    def say(k):
        words = r.sample(list(dict.fromkeys(pool)), k)
        style = r.random()
        if style < 0.4:
            return cap(", ".join(words)) if k != 2 else cap(" and ".join([words[0], words[1]]).replace(" and ", ", "))
        if style < 0.6 and k >= 3:
            return cap(" ".join(words[: k - 2])) + " and " + words[-1]
        return cap(" ".join(words)) + r.choice(["", "."])
    wrong = [say(k) for k in r.sample([k for k in (1, 2, 3, 4, 5, 6, 8) if k != n], 4)]
    word = number_words(n) if r.random() < 0.8 else str(n)
    fill = {"thing": thing, "n": word}
    return fill, [say(n), say(n)], wrong, {"forms": [], "free": True, "key": thing + word + wrong[0]}


@family("use all words", [
    "Write a sentence with these words: {words}", "Put all of these concepts together in one sentence: {words}.", "Use all the given words in a sentence: {words}",
    "Make a sentence that contains {words}.", "Concepts: {words}\nSentence:", "Given the words {words}, write a sentence.", "Form a sentence using {words}.",
    "Combine into a sentence: {words}", "Can you write a sentence about {words}?", "Generate a sentence with the following words. {words}", "Build one sentence out of: {words}",
    "I need a sentence which has {words} in it."], weight=2.5)
def concepts(r, tag):
    def say(n, o, p):
        return r.choice([f"The {n} put the {o} {p}.", f"{cap(p)} the {n} found a {o}.", f"There was a {o} {p}, and the {n} took it.", f"A {n} with a {o} waited {p}."])
    people = w("boy girl dog cat man woman teacher baker doctor farmer king child")
    n, o, p = r.choice(people), r.choice(OBJECTS), r.choice(PLACES)
    n2, o2 = r.choice([x for x in people if x != n]), r.choice([x for x in OBJECTS if x != o])
    p2 = r.choice([x for x in PLACES if x.split()[-1] != p.split()[-1]])
    words = [n, o, p.split()[-1]]
    r.shuffle(words)
    return ({"words": join(r, words, "and").replace("\n- ", " ").strip()}, [say(n, o, p), say(n, o, p)],
            [say(n2, o, p), say(n, o2, p), say(n, o, p2), say(n2, o2, p2)], {"forms": [], "free": True, "key": n + o + p})


@family("count the words", [
    "How many words are there: {text}", "Count the words: {text}", "{text}\nNumber of words:", "How many words does this line have? {text}", "Tell me the number of words in \"{text}\".",
    "Word count of: {text}", "Give the number of words. {text}", "How long is this list of words? {text}", "How many words did I write here? {text}", "The words are: {text}. How many is that?",
    "Say how many words you see: {text}", "Number of words in the following? {text}"], weight=1.5)
def count_words(r, tag):
    n = r.randint(1, 7)
    say = number_words if r.random() < 0.5 else str
    return {"text": " ".join(r.sample(NOUNS, n))}, [say(n)], [say(k) for k in r.sample([k for k in range(1, 9) if k != n], 4)], {}


@family("alphabet", [
    ("Which word comes first in the alphabet: {x} or {y}?", 0), ("Alphabetical order: is {x} or {y} first?", 0), ("Which of {x} and {y} comes first in a dictionary?", 0), ("In a dictionary, which comes later: {x} or {y}?", 1),
    ("Sort {x} and {y} alphabetically and name the first word.", 0), ("Sort {x} and {y} alphabetically and name the last word.", 1), ("{x}, {y}: which is first by alphabet?", 0), ("Which word comes last in the alphabet, {x} or {y}?", 1),
    ("Name the word that comes earlier in the alphabet: {x} / {y}", 0), ("By alphabet, which of these comes second: {x}, {y}", 1), ("Looking at the alphabet, which word is first, {x} or {y}?", 0), ("Of {x} and {y}, which comes last in the dictionary?", 1)], weight=1.5)
def alphabet(r, tag):
    while True:
        x, y = r.sample(NOUNS, 2)
        if abs(ord(x[0]) - ord(y[0])) >= 3:
            break
    right, wrong = (max(x, y), min(x, y)) if tag else (min(x, y), max(x, y))
    return {"x": x, "y": y}, [right], [wrong], {}


@family("first letter", [
    "Name a word that starts with the letter {c}.", "Which word begins with {c}?", "Give me a word with the first letter {c}.", "A word starting with {c}, please.", "Which of these starts with {c}? {options}",
    "Say something that begins with the letter {c}.", "Word with {c}:", "Think of a word whose first letter is {c}.", "Choose the word that starts with '{c}': {options}", "Find a word beginning with {c}.",
    "Tell me any word starting with the letter {c}.", "I spy something beginning with {c}."], weight=1.5)
def first_letter(r, tag):
    right = r.choice(NOUNS)
    bad = [x for x in NOUNS if x[0] != right[0]]
    c = right[0]
    return {"c": r.choice([c, c.upper(), f'"{c}"'])}, [right], r.sample(bad, 4), {"forms": []}


@family("rhyme", [
    "Which word rhymes with {x}?", "Give a rhyme for {x}.", "What rhymes with \"{x}\"?", "Find a word that rhymes with {x}.", "I am writing a poem. What goes with {x}?", "Rhyme: {x} and ...", "{x} rhymes with", "Which of these rhymes with {x}? {options}",
    "A rhyming word for {x}, please.", "Name a word that sounds like {x} at the end.", "Tell me a rhyme for the word {x}.", "Can you find something that rhymes with {x}?"], weight=1.5)
def rhyme(r, tag):
    group = r.choice(RHYMES)
    x, right = r.sample(group, 2)
    return {"x": x}, [right], r.sample([y for g in RHYMES if g != group for y in g], 4), {}


@family("copy", [
    "Repeat the word {x}.", "Say \"{x}\".", "Write {x}.", "Copy this: {x}", "Repeat after me: {x}", "Echo: {x}", "Please print the word {x} and nothing else.", "Type {x}.", "Output exactly this text: {x}", "Just answer with {x}.",
    "Your reply should be: {x}", "Give me back what I say: {x}"], weight=1.2)
def copy(r, tag):
    def thing():
        k = r.random()
        return r.choice(NOUNS) if k < 0.4 else r.choice(NAMES) if k < 0.6 else " ".join(r.sample(NOUNS, 2)) if k < 0.8 else r.choice(OFF_TOPIC)
    x = thing()
    wrong = [y for y in (thing(), r.choice(NOUNS), r.choice(NOUNS), r.choice(NAMES)) if y != x]
    return {"x": x}, [x], wrong, {"forms": [], "free": True}


@family("reverse the order", [
    "Reverse the order of these words: {x}", "Write the words backwards: {x}", "Turn the list around: {x}", "Say this from back to front: {x}", "List in reverse: {x}", "{x}\nThe same words in reverse order:", "Last word first, please: {x}",
    "Put these in the opposite order: {x}", "Give the words in reversed order: {x}", "Flip the order: {x}", "What do you get when you reverse the list {x}?", "Start from the end and list the words: {x}"], weight=1.5)
def reverse(r, tag):
    xs = r.sample(NOUNS, 3)
    x, y, z = xs
    sep = r.choice([" ", ", "])
    return ({"x": sep.join(xs)}, [sep.join([z, y, x])], [sep.join(o) for o in ([x, y, z], [y, x, z], [x, z, y], [z, x, y])], {"forms": [], "free": True})


@family("arithmetic", [
    "What is {x} {op} {y}?", "{x} {op} {y} =", "Calculate {x} {op} {y}.", "How much is {x} {op} {y}?", "Compute: {x} {op} {y}", "Solve {x} {op} {y}", "What do you get for {x} {op} {y}?", "Please work out {x} {op} {y}.", "The result of {x} {op} {y} is",
    "Maths question: {x} {op} {y}", "Can you tell me what {x} {op} {y} makes?", "Find the value of {x} {op} {y}."], weight=2.0)
def arithmetic(r, tag):
    x, y = r.randint(0, 12), r.randint(0, 12)
    if r.random() < 0.6:
        op, v = r.choice(["+", "plus", "+"]), x + y
    else:
        x, y = max(x, y), min(x, y)
        op, v = r.choice(["-", "minus", "-"]), x - y
    words = op in ("plus", "minus")
    say = number_words if words and r.random() < 0.7 else str
    near = [k for k in (v + 1, v - 1, v + 2, v + 10, v - 3, v + 5) if k >= 0]
    return {"x": say(x), "y": say(y), "op": op}, [say(v)], [say(k) for k in r.sample(near, 4)], {}


@family("calendar", [
    ("Which {u} comes after {x}?", 1), ("What {u} is before {x}?", -1), ("What is the {u} after {x}?", 1), ("Name the {u} that follows {x}.", 1), ("Which {u} comes right before {x}?", -1), ("{x} comes after which {u}?", -1),
    ("What {u} comes two places after {x}?", 2), ("If this is {x}, what is the next {u}?", 1), ("If this is {x}, what was the {u} before?", -1), ("The {u} following {x} is", 1), ("Tell me the {u} just after {x}.", 1), ("Tell me the {u} just before {x}.", -1)], weight=1.5)
def calendar(r, tag):
    xs, u = r.choice([(DAYS, "day"), (MONTHS, "month")])
    i = r.randrange(len(xs))
    right = xs[(i + tag) % len(xs)]
    wrong = {xs[(i + d) % len(xs)] for d in (-2, -1, 1, 2, 3, 0)} - {right}
    return {"x": xs[i], "u": u}, [right], r.sample(sorted(wrong), 4), {"forms": ["It is {}.", "That is {}.", "The " + u + " is {}."]}


@family("taller and older", [
    "{text} Who is the {sup}?", "{text}\nWhich of them is the {sup}?", "Who is the {sup}? {text}", "{text} Name the {sup} one.", "Text: {text} Question: who is the {sup}?", "{text} So the {sup} person is", "Read and answer: {text} Which person is the {sup}?",
    "{text} Tell me who is the {sup}.", "Find the {sup} person. {text}", "{text} And the {sup} is", "{text} Who would you call the {sup}?", "Of the people here, who is the {sup}? {text}"], weight=1.5)
def taller(r, tag):
    er, less, sup, low = r.choice([("taller", "shorter", "tallest", "shortest"), ("older", "younger", "oldest", "youngest"), ("faster", "slower", "fastest", "slowest"), ("richer", "poorer", "richest", "poorest")])
    x, y, z = r.sample(NAMES, 3)
    two = r.random() < 0.7
    top = r.random() < 0.5
    if two:
        text, names = f"{x} is {er} than {y}." if r.random() < 0.5 else f"{y} is {less} than {x}.", [x, y]
    else:
        text, names = f"{x} is {er} than {y}. {y} is {er} than {z}.", [x, y, z]
    right = names[0] if top else names[-1]
    return {"text": text, "sup": sup if top else low}, [right], [n for n in names if n != right] + [r.choice([n for n in NAMES if n not in (x, y, z)])], {"forms": ["{} is.", "It is {}.", "{} is the " + (sup if top else low) + "."]}
