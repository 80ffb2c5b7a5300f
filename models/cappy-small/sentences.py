"""Short answers written as people answer: bare, in a sentence, or in a longer sentence; and requests worded as people ask."""

import re

from spoil import cap

BEFORE = ["Please answer this question. ", "Question: ", "Q: ", "Hi! ", "Quick question: ", "Can you help me? ", "I have a question. ",
          "Answer the question. ", "Please tell me: ", "Answer in a sentence. ", "I need to know this. ", "Hello, "]
AFTER = ["\nAnswer:", "\nA:", " Thanks!", " Please explain.", " Keep it short.", "\nReply in one sentence.", " I'm new to this."]
PLAIN = ["The answer is {x}.", "It is {x}.", "I think it is {x}.", "That would be {x}.", "{x}, I believe.", "It's {x}.", "Answer: {x}",
         "The correct answer is {x}.", "The right answer is {x}.", "Most likely {x}."]
LONG = ["The answer to this question is {x}, as far as I know.", "I am quite sure that the answer is {x}.",
        "Good question! The answer is {x}. Let me know if you need anything else.", "{x} is the answer that fits this question best.",
        "If I remember correctly, the answer here is {x}.", "Of the possible answers, {x} is the one that is right."]


def statement(question, x):
    """The question turned into a statement with the answer in it, or None where the simple rules do not fit."""
    q = re.split(r"(?<=[.!?])\s+|\n", question.strip())[-1].strip().rstrip("?").strip()
    m = re.match(r"(?i)(what|who|which|where|when) (is|are|was|were) (the|an?|your|this|these)\b(.*)", q)
    if m and len(q) < 120:
        noun = (m.group(3) + m.group(4)).strip()
        place = m.group(1).lower() in ("where", "when")
        return f"{cap(noun)} {m.group(2).lower()} {x}." if place or len(x) % 2 else f"{cap(x)} {m.group(2).lower()} {noun}."
    m = re.match(r"(?i)(who|what) ([a-z]+(?:ed|s)|wrote|won|made|sang|gave|took|built|found|led|is|was) (.*)", q)
    if m and len(q) < 120:
        return f"{cap(x)} {m.group(2)} {m.group(3)}."
    m = re.match(r"(?i)(?:which|what) ([a-z]+(?: [a-z]+)?) (is|are|was|were|has|had|can|does|would|will) (.*)", q)
    if m and len(q) < 120 and m.group(2) != "does":
        return f"{cap(x)} is the {m.group(1)} that {m.group(2)} {m.group(3)}."
    return None


def worded(r, question, x):
    """The answer x in one of the forms; which one says nothing about its being right."""
    x = x.strip()
    inner = x.rstrip(".")
    if len(inner.split()) > 7:  # a sentence by itself
        return cap(inner) + r.choice(["", "."])
    kind = r.random()
    if kind < 0.25:
        return x
    if kind < 0.4:
        return cap(inner) + "."
    if kind < 0.7:
        said = statement(question, inner)
        if said:
            return said
    return r.choice(PLAIN if r.random() < 0.7 else LONG).format(x=inner)


def ask(r, instruction):
    """The instruction, sometimes with what people write before and after a question."""
    if r.random() < 0.25:
        instruction = r.choice(BEFORE) + instruction
    if r.random() < 0.15:
        instruction = instruction + r.choice(AFTER)
    return instruction


YES = ["Yes.", "yes", "Yes", "Yes, it is.", "Yes, that is right.", "Yes, that is true.", "True."]
NO = ["No.", "no", "No", "No, it is not.", "No, that is wrong.", "No, that is not true.", "False."]
