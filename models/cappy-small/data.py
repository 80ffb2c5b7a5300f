"""The training mixture: an endless stream of groups, each one instruction with two to eight labelled responses.

    python data.py            # prints a few groups of every sort, to look at

Chunk k of the stream is a function of (seed, k) alone, so that training can resume anywhere.
"""

import os
import random
import re
import sys
from collections import Counter, defaultdict

from rouge_score import rouge_scorer

import asked
from made import made as own_request
import texts
from decisions import TASKS as DECISIONS, decision, plausible
from sentences import NO, YES, ask, worded
from sources import HERE, FOLDER, read, read_answers, read_everyday, task_weights
from spoil import STOP, no_answer, spoiled, words

# Shares of groups. `labelled` are rows as they are; `sentences` their short answers written out, beside answers that are none;
# `free` long right answers against mismatched and spoiled ones; `labels`, `search`
# and `chat` are made of rows by asked.py, `texts` by texts.py; `made` are of our own making, by made.py; `synthetic` the families
# of cappy-mini.
SHARES = {"labelled": 34, "sentences": 22, "free": 20, "decisions": 8, "labels": 4, "search": 3, "chat": 2, "texts": 12, "made": 7, "preferences": 4, "synthetic": 3}
# Sorts that need no row of a data set.
OWN = ("made", "synthetic")
# Sorts whose groups get sentences on their subject that answer nothing.
REMARKED = ("labelled", "sentences", "free", "labels", "chat", "preferences")
QUESTIONS = ("commonsense_qa/", "arc-", "trivia/", "webquestions/", "gsm8k/", "induce/", "comve/why_not", "codah/", "t0/kilt", "t0/quartz",
             "t0/ropes", "t0/adversarial", "t0/quoref", "t0/cosmos", "t0/commonsense_qa_question_answering", "ni1/subtask041", "ni1/subtask047",
             "ni1/subtask051", "ni1/subtask004", "ni1/subtask010", "ni1/subtask013", "ni1/subtask016", "ni1/subtask024", "ni2/task308",
             "ni2/task002", "boolq/", "t0/duorc")
GISTS = ("t0/gigaword_make_a_title", "t0/gigaword_write_a_title_for_this_sentence", "t0/gigaword_write_its_sentence")
NOT_QUESTIONS = ("generate_question", "answer_to_question", "_id", "answer_index", "title", "build_story")


def is_question(task):
    return task.startswith(QUESTIONS) and not any(x in task for x in NOT_QUESTIONS)


def is_text(task):
    """Whether texts.py makes requests of the task's rows."""
    return task.startswith("t0/adversarial") and task.endswith("based_on") or task in GISTS


