"""Labelled texts rendered as decisions: a state, a question, and one option as the response.

The rendering is the model's: instruction `Question: {question}\n\n{state}`, response the option's name, or
`{name}: {description}` where it has one. The other options are not named, so their order cannot matter. A state that is
JSON is written as lines of `key: value`. The question comes first because a pair that is too long loses its instruction's end.
"""

INTENT = ["What does the customer want?", "What is this message about?", "Which topic does this belong to?", "Where should this go?",
          "Which team should handle this?", "What is the intent of this request?", "Why is the user writing?", "How should this be filed?"]
MOOD = ["What is the sentiment of this text?", "Is the writer happy?", "How does the writer feel about it?", "What is the tone?"]
EMOTION = ["Which emotion does this text express?", "How does the writer feel?", "What is the mood of this message?"]
KEYS = ["message", "text", "email", "request", "ticket", "comment", "review", "body"]
DESCRIBED = {
    "positive": ["Praise, joy, or a good experience", "The writer likes it", "Good"],
    "negative": ["A complaint, anger, or a bad experience", "The writer does not like it", "Bad"],
    "anger": ["The writer is angry or annoyed"], "fear": ["The writer is afraid or nervous"], "joy": ["The writer is happy"],
    "love": ["The writer feels affection"], "sadness": ["The writer is sad or hurt"], "surprise": ["The writer is amazed"],
}
# Task: how the state is found in the instruction, and what may be asked about it.
AFTER_LINE, AFTER_INPUT = "\n", "Input: "
TASKS = {
    "banking77/intent": (AFTER_LINE, INTENT), "clinc150/intent": (AFTER_LINE, INTENT), "cad/imdb_sentiment": (AFTER_LINE, MOOD),
    "ni2/task1687_sentiment140_classification": (AFTER_INPUT, MOOD), "ni2/task363_sst2_polarity_classification": (AFTER_INPUT, MOOD),
    "ni2/task875_emotion_classification": (AFTER_INPUT, EMOTION),
}
SHORT = {"pos": "positive", "neg": "negative"}


def rendered(r, state, question):
    """The instruction of a decision."""
    if r.random() < 0.4:
        state = f"{r.choice(KEYS)}: {state}"
        if r.random() < 0.2:
            state += f"\n{r.choice(['channel', 'source'])}: {r.choice(['web', 'phone', 'chat', 'app'])}"
    return f"Question: {question}\n\n{state}"


def option(r, label, described):
    """The text of an option."""
    known = DESCRIBED.get(label.lower())
    return f"{label}: {r.choice(known)}" if described and known else label


def decision(r, row, others):
    """A labelled row as a choice or as a yes-or-no question: (instruction, [(response, label)]).

    `others` draws another label of the task.
    """
    mark, questions = TASKS[row.task]
    state = row.instruction.split(mark, 1)[-1].strip()
    fix = lambda s: SHORT.get(s.lower().rstrip("?"), s.rstrip("?"))
    right = fix(row.good[0])
    wrong = [fix(s) for s, _ in row.bad]
    if r.random() < 0.25:
        asked = right if r.random() < 0.5 else r.choice(wrong)
        question = r.choice(["Is this about {x}?", "Does this belong to '{x}'?", "Is '{x}' the right label?"] if questions is INTENT else
                            ["Is it {x}?", "Is this text {x}?", "Is the tone {x}?"] if questions is MOOD else ["Is the emotion here {x}?"])
        yes, no = r.choice([("yes", "no"), ("Yes", "No"), ("true", "false")])
        truth = asked == right
        return rendered(r, state, question.format(x=asked)), [(yes, float(truth)), (no, float(not truth))]
    if questions is INTENT:
        more = [fix(others()) for _ in range(r.randint(0, 4))]
        wrong = [s for s in dict.fromkeys(wrong + more) if s != right][: r.randint(1, 7)]
    described = r.random() < 0.4
    style = r.choice([str, str, str.lower, lambda s: s.lower().replace(" ", "_"), lambda s: s[:1].upper() + s[1:]])
    pairs = [(option(r, s, described), y) for s, y in [(right, 1.0)] + [(s, 0.0) for s in wrong]]
    question = r.choice([q for q in questions if q != "Is the writer happy?"])
    return rendered(r, state, question), [(style(s), y) for s, y in dict(pairs).items()]


def plausible(r, row):
    """A pair of statements as a yes-or-no question about one of them (ComVE and BLiMP)."""
    right = r.random() < 0.5
    said = r.choice(row.good) if right else r.choice(row.bad)[0]
    question = r.choice(["Does this make sense?", "Is this plausible?", "Can this be true?"] if row.task.startswith("comve") else
                        ["Is this sentence grammatical?", "Is this correct English?"])
    return rendered(r, said, question), [("yes", float(right)), ("no", float(not right))]
