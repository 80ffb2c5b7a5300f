"""Families that a small table of facts answers: the model has to know the table by heart."""

from .core import a, family
from .words import (ANIMALS, CAPITALS, CATEGORIES, COLOUR_OF, LANGUAGES, OPPOSITES, PAST, PHRASES, PLURALS, SYNONYMS,
                    USED_FOR, number_words)


def others(r, table, right, n=5):
    return r.sample([x for x in dict.fromkeys(table) if x != right], n)


@family("capitals", [
    "What is the capital of {country}?", "Name the capital of {country}.", "Which city is the capital of {country}?",
    "Tell me the capital city of {country}.", "capital of {country}?", "{country}: what is its capital?",
    "I forgot the capital of {country}. Can you tell me?", "Geography quiz: the capital of {country} is",
    "What's the capital city of {country}", "The capital of {country} is ...", "Where is the government of {country}?",
    "Could you tell me which city is the capital of {country}?", "Fill the gap: ___ is the capital of {country}."],
    weight=2.0)
def capitals(r, tag):
    country = r.choice(list(CAPITALS))
    right = CAPITALS[country]
    forms = ["The capital of {country} is {x}.", "{x} is the capital of {country}.", "It is {x}.", "The capital is {x}.",
             "The capital of {country} is {x}."]
    return {"country": country}, [right], others(r, CAPITALS.values(), right), {"forms": forms}


SOUND_VERB = {k: v[0] for k, v in ANIMALS.items()}


@family("animal sounds", [
    "What sound does {animal} make?", "Which noise does {animal} make?", "How does {animal} sound?",
    "What does {animal} do when it makes a noise?", "Complete the sentence: {animal2} ...",
    "Tell me the sound of {animal}.", "In a children's book, {animal} makes which sound?", "{animal2} - which verb fits?",
    "Describe the noise of {animal} in a word.", "What noise do you hear from {animal}?",
    "My child asks what sound {animal} makes.", "Which verb do we use for the sound of {animal}?"])
def animal_sounds(r, tag):
    animal = r.choice(list(SOUND_VERB))
    right = SOUND_VERB[animal]
    forms = ["The " + animal + " {}.", cap_a(animal) + " {}.", "It {}."]
    return ({"animal": a(animal), "animal2": "the " + animal}, [right], others(r, SOUND_VERB.values(), right),
            {"forms": forms})


@family("which animal makes the sound", [
    "Which animal {sound}?", "What animal {sound}?", "Name the animal that {sound}.", "Who {sound} on the farm or in the wild?",
    "It {sound}. Which animal is it?", "I hear something that {sound}. What could it be?", "An animal that {sound}:",
    "Riddle: I am an animal and my kind {sound}. What am I?", "Tell me an animal which {sound}.",
    "Which of these {sound}: {options}?", "Guess the animal: it {sound}.", "Pick the animal that {sound}. {options}"])
def sound_animals(r, tag):
    right = r.choice(list(SOUND_VERB))
    forms = ["The {}.", "A {} does.", "It is the {}.", "That is a {}."]
    return {"sound": SOUND_VERB[right]}, [right], others(r, SOUND_VERB, right), {"forms": forms}


@family("colours of things", [
    "What colour is {thing}?", "Which colour does {thing} have?", "Tell me the colour of {thing}.", "{thing}: colour?",
    "What color is {thing} usually?", "Name the usual colour of {thing}.", "Most people would paint {thing} in which colour?",
    "If I draw {thing}, which crayon should I take?", "Typical colour of {thing}?", "The colour of {thing} is",
    "What is the color of {thing}?", "In which colour would you draw {thing}?"])
def colours(r, tag):
    thing = r.choice(list(COLOUR_OF))
    right = COLOUR_OF[thing]
    forms = [thing.capitalize() + " is {}.", "It is {}.", "The colour is {}.", "Usually {}."]
    return {"thing": thing}, [right], others(r, COLOUR_OF.values(), right), {"forms": forms}


@family("opposites", [
    "What is the opposite of {word}?", "Give the opposite of \"{word}\".", "Opposite of {word}:", "{word} is the opposite of",
    "Write the antonym of '{word}'.", "Which word means the contrary of {word}?", "Not {word} but ...",
    "Name a word with the opposite meaning of {word}.", "What's the antonym of {word}?",
    "Turn the word into its opposite: {word}", "Find the opposite. Word: {word}", "If something is not {word}, what is it?",
    "Tell me the contrary of \"{word}\"."], weight=1.5)
