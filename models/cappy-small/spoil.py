"""Wrong answers made from right ones, and answers that are no answer.

Every function takes a random.Random first. The kinds come longer and shorter than the right answer, with many
and with few words of the instruction, so that neither length nor shared words tell right from wrong.
"""

import re

EVASIVE = [
    "I'm not sure.", "It depends.", "I don't know.", "That is hard to say.", "There are many answers to this.",
    "You could look it up in a book or ask an expert.", "I'm sorry, but I can't help with that.",
    "As an AI, I am not able to answer this kind of request.", "Please consult the documentation.",
    "That is a good question, and many people have asked it before.", "Nobody knows for certain.",
    "It depends on what you mean and on the situation you are in.", "Ask someone who knows more about it.",
    "I would rather not discuss this topic. Is there anything else that I can do for you today?",
    "There are many reasons, and experts do not agree on them.", "Error: no input was given.",
    "Thank you for your question! I will get back to you as soon as possible.", "Maybe.", "Here is your answer.",
    "This is a complex matter with many sides, and it cannot be answered in a few words. More research is needed.",
    "Sure, I can do that for you!", "Please choose one of the options.", "None.", "I'd need more information first.",
    "You should think about it yourself.", "It is what it is.", "The answer can be found on the internet.",
]
ABOUT = [
    "{x} is a topic that many people are interested in.", "There are many kinds of {x}.", "A lot has been written about {x}.",
    "{x} can be good or bad.", "People have known {x} for a long time.", "I like {x}.", "{x}.",
    "The word '{x}' is used in many texts and has more than one meaning.", "You can read more about {x} online.",
    "{x} is important, and everybody should know something about it, because it matters in daily life.",
    "What do you think of {x}?", "Not everyone knows what {x} is.",
]
FOREIGN = [
    "Ich weiß es leider nicht genau.", "Das ist eine gute Frage.", "Je ne sais pas, désolé.", "C'est une bonne question.",
    "No lo sé.", "Eso depende de la situación.", "Ja, natürlich, das ist richtig.", "Oui, bien sûr.", "Non lo so.",
    "Das Wetter ist heute schön, und morgen soll es regnen.", "La réponse se trouve dans le livre.",
]
ECHOES = [
    "{x}", "You asked: {x}", "{x} is what you want to know.", "The question is: {x}", "{x} {x}",
    "You want me to answer this: {x} That is what I will do.", "The answer to '{x}' is the answer to that question.",
]
OPPOSITES = [
    ("is", "is not"), ("are", "are not"), ("was", "was not"), ("were", "were not"), ("can", "cannot"), ("will", "will not"),
    ("has", "has never"), ("have", "have never"), ("should", "should not"), ("always", "never"), ("more", "less"), ("most", "least"),
    ("before", "after"), ("first", "last"), ("high", "low"), ("higher", "lower"), ("large", "small"), ("larger", "smaller"),
    ("good", "bad"), ("hot", "cold"), ("warm", "cool"), ("increase", "decrease"), ("increases", "decreases"), ("yes", "no"),
    ("true", "false"), ("with", "without"), ("all", "none"), ("many", "few"), ("old", "new"), ("up", "down"), ("right", "wrong"),
    ("fast", "slow"), ("faster", "slower"), ("early", "late"), ("open", "closed"), ("easy", "difficult"), ("best", "worst"),
]
FLIP = {a: b for a, b in OPPOSITES} | {b: a for a, b in OPPOSITES if " " not in b}
STOP = set("""a an the of to in on at for and or but is are was were be been do does did what which who whom whose when where why
how with without as by from this that these those it its i you he she we they my your his her our their me him us them if then than
so not no yes can could will would should may might must have has had there here about into over give write please following input
question answer text sentence passage given one two task""".split())


def words(s):
    """Lower-case words."""
    return re.findall(r"\w+", s.lower())


def cap(s):
    """The text with a capital first letter."""
    return s[:1].upper() + s[1:]


def subject(r, instruction):
    """A telling word or two of the instruction."""
    tail = re.split(r"\bInput:|\n", instruction)[-1] or instruction
    found = re.findall(r"[A-Za-z][\w'-]+(?: [a-z][\w'-]+)?", tail[:300])
    found = [w for w in found if words(w)[0] not in STOP and words(w)[-1] not in STOP]
    return r.choice(found[:12]) if found else "it"


def cut(r, s, other):
    """The beginning only."""
    w = s.split()
    return " ".join(w[: max(1, int(len(w) * r.uniform(0.2, 0.6)))])


