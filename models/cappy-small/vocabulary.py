"""A smaller vocabulary: the words that English texts use most, with new ids.

Words that go are spelled in pieces, which stay. Ids of what stays are in the old order, so the special tokens come first.
"""

import json
from collections import Counter

from sources import read, read_answers


def count(tok):
    """How often each token is used in ../shared/instructions, every text once."""
    seen, used = set(), Counter()
    rows = [x for split in ("train", "dev") for t in read(split=split).values() for x in t]
    rows += [x for d in read_answers() for t in d.values() for x in t]
    for at in range(0, len(rows), 2000):
        texts = {s for x in rows[at : at + 2000] for s in [x.instruction, *x.good, *(s for s, _ in x.bad)]} - seen
        seen |= texts
        for e in tok.encode_batch(sorted(texts), add_special_tokens=False):
            used.update(e.ids)
    return used


def kept(tok, used, most):
    """Old ids to keep, in order: special tokens, ASCII characters, and of the rest those used most.

    Of what is never used, [unused] goes first.
    """
    vocab = tok.get_vocab()
    always = {t: i for t, i in vocab.items() if t in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]") or len(t.removeprefix("##")) == 1 and t.isascii()}
    rest = sorted((i for t, i in vocab.items() if t not in always and not t.startswith("[unused")), key=lambda i: (-used[i], i))
    return sorted([*always.values(), *rest[: most - len(always)]])


def trimmed(tok, ids):
    """(tokenizer.json as a text, old ids) of a tokenizer with these ids alone."""
    new = {old: i for i, old in enumerate(ids)}
    data = json.loads(tok.to_str())
    data["model"]["vocab"] = {t: new[i] for t, i in sorted(data["model"]["vocab"].items(), key=lambda x: x[1]) if i in new}
    for token in data["added_tokens"]:
        token["id"] = new[token["id"]]
    for special in (data.get("post_processor") or {}).get("special_tokens", {}).values():
        special["ids"] = [new[i] for i in special["ids"]]
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))