def opposites(r, tag):
    pair = r.choice(OPPOSITES)
    word, right = pair if r.random() < 0.5 else pair[::-1]
    refs = [right] + [y for x, y in OPPOSITES if x == word and y != right] + [x for x, y in OPPOSITES if y == word and x != right]
    near = [x for p in OPPOSITES for x in p if x not in refs and x != word]
    forms = ["The opposite of " + word + " is {}.", "It is {}.", "The antonym is {}.", "{}, of course."]
    return {"word": word}, refs, [word] + r.sample(near, 4), {"forms": forms}


@family("same meaning", [
    "Which word means the same as {word}?", "Give a synonym of {word}.", "Synonym for \"{word}\":",
    "Another word for {word}?", "What else can I say instead of {word}?", "Find a word with the same meaning as {word}.",
    "Name a word that means {word}.", "I use the word {word} too often. What could I write instead?",
    "Replace '{word}' with a word of the same meaning.", "Word: {word}. Synonym?", "Which of these means {word}? {options}",
    "Pick the synonym of {word}: {options}"])
def synonyms(r, tag):
    pair = r.choice(SYNONYMS)
    word, right = pair if r.random() < 0.5 else pair[::-1]
    near = [x for p in SYNONYMS if p != pair for x in p]
    return {"word": word}, [right], r.sample(near, 5), {}


@family("kind of thing", [
    "What kind of thing is {item}?", "{item} is a kind of", "Which category does {item} belong to?", "Is {item} one of these: {options}?",
    "Sort this word into a group: {item}. Groups: {options}", "What is {item}? {options}", "Name the category. Word: {item}",
    "Classify the word \"{item}\".", "Which group fits {item} best?", "Label the word {item} with one of: {options}",
    "Tell me what type of thing {item} is.", "To which class does the word {item} belong?"], weight=1.2)
def kinds(r, tag):
    right = r.choice(list(CATEGORIES))
    item = r.choice(CATEGORIES[right])
    wrong = [c for c in CATEGORIES if item not in CATEGORIES[c] and {c, right} not in
             ({"animal", "bird"}, {"animal", "insect"})]
    forms = [item.capitalize() + " is a kind of {}.", "It is a kind of {}.", "It belongs to the group {}.", "The category is {}."]
    return {"item": item}, [right], r.sample(wrong, 5), {"forms": forms}


@family("example of a kind", [
    "Name {kind}.", "Give me an example of {kind}.", "Tell me {kind} you know.", "Which of these is {kind}? {options}",
    "Pick {kind} from this list: {options}", "An example of {kind}, please.", "Write down {kind}.", "One of these is {kind}: {options}",
    "I need the name of {kind}.", "Say any word that is {kind}.", "Which word names {kind}? {options}", "Can you think of {kind}?"],
    weight=1.2)
def examples(r, tag):
    kind = r.choice(list(CATEGORIES))
    right = r.choice(CATEGORIES[kind])
    bad = [x for c, xs in CATEGORIES.items() if {c, kind} not in ({"animal", "bird"}, {"animal", "insect"}) and c != kind
           for x in xs if x not in CATEGORIES[kind]]
    form = {"clothing": "a piece of clothing", "furniture": "a piece of furniture"}.get(kind, a(kind))
    return {"kind": form}, [right], r.sample(bad, 5), {}


@family("odd one out", [
    "Which is the odd one out: {items}?", "Find the word that does not fit: {items}", "One word does not belong: {items}. Which?",
    "{items} - which one is different?", "Which of these words does not belong with the others? {items}",
    "Spot the intruder: {items}", "Three of these belong together. Name the other one: {items}",
    "Remove the word that doesn't match the rest: {items}", "Odd one out? {items}", "Which item doesn't belong in this list: {items}?",
    "Tell me which word is not like the others: {items}", "Choose the word that is out of place. {items}"], weight=2.0)
def odd_one(r, tag):
    c1, c2 = r.sample([c for c in CATEGORIES if c not in ("bird", "insect", "colour")], 2)
    three = r.sample(CATEGORIES[c1], 3)
    right = r.choice(CATEGORIES[c2])
    items = three + [right]
    r.shuffle(items)
    return {"items": ", ".join(items)}, [right], three, {}


@family("tool for the job", [
    "What do I need to {job}?", "Which thing do you use to {job}?", "I want to {job}. What should I take?",
    "What is used to {job}?", "Name something that helps to {job}.", "How can I {job}? What do I need for it?",
    "What would you use to {job}?", "To {job} one needs", "I have to {job}. Which object helps me?",
    "What is the right thing to {job}?", "Recommend an object with which I can {job}.", "Which object lets me {job}?"])
