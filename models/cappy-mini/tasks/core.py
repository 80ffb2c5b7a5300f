"""How a task family becomes instances, and instances become labelled pairs.

A family is a list of instruction wordings and a function that fills them:

    @family("capitals", TEMPLATES, weight=1.0)
    def capitals(r, tag):
        return fill, references, wrong_answers, options

The last two wordings of every family are held out, and so is one instance in
eight (by a hash of what fills it). Nothing held out is ever trained on.
"""

import random
import zlib
from dataclasses import dataclass, field

HELD_OUT_TEMPLATES = 2
HELD_OUT_SHARE = 8
FAMILIES = {}


@dataclass
class Family:
    name: str
    templates: list
    make: object
    weight: float


@dataclass
class Instance:
    family: str
    template: int
    instruction: str
    refs: list
    wrong: list
    corrupt: bool
    forms: list = field(default_factory=list)


def family(name, templates, weight=1.0):
    """Registers a family. A template is a text, or (text, tag)."""
    templates = [t if isinstance(t, tuple) else (t, None) for t in templates]
    assert len(templates) >= 10, (name, len(templates))

    def register(make):
        FAMILIES[name] = Family(name, templates, make, weight)
        return make

    return register


def join(r, xs, word="or"):
    """A list of options as people write it."""
    xs = list(xs)
    style = r.random()
    if style < 0.5 and len(xs) > 1:
        return ", ".join(xs[:-1]) + " " + word + " " + xs[-1]
    if style < 0.75:
        return ", ".join(xs)
    if style < 0.85:
        return " / ".join(xs)
    return "\n- " + "\n- ".join(xs)


def cap(s):
    """First letter upper case, the rest as it is."""
    return s[:1].upper() + s[1:]


def a(noun):
    """The noun with its article."""
    return ("an " if noun[0] in "aeiou" else "a ") + noun


PLAIN_FORMS = ["The answer is {}.", "It is {}.", "I think it is {}.", "That would be {}."]
BEFORE = ["Please answer this. ", "Question: ", "Q: ", "Hi! ", "Hey, ", "Quick question: ", "Please help me. ",
          "Task: ", "Instruction: ", "Can you help? ", "\n", "### Instruction\n"]
AFTER = ["\nAnswer:", "\nA:", " Thanks!", "\nResponse:", " Please.", "\n", "\n\nAnswer:", " Keep it short."]


def held_out(name, key):
    return zlib.crc32((name + "|" + key).encode()) % HELD_OUT_SHARE == 0


def build(r, name, split):
    """One instance. split is 'train', 'instances' or 'templates' (both held out)."""
    f = FAMILIES[name]
    n = len(f.templates)
    new_wording = split == "templates"
    t = r.randrange(n - HELD_OUT_TEMPLATES, n) if new_wording else r.randrange(n - HELD_OUT_TEMPLATES)
    text, tag = f.templates[t]
    while True:
        fill, refs, wrong, options = f.make(r, tag)
        wrong = list(dict.fromkeys(w for w in wrong if w not in refs))
        key = options.get("key") or repr(sorted(fill.items())) + repr(sorted(wrong[:4]))
        if held_out(name, key) == (split != "train"):
            break
    if "{options}" in text:
        wrong = wrong[:4]
        shown = [refs[0]] + wrong
        r.shuffle(shown)
        fill["options"] = join(r, shown)
    instruction = text.format(**fill)
    if options.get("decorate", True):
        if r.random() < 0.12:
            instruction = r.choice(BEFORE) + instruction
        if r.random() < 0.12:
            instruction = instruction + r.choice(AFTER)
    if r.random() < 0.04:
        instruction = instruction.lower()
    forms = options.get("forms", PLAIN_FORMS)
    style = r.random()
    if forms and style < 0.30:
        form = r.choice(forms)
        wrap = lambda s: form.format(**{**fill, "x": s}) if "{x}" in form else form.format(s, **fill)
    elif options.get("free"):
        wrap = lambda s: s
    elif style < 0.55:
        wrap = cap
    elif style < 0.65:
        wrap = lambda s: cap(s) + "."
    else:
        wrap = lambda s: s
    return Instance(name, t, instruction, [wrap(x) for x in refs], [wrap(x) for x in wrong],
                    bool(options.get("corrupt")) or (style < 0.30 and bool(forms)))


