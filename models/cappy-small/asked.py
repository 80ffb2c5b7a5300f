"""Groups that the files do not hold as such: searches, replies in a chat, and labels asked for in plain words.

Each function takes a random.Random and a row, and gives (instruction, [(response, label)]) or None where a row does not fit.
"""

import re

from decisions import AFTER_INPUT, AFTER_LINE, SHORT
from spoil import cap, no_answer, spoiled, words

SEARCH = ["Query: {q}", "Which passage answers this search? {q}", "Query: {q}. Which passage answers it?", "Search: {q}",
          "Find the passage that answers the question.\nQuestion: {q}", "{q}"]
CHAT = ["{u}", "{u}", "Reply to this message: {u}", "User: {u}\nAssistant:", "Continue the conversation.\n{u}", "What would you say to this? '{u}'"]
LABEL = {
    "sentiment": ["Classify the sentiment of this {kind} as {options}: '{text}'", "Sentiment ({options}): '{text}'",
                  "Is this {kind} {options}? '{text}'", "{text}\n\nLabel the sentiment as {options}.",
                  "Tell me whether the following {kind} is {options}.\n{text}"],
    "emotion": ["Which emotion is in this text: {options}? '{text}'", "Label the emotion as {options}: '{text}'"],
    "intent": ["Label this message as {options}: '{text}'", "Choose the topic of the message ({options}).\n{text}",
               "{text}\n\nWhich of these fits best: {options}?"],
}
LABELLED = {
    "cad/imdb_sentiment": (AFTER_LINE, "sentiment", "review"), "ni2/task1687_sentiment140_classification": (AFTER_INPUT, "sentiment", "message"),
    "ni2/task363_sst2_polarity_classification": (AFTER_INPUT, "sentiment", "review"),
    "ni2/task875_emotion_classification": (AFTER_INPUT, "emotion", "text"), "banking77/intent": (AFTER_LINE, "intent", "message"),
    "clinc150/intent": (AFTER_LINE, "intent", "message"),
}


def sentences_of(text):
    return [s.strip() for s in re.split(r"(?<=[.!?])\s+", text) if 20 < len(s.strip()) < 400]


def search(r, row, other):
    """The sentence of a context that holds the answer, against the context's other sentences and those of `other` rows."""
    def parts(x):
        m = re.search(r"Question: (.*?)\n+Context: (.*)", x.instruction, re.S)
        return (m.group(1).strip(), sentences_of(m.group(2))) if m else (None, [])

    q, all_ = parts(row)
    right = [s for s in all_ if row.good[0].lower() in s.lower()]
    wrong = [s for s in all_ if s not in right]
    if not q or len(right) != 1 or not wrong:
        return None
    style = r.choice([str, str.lower, lambda s: s.rstrip("?"), lambda s: " ".join(words(s)[2:]) or s])
    pairs = [(right[0], 1.0)] + [(s, 0.0) for s in r.sample(wrong, min(len(wrong), r.choice((1, 2, 3))))]
    far = parts(other())[1]
    if far:
        pairs.append((r.choice(far), 0.0))
    return r.choice(SEARCH).format(q=style(q)), pairs


def chat(r, row, other):
    """The next utterance of a conversation, against those of others and against what is no reply."""
    said = re.findall(r"-\s*(.+)", row.instruction.split("Chat history:")[-1])
    if not said:
        return None
    last = said[-1].strip() if r.random() < 0.6 or len(said) < 2 else said[-2].strip() + "\n" + said[-1].strip()
    right = row.good[0]
    pairs = [(right, 1.0)] + [(other().good[0], 0.0) for _ in range(r.choice((1, 2)))]
    pairs += [(no_answer(r, last), 0.0) for _ in range(r.choice((1, 2)))]
    if r.random() < 0.4:
        pairs.append((cap(last.split("\n")[-1]), 0.0))
    return r.choice(CHAT).format(u=last), pairs


def label(r, row, other):
    """A label asked for with the options named, against the other options and words of the text."""
    mark, sort, kind = LABELLED[row.task]
    text = row.instruction.split(mark, 1)[-1].strip()
    if len(text) > 500:
        return None
    fix = lambda s: SHORT.get(s.lower().rstrip("?"), s.rstrip("?")).lower()
    right = fix(row.good[0])
    wrong = [w for w in dict.fromkeys(fix(s) for s, _ in row.bad) if w != right][: r.randint(1, 4)]
    if sort == "sentiment" and r.random() < 0.4:
        wrong.append(r.choice(["neutral", "mixed"]))
    options = r.sample([right] + wrong, len(wrong) + 1)
    named = r.choice([", ".join(options[:-1]) + " or " + options[-1], " or ".join(options), " / ".join(options)])
    style = r.choice([str, str, cap, lambda s: cap(s) + ".", lambda s: f"It is {s}.", lambda s: f"The {sort} is {s}."])
    pairs = [(style(right), 1.0)] + [(style(w), 0.0) for w in wrong]
    if r.random() < 0.6:
        ws = text.split()
        at = r.randrange(len(ws))
        pairs.append((" ".join(ws[at : at + r.randint(1, 3)]).strip(".,!?"), 0.0))
    if r.random() < 0.2:
        pairs.append((no_answer(r, text), 0.0))
    if r.random() < 0.15:
        bad = spoiled(r, style(right), text)
        pairs += [(bad, 0.0)] if bad and right not in bad.lower() else []
    return r.choice(LABEL[sort]).format(kind=kind, options=named, text=text), pairs