def tools(r, tag):
    job = r.choice(list(USED_FOR))
    right = USED_FOR[job]
    forms = ["You need {}.", "To " + job + " you need {}.", "You can " + job + " with {}.", "I would use {}.", "Use {}."]
    return {"job": job}, [right], others(r, USED_FOR.values(), right), {"forms": forms}


@family("translation", [
    "Translate into {to}: {text}", "How do you say \"{text}\" in {to}?", "What is '{text}' in {to}?",
    "Give the {to} for: {text}", "{text} in {to}?", "Translate from {frm} to {to}: {text}", "Say this in {to}: {text}",
    "I am in a country where people speak {to}. How do I say {text}?", "Write \"{text}\" in {to}.",
    "{frm}: {text}\n{to}:", "Please put this into {to}: {text}", "What would {text} be in {to}?"], weight=2.5)
def translation(r, tag):
    i, j = r.sample(range(4), 2)
    if i and j and r.random() < 0.7:
        i = 0
    row = r.choice(PHRASES)
    same_language = [p[j] for p in PHRASES if p[j] != row[j]]
    same_phrase = [row[k] for k in range(4) if k != j and row[k] != row[j]]
    wrong = r.sample(same_language, 3) + r.sample(same_phrase, min(2, len(same_phrase)))
    r.shuffle(wrong)
    return ({"to": LANGUAGES[j], "frm": LANGUAGES[i], "text": row[i]}, [row[j]], wrong,
            {"forms": ["It is \"{}\".", "In " + LANGUAGES[j] + " one says {}.", "{}"]})


@family("plurals", [
    "What is the plural of {word}?", "Write the plural of \"{word}\".", "One {word}, two ...", "Plural form of {word}:",
    "I have one {word}. You have many ...", "How do you write {word} in the plural?", "Make this plural: {word}",
    "Give me the plural form of the noun {word}.", "{word} in the plural is", "If there is more than one {word}, I say:",
    "Turn {word} into a plural.", "The plural of {word}, please?"], weight=0.7)
def plurals(r, tag):
    word = r.choice(list(PLURALS))
    wrong = [word, word + "es", word + "en", r.choice([x for x in PLURALS.values() if x != PLURALS[word]])]
    return {"word": word}, [PLURALS[word]], [x for x in wrong if x != PLURALS[word]], {"forms": ["The plural is {}.", "It is {}."]}


@family("past tense", [
    "What is the past tense of {word}?", "Write the past of \"{word}\".", "Today I {word}, yesterday I ...",
    "Past tense of to {word}:", "Put this verb into the past: {word}", "Give the simple past of {word}.",
    "How does the verb {word} look in the past?", "{word} -> past tense", "Change the verb '{word}' to the past tense.",
    "Every day they {word}. Last week they ...", "Which form of {word} do I use for yesterday?", "The past of {word} is?"], weight=0.7)
def past(r, tag):
    word = r.choice(list(PAST))
    wrong = [word, word + "ing", word + "ed"] + r.sample([x for x in PAST.values() if x != PAST[word]], 2)
    return {"word": word}, [PAST[word]], [x for x in wrong if x != PAST[word]], {"forms": ["It is {}.", "The past tense is {}."]}


@family("numbers to words", [
    "Write {n} in words.", "How do you spell the number {n}?", "Spell out {n}.", "Number in words: {n}", "{n} in words is",
    "Convert the number {n} to words.", "Please write out the number {n}.", "Say {n} as text.", "Turn {n} into words.",
    "What is {n} called when you write it out?", "How is {n} written in letters?", "Express {n} in English words.",
    ("Write {words} as a number.", "back"), ("Which number is {words}?", "back"), ("{words} in digits:", "back"),
    ("Convert to digits: {words}", "back"), ("How do you write the number {words} with digits?", "back"),
    "Write the number {n} using letters.", ("Give the digits for {words}.", "back")], weight=2.0)
def numbers(r, tag):
    n = r.randrange(100) if r.random() < 0.8 else r.randrange(100, 1000)
    near = {n + d for d in (-10, 10, 1, -1, 20, -20)} | {int(str(n)[::-1]), r.randrange(100), n % 10 * 10 + n // 10 % 10}
    near = [m for m in near if 0 <= m < 1000 and m != n]
    wrong = r.sample(near, min(5, len(near)))
    if tag == "back":
        return {"words": number_words(n)}, [str(n)], [str(m) for m in wrong], {}
    return {"n": n}, [number_words(n)], [number_words(m) for m in wrong], {}


def cap_a(noun):
    s = a(noun)
    return s[0].upper() + s[1:]