def tail(r, s, other):
    """The end only."""
    w = s.split()
    return " ".join(w[int(len(w) * r.uniform(0.4, 0.8)) :])


def lose(r, s, other):
    """Words lost here and there."""
    return " ".join(w for w in s.split() if r.random() > 0.4)


def shuffle(r, s, other):
    """Words in another order."""
    w = s.split()
    r.shuffle(w)
    return " ".join(w)


def repeat(r, s, other):
    """A part said again and again."""
    w = s.split()
    n = min(len(w), r.randint(2, 6))
    at = r.randrange(len(w) - n + 1)
    return " ".join(w[: at + n] + w[at : at + n] * r.randint(1, 4) + ([] if r.random() < 0.5 else w[at + n :]))


def mix(r, s, other):
    """The beginning of the right answer, the end of another one."""
    a, b = s.split(), other.split()
    return " ".join(a[: max(1, len(a) // 2)] + b[len(b) // 2 :])


def numbers(r, s, other):
    """Other numbers."""
    def change(m):
        n = m.group()
        if len(n) > 6:
            return n[::-1]
        v = int(n)
        return str(r.choice([v + r.randint(1, 9), max(0, v - r.randint(1, 9)), v * 2, v * 10, v + 100]))
    return re.sub(r"\d+", change, s)


def names(r, s, other):
    """Names replaced by those of another answer."""
    theirs = [w for w in re.findall(r"(?<!^)(?<![.!?] )\b[A-Z][a-z]+\b", other)] or ["Martin", "Berlin", "Sarah", "Kenya", "Tuesday"]
    return re.sub(r"(?<!^)(?<![.!?] )\b[A-Z][a-z]+\b", lambda m: r.choice(theirs), s)


def polarity(r, s, other):
    """One or two words turned into their opposite."""
    w = s.split()
    at = [i for i, x in enumerate(w) if x.lower().strip(".,") in FLIP]
    for i in r.sample(at, min(len(at), r.choice((1, 1, 2)))):
        core = w[i].strip(".,")
        new = FLIP[core.lower()]
        w[i] = w[i].replace(core, cap(new) if core[0].isupper() else new)
    return " ".join(w)


def swap(r, s, other):
    """A few telling words replaced by words of another answer."""
    theirs = [x for x in other.split() if x.lower().strip(".,") not in STOP]
    w = s.split()
    mine = [i for i, x in enumerate(w) if x.lower().strip(".,") not in STOP]
    if not theirs or not mine:
        return s
    for i in r.sample(mine, min(len(mine), max(1, len(mine) // r.choice((2, 3, 5))))):
        w[i] = r.choice(theirs)
    return " ".join(w)


def form(r, s, other):
    """Another form than asked for: a bare list of its words, a label, a table or code."""
    w = [x.strip(".,;:") for x in s.split()]
    return r.choice([", ".join(w[:12]), "\n".join("- " + x for x in w[:8]), "{\"answer\": null}", "A", "True", "<br>" + " | ".join(w[:6]),
                     "print('" + " ".join(w[:5]) + "')", "1.", "Yes.", "No."])


# The weight says how often a kind is drawn. What a kind leaves unchanged is drawn again.
KINDS = {polarity: 3, numbers: 3, names: 3, swap: 3, cut: 1.5, tail: 1, lose: 1, shuffle: 0.7, repeat: 1, mix: 1.5, form: 0.6}


def spoiled(r, s, other):
    """A right answer made wrong, or None if nothing would change it."""
    for _ in range(6):
        kind = r.choices(list(KINDS), list(KINDS.values()))[0]
        out = kind(r, s, other).strip()
        if out and words(out) != words(s):
            return out
    return None


def no_answer(r, instruction):
    """A response that answers nothing: evasive, an echo, or a remark on a word of the instruction."""
    kind = r.random()
    if kind < 0.35:
        return r.choice(EVASIVE)
    if kind < 0.65:
        parts = [p.strip() for p in re.split(r"\n|(?<=[.!?]) ", instruction) if len(p.strip()) > 8] or [instruction]
        text = r.choice(parts[-3:] + parts[:1])[:300]
        if r.random() < 0.3:
            return cut(r, text, "") if r.random() < 0.5 else swap(r, text, text)
        return r.choice(ECHOES).format(x=text.rstrip("?.") if r.random() < 0.5 else text)
    if kind < 0.95:
        return cap(r.choice(ABOUT).format(x=subject(r, instruction)))
    return r.choice(FOREIGN)