class Mixture:
    """Draws groups. Everything random comes from the generator that is handed in."""

    def __init__(self, folder=FOLDER, shares=SHARES, longest=1100, short=400):
        self.shares = {k: v for k, v in shares.items() if v}
        self.short = short
        self.tasks = read(folder, "train", longest)
        self.rouge = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=True)
        banned = {x["instruction"].strip() for x in read_everyday(folder)}
        self.banned = banned
        pref = [t for t in self.tasks if t.startswith("pref/")]
        self.answers = {t: [x for x in rows if len(x.good[0]) < 800] for t, rows in read_answers(folder)[0].items()}
        weights = task_weights(self.tasks)
        mean = {t: sum(len(x.good[0]) for x in rows[:100]) / len(rows[:100]) for t, rows in self.tasks.items()}
        pick = lambda names: ([t for t in names], [weights[t] for t in names])
        self.pools = {
            "labelled": pick([t for t in self.tasks if t not in pref]),
            "sentences": pick([t for t in self.tasks if is_question(t)]),
            "decisions": pick([t for t in self.tasks if t in DECISIONS or t.startswith("comve/which")] +
                              [t for t in self.tasks if t.startswith("blimp/")][::8]),
            "preferences": pick(pref),
            "labels": pick([t for t in self.tasks if t in asked.LABELLED]),
            "search": pick([t for t in self.tasks if t.startswith("t0/adversarial") and t.endswith("based_on")]),
            "texts": pick([t for t in self.tasks if is_text(t)]),
            "chat": pick([t for t in self.tasks if "personachat" in t]),
        }
        # Answers of over 800 characters would be cut by the model's limit, and what is spoiled in them with it.
        free = [t for t in self.tasks if 25 < mean[t] < 800 and t not in pref and not is_question(t) and not t.startswith(("blimp/", "comve/", "arct"))]
        own = {"alpaca_demo": 8.0, "gpteacher/roleplay": 6.0, "self_instruct/seed": 4.0, "gpteacher/codegen": 2.5}
        self.pools["free"] = (free + list(self.answers), [weights[t] for t in free] + [own.get(t, 1.0) for t in self.answers])
        # With short instructions alone, a sort may have nothing left.
        self.shares = {k: v for k, v in self.shares.items() if k in OWN or self.pools[k][0]}
        self.by_word = self.index()
        self.remarks = self.index_sentences()
        self.sampler = None

    def index(self):
        """Word -> free-text answers with it, to find wrong answers on the same subject."""
        at = defaultdict(list)
        for rows in list(self.answers.values()) + [self.tasks[t] for t in self.pools["free"][0] if t in self.tasks]:
            for x in rows:
                if len(x.good[0]) > 800:
                    continue
                for w in set(words(x.good[0][:300])) - STOP:
                    if len(at[w]) < 60:
                        at[w].append(x.good[0])
        return at

    def index_sentences(self):
        """Word -> short sentences with it: what is true, on the subject, and answers nothing."""
        some = [x.good[0] for rows in self.answers.values() for x in rows]
        for t, rows in self.tasks.items():
            if t.startswith("t0/common_gen") and "sentence" not in t:
                some += [x.good[0] for x in rows]
            elif t.startswith("comve/"):
                some += [line for x in rows for line in x.instruction.split("\n")]
            elif is_text(t) and t not in GISTS:
                some += [x.instruction.split("Context:")[-1] for x in rows]
        at = defaultdict(list)
        for s in dict.fromkeys(s.strip() for text in some for s in re.split(r"(?<=[.!?])\s+|\n", text)):
            if 4 <= len(s.split()) <= 16 and s[-1:] == "." and s[0].isupper() and ":" not in s:
                for w in set(words(s)) - STOP:
                    if len(at[w]) < 200:
                        at[w].append(s)
        return at

    def remark(self, r, instruction, good):
        """A sentence on a word of the instruction that does not have the answer in it, or None."""
        ws = [w for w in dict.fromkeys(words(instruction[-300:])) if w not in STOP and len(w) > 2 and len(self.remarks.get(w, ())) > 1]
        if not ws:
            return None
        least = sorted(ws, key=lambda w: len(self.remarks[w]))[:5]
        s = r.choice(self.remarks[r.choice(least)])
        return None if any(words(g) and set(words(g)) - STOP <= set(words(s)) for g in good) else s

    def row(self, r, sort):
        tasks, weights = self.pools[sort]
        while True:
            t = r.choices(tasks, weights)[0]
            row = r.choice(self.tasks.get(t) or self.answers[t])
            if sort != "texts" and r.random() * len(row.instruction) > self.short:
                continue  # long instructions are rarer: time goes with length
            if row.instruction.strip() not in self.banned:
                return row

    def of_task(self, r, task):
        """A right answer of another row of the task."""
        return r.choice(r.choice(self.tasks.get(task) or self.answers[task]).good)

    def near(self, r, instruction, not_these, longest=800):
        """A right answer of another instruction that shares telling words with this one, or any."""
        ws = [w for w in dict.fromkeys(words(instruction[-400:])) if w not in STOP and 1 < len(self.by_word.get(w, ())) < 60]
        seen = Counter(s for w in r.sample(ws, min(len(ws), 8)) for s in self.by_word[w] if s not in not_these and len(s) <= longest)
        if not seen or r.random() < 0.2:
            while True:
                s = self.of_task(r, r.choice(self.pools["free"][0]))
                if len(s) <= longest:
                    return s
        most = max(seen.values())
        return r.choice([s for s, n in seen.items() if n == most])

    def labelled(self, r, row):
        """A row as it is, with at most six responses, sometimes with a mismatch or an answer that is none."""
        good = r.sample(row.good, min(len(row.good), r.choice((1, 1, 2))))
        bad = r.sample(row.bad, min(len(row.bad), r.randint(2, 5)))
        pairs = [(s, 1.0) for s in good] + bad
        if r.random() < 0.25:
            pairs.append((self.of_task(r, row.task), 0.0) if r.random() < 0.6 and len(good[0]) > 8 else (no_answer(r, row.instruction), 0.0))
        return ask(r, row.instruction) if is_question(row.task) else row.instruction, pairs

    def sentences(self, r, row):
        """A question whose right and wrong answers are written in any form, bare or long, beside answers that are none."""
        q = row.instruction
        if row.task.startswith("boolq/"):
            yes = row.good[0].lower() == "yes"
            pairs = [(r.choice(YES), float(yes)), (r.choice(NO), float(not yes))]
        else:
            same = r.random() < 0.4  # all in one form: then the content alone decides
            seed = r.random()
            form = (lambda s: worded(random.Random(seed), q, s)) if same else (lambda s: worded(r, q, s))
            pairs = [(form(r.choice(row.good)), 1.0)]
            pairs += [(form(s), y) for s, y in r.sample(row.bad, min(len(row.bad), r.choice((1, 2, 3))))]
        for _ in range(r.choice((0, 1, 1, 2))):
            pairs.append((no_answer(r, q), 0.0))
        if r.random() < 0.5:
            pairs.append((self.near(r, q, row.good, 250), 0.0))
        return ask(r, q), pairs

    def free(self, r, row):
        """A long right answer against mismatched ones of all lengths, spoiled ones and answers that are none."""
        right = r.choice(row.good)
        pairs = [(right, 1.0)]
        pairs += [(s, y) for s, y in r.sample(row.bad, min(len(row.bad), 1))]
        for _ in range(r.choice((1, 2, 2))):
            s = spoiled(r, right, self.near(r, row.instruction, row.good))
            if s:
                f = self.rouge.score(right, s)["rougeL"].fmeasure
                pairs.append((s, 0.0 if f < 0.3 else round(0.7 * f, 3) if f < 0.97 else 0.4))
        wrong = [self.near(r, row.instruction, row.good), self.of_task(r, row.task)]
        pairs.append((r.choice(wrong), 0.0))
        lengths = [len(s) for s, y in pairs if y == 0.0]
        if not any(n > len(right) for n in lengths):  # something wrong that is longer
            pool = wrong + [self.near(r, row.instruction, row.good) for _ in range(3)]
            s = max(pool, key=len)
            pairs.append((s if len(s) > len(right) else " ".join(pool[:3]), 0.0))
        if not any(n < len(right) for n in lengths) or r.random() < 0.4:
            pairs.append((no_answer(r, row.instruction), 0.0))
        return row.instruction, [(s[:1000], y) for s, y in pairs if s not in row.good or y == 1.0]

    def decisions(self, r, row):
        if row.task not in DECISIONS:
            return plausible(r, row)
        return decision(r, row, lambda: self.of_task(r, row.task))

    def labels(self, r, row):
        return asked.label(r, row, lambda: r.choice(self.tasks[row.task]))

    def search(self, r, row):
        return asked.search(r, row, lambda: r.choice(self.tasks[row.task]))

    def chat(self, r, row):
        return asked.chat(r, row, lambda: r.choice(self.tasks[row.task]))

    def texts(self, r, row):
        """A request about a text, of one of the kinds that the row is good for."""
        another = lambda: r.choice(self.tasks[row.task])
        if row.task in GISTS:
            return texts.summary(r, row, another)
        kinds = {k: n for k, n in texts.KINDS.items() if k is not texts.summary}
        return r.choices(list(kinds), list(kinds.values()))[0](r, row, another)

    def preferences(self, r, row):
        """What people preferred against what they did not, which is no mistake, and against mistakes."""
        right = row.good[0]
        pairs = [(right, 1.0), (row.bad[0][0], 0.4), (self.of_task(r, row.task), 0.0)]
        s = spoiled(r, right, self.of_task(r, row.task))
        if s and r.random() < 0.5:
            pairs.append((s, 0.3))
        if r.random() < 0.5:
            pairs.append((no_answer(r, row.instruction), 0.0))
        return row.instruction, pairs

    def synthetic(self, r):
        if self.sampler is None:
            sys.path.insert(0, os.path.join(HERE, "..", "cappy-mini"))
            from tasks import OFF_TOPIC, Sampler
            self.sampler = Sampler(0, "train", OFF_TOPIC, self.banned)
        self.sampler.r = r
        return self.sampler.group(lambda a, b: self.rouge.score(a, b)["rougeL"].fmeasure)

    def group(self, r):
        """(sort, task, instruction, [(response, label)]) with at least one right and one wrong response."""
        while True:
            sort = r.choices(list(self.shares), list(self.shares.values()))[0]
            if sort == "synthetic":
                task = "cappy-mini"
                instruction, pairs = self.synthetic(r)
            elif sort == "made":
                task = "made"
                instruction, pairs = own_request(r)
                if instruction.strip() in self.banned:
                    continue
            else:
                row = self.row(r, sort)
                task = row.task
                made = getattr(self, sort)(r, row)
                if made is None:
                    continue
                instruction, pairs = made
                if sort in REMARKED and r.random() < 0.5 and (sort != "labelled" or is_question(task)):
                    right = [s for s, y in pairs if y == 1.0]
                    # Two at times: the model is to learn that a subject in common is not enough.
                    found = [self.remark(r, instruction, right) for _ in range(r.choice((1, 1, 2)))]
                    pairs = pairs[:6] + [(s, 0.0) for s in found if s]
            best = {}
            for s, y in pairs:  # the same text twice: the better label
                key = s.strip()
                if key:
                    best[key] = max(y, best.get(key, 0.0))
            pairs = list(best.items())[:8]
            if len({y for _, y in pairs}) > 1 and max(y for _, y in pairs) == 1.0:
                return sort, task, instruction, pairs

    def chunk(self, seed, k, groups):
        """Chunk k of the stream."""
        r = random.Random(f"{seed}/{k}")
        if self.sampler is not None:
            self.sampler.recent = {}
        return [self.group(r) for _ in range(groups)]


if __name__ == "__main__":
    mixture = Mixture()
    shown = Counter()
    for sort, task, instruction, pairs in mixture.chunk(1, 0, 400):
        shown[sort] += 1
        if shown[sort] <= 8:
            print(f"--- {sort} {task}\n{instruction[-400:]}")
            for s, y in pairs:
                print(f"   {y:.2f} {s[:160]!r}")
    print(shown)