def damage(r, text, other):
    """A corrupted response: words lost, moved, replaced or said twice."""
    w = text.split()
    o = other.split() or ["so"]
    kind = r.randrange(6)
    if kind == 0:
        w = w[: max(1, int(len(w) * r.uniform(0.3, 0.8)))]
    elif kind == 1:
        w = [x for x in w if r.random() > 0.35] or w[:1]
    elif kind == 2:
        r.shuffle(w)
    elif kind == 3:
        w = [r.choice(o) if r.random() < 0.35 else x for x in w]
    elif kind == 4:
        i = r.randrange(len(w))
        w = w[: i + 1] + w[i : i + 3] + w[i:]
    else:
        w = w[: len(w) // 2] + o[len(o) // 2 :]
    return " ".join(w)


class Sampler:
    """A seeded stream of instances, with a memory of recent answers for mismatches."""

    def __init__(self, seed, split, off_topic, banned=()):
        self.r = random.Random(seed)
        self.split = split
        self.off_topic = off_topic
        self.banned = set(banned)
        self.recent = {}
        self.names = list(FAMILIES)
        self.weights = [FAMILIES[n].weight for n in self.names]

    def instance(self, name=None):
        while True:
            chosen = name or self.r.choices(self.names, self.weights)[0]
            x = build(self.r, chosen, self.split)
            if x.instruction.strip() not in self.banned:
                break
        seen = self.recent.setdefault(x.family, [])
        seen.append(x.refs[0])
        if len(seen) > 200:
            del seen[0]
        return x

    def mismatch(self, x):
        """Another target: what answered some other instruction."""
        refs = {s.lower().strip(" .") for s in x.refs}
        for _ in range(20):
            if self.r.random() < 0.25:
                s = self.r.choice(self.off_topic)
            else:
                own = x.corrupt and self.r.random() < 0.4
                others = [n for n in self.recent if n != x.family]
                s = self.r.choice(self.recent[x.family if own or not others else self.r.choice(others)])
            if s.lower().strip(" .") not in refs:
                return s
        return "I have no idea."

    def damaged(self, x, rouge):
        """A corrupted reference with its stemmed Rouge-L F1, best over the references."""
        s = damage(self.r, self.r.choice(x.refs), self.mismatch(x))
        if s in x.refs or s in x.wrong:
            return None
        return s, max(rouge(ref, s) for ref in x.refs)

    def evaluation(self, name, rouge, most=6):
        """(instance, candidates, index of the right one), in random order."""
        x = self.instance(name)
        right = self.r.choice(x.refs)
        rest = self.r.sample(x.wrong, min(len(x.wrong), most - 2))
        if x.corrupt:
            bad = self.damaged(x, rouge)
            if bad and bad[1] < 0.9:
                rest.append(bad[0])
        if len(rest) < most - 1:
            rest.append(self.mismatch(x))
        all_ = list(dict.fromkeys([right] + rest))
        self.r.shuffle(all_)
        return x, all_, all_.index(right)

    def group(self, rouge):
        """Labelled candidates of one instance, for training."""
        r = self.r
        x = self.instance()
        right = r.choice(x.refs)
        out = [(right, 1.0)]
        for w in r.sample(x.wrong, min(len(x.wrong), r.choice((1, 2, 2, 3)))):
            out.append((w, 0.0))
        if len(x.refs) > 1 and r.random() < 0.2:
            out.append((r.choice([s for s in x.refs if s != right] or [right]), 1.0))
        if r.random() < 0.25 or len(out) < 2:
            out.append((self.mismatch(x), 0.0))
        if x.corrupt and r.random() < 0.3:
            bad = self.damaged(x, rouge)
            if bad:
                out.append(bad)
        best = {}
        for s, y in out:
            best[s] = max(y, best.get(s, 0.0))
        return x.instruction, list(best.items())
