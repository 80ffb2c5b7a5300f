"""Where training starts: word vectors from counts, and a few attention heads wired by hand.

Random weights of this size stay at chance for most of an hour on two cores. So three things
that every task needs are put in place and then trained on like all the rest:

  layer 0  each token learns whether it stands before or after the first </s>; it also sees its neighbours
  layer 1  each token looks for a like word on the other side, and <s> catches those that find none
  layer 2  <s> collects how many of the response's words found one
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

# Places in the hidden vector that the wiring uses; words take the rest.
RAMP, ROUND, FLAG, FLAG_, SEP_AT, SIDE, MATCH, SUM, WAVES, WORDS = 0, 1, 2, 9, 3, 4, 5, 8, 10, 22


def spellings(tok):
    """For every token the number of its word: 'Paris', ' Paris' and ' paris' share one."""
    number, out = {}, []
    for i in range(tok.get_vocab_size()):
        s = tok.decode([i], skip_special_tokens=False).strip().lower() or tok.id_to_token(i)
        out.append(number.setdefault(s, len(number)))
    return np.array(out), len(number)


def affinity(data, word_of, n):
    """How much oftener two words stand on both sides of a right pair than of a wrong one (log odds)."""
    ids, pair_at, labels, _ = data
    counts = [np.zeros(n * n, np.float32), np.zeros(n * n, np.float32)]
    cells = [[], []]

    def flush(k):
        if cells[k]:
            counts[k] += np.bincount(np.concatenate(cells[k]), minlength=n * n).astype(np.float32)
            cells[k].clear()

    for p in range(min(len(labels), 120_000)):
        if 0.0 < labels[p] < 1.0:
            continue
        x = ids[pair_at[p] : pair_at[p + 1]]
        cut = int(np.argmax(x == 2))
        a, b = np.unique(word_of[x[1:cut]]), np.unique(word_of[x[cut + 2 : -1]])
        k = int(labels[p] == 1.0)
        cells[k].append((a[:, None] * n + b[None, :]).ravel())
        if len(cells[k]) > 20_000:
            flush(k)
    flush(0)
    flush(1)
    ratio = counts[1].sum() / counts[0].sum()
    m = (np.log(counts[1] + 1.0) - np.log(counts[0] * ratio + 1.0)).reshape(n, n)
    return np.maximum(m + m.T, 0.0)


def word_vectors(data, tok, width, seed):
    """Unit vectors whose products follow `affinity`; spellings of one word are alike most of all."""
    word_of, n = spellings(tok)
    m = affinity(data, word_of, n)
    m[np.arange(n), np.arange(n)] = m.max()
    m = torch.from_numpy(m)
    g = torch.Generator().manual_seed(seed)
    q = torch.linalg.qr(torch.randn(n, width + 16, generator=g))[0]
    for _ in range(6):
        q = torch.linalg.qr(m @ q)[0]
    value, vector = torch.linalg.eigh(q.T @ m @ q)
    e = (q @ vector[:, -width:]) * value[-width:].clamp(min=0).sqrt()
    e = F.normalize(e, dim=1) + 0.4 * F.normalize(torch.randn(n, width, generator=g), dim=1)
    e = e[torch.from_numpy(word_of)]
    e = e + 0.15 * torch.randn(e.shape, generator=g) / math.sqrt(width)
    return F.normalize(e - e.mean(1, keepdim=True), dim=1)


def positions(count, width, g):
    """A ramp on an arc (its length never changes) and six waves, so that near places are alike."""
    p = torch.arange(count).float()
    out = torch.zeros(count, width)
    ramp = 2 * 2.9 * torch.log1p(p / 16) / math.log1p(count / 16) - 2.9
    out[:, RAMP], out[:, ROUND] = ramp, (9.0 - ramp**2).sqrt()
    for k, period in enumerate((5, 8, 14, 26, 50, 100)):
        out[:, WAVES + 2 * k] = torch.sin(2 * math.pi * p / period)
        out[:, WAVES + 2 * k + 1] = torch.cos(2 * math.pi * p / period)
    return out + 0.01 * torch.randn(out.shape, generator=g)


@torch.no_grad()
def start_weights(model, tok, seed, data):
    g = torch.Generator().manual_seed(seed)
    c = model.config
    d, size, root = c.hidden_size, 32, math.sqrt(32)
    words = d - WORDS
    emb = model.roberta.embeddings
    table = emb.word_embeddings.weight
    table.zero_()
    table[:, WORDS:] = 9 * word_vectors(data, tok, words, seed)
    for token, sign in ((0, -1.0), (2, 1.0)):
        table[token, WORDS:] *= 0.7
        table[token, FLAG], table[token, FLAG_] = 4.5 * sign, -4.5 * sign
    table[1] = 0
    emb.position_embeddings.weight.copy_(positions(c.max_position_embeddings, d, g))
    emb.token_type_embeddings.weight.zero_()
    for layer in model.roberta.encoder.layer:
        a, o, up, down = layer.attention.self, layer.attention.output.dense, layer.intermediate.dense, layer.output.dense
        for w in (a.query.weight, a.key.weight, a.value.weight, up.weight):
            w.normal_(0, 1 / math.sqrt(d), generator=g)
        a.key.weight[: d // 2] = a.query.weight[: d // 2]
        o.weight.normal_(0, 0.3 / math.sqrt(d), generator=g)
        down.weight.normal_(0, 0.3 / math.sqrt(c.intermediate_size), generator=g)
        for w in (a.query, a.key, a.value, o, up, down):
            w.bias.zero_()
        o.weight[:WORDS] = 0
        down.weight[:WORDS] = 0

    def head(layer, h):
        """The rows of one head: query, key, value, and the columns of the output that read it."""
        a, rows = layer.attention.self, slice(h * size, (h + 1) * size)
        for w in (a.query, a.key, a.value):
            w.weight[rows] = 0
        return a, h * size, layer.attention.output.dense

    first, second, third = model.roberta.encoder.layer[:3]
    a, at, o = head(first, 0)  # where is the first </s>?
    a.query.bias[at] = 1.0
    a.key.weight[at, FLAG], a.key.weight[at, FLAG_] = 6.5 * root, -6.5 * root
    a.key.weight[at, RAMP] = -10 * root
    a.value.weight[at, RAMP] = 1.0
    o.weight[:, at : at + size] = 0
    o.weight[SEP_AT, at] = 1.0
    a, at, o = head(first, 1)  # neighbours
    for k in range(12):
        a.query.weight[at + k, WAVES + k] = a.key.weight[at + k, WAVES + k] = 2.0
    a.value.weight[at : at + size, WORDS:] = torch.randn(size, words, generator=g) / math.sqrt(words)
    up, down = first.intermediate.dense, first.output.dense  # am I after it?
    up.weight[:2] = 0
    up.weight[:2, RAMP], up.weight[:2, SEP_AT] = 25.0, -25.0
    up.bias[0], up.bias[1] = 0.5, -0.5
    down.weight[:, :2] = 0
    down.weight[SIDE, 0], down.weight[SIDE, 1], down.bias[SIDE] = 5.0, -5.0, -2.5
    for h in range(3):  # like words on the other side
        a, at, o = head(second, h)
        look = torch.linalg.qr(torch.randn(words, 29, generator=g))[0].T
        a.query.weight[at : at + 29, WORDS:] = a.key.weight[at : at + 29, WORDS:] = 1.4 * look
        a.value.weight[at : at + 29, WORDS:] = look
        a.query.weight[at + 29, SIDE], a.key.weight[at + 29, SIDE] = 3.0, -3.0
        a.query.bias[at + 30] = 1.0
        a.key.weight[at + 30, FLAG], a.key.weight[at + 30, FLAG_] = -0.35 * root, 0.35 * root
        a.value.bias[at + 30] = 1.0
        a.value.weight[at + 30, FLAG], a.value.weight[at + 30, FLAG_] = 0.1, -0.1
        o.weight[MATCH + h, at + 30], o.bias[MATCH + h] = 3.0, -1.5
    a, at, o = head(third, 0)  # how many found one?
    a.query.bias[at] = 1.0
    a.key.weight[at, SIDE] = 1.5 * root
    for k in range(3):
        a.value.weight[at + k, MATCH + k] = 1.0
        o.weight[SUM, at + k] = 1.0
    head_ = model.classifier
    head_.dense.weight.normal_(0, 0.5 / math.sqrt(d), generator=g)
    head_.dense.bias.zero_()
    head_.dense.weight[0] = 0
    head_.dense.weight[0, SUM] = 0.4
    head_.out_proj.weight.normal_(0, 0.1 / math.sqrt(d), generator=g)
    head_.out_proj.weight[0, 0] = 0.4
    head_.out_proj.bias.fill_(0.35)


def pinned(model):
    """The parts of the wiring that stay as they are: where a token stands must be exact to be of use."""
    emb, first = model.roberta.embeddings, model.roberta.encoder.layer[0]
    a, out, up = first.attention.self, first.attention.output, first.intermediate.dense
    every, words, head, two = slice(None), slice(WORDS), slice(32), slice(2)
    pins = [(emb.position_embeddings.weight, every), (emb.token_type_embeddings.weight, every),
            (emb.word_embeddings.weight, (every, words)), (up.weight, two), (up.bias, two)]
    pins += [(p, words) for p in (emb.LayerNorm.weight, emb.LayerNorm.bias, out.dense.weight, out.dense.bias,
                                  out.LayerNorm.weight, out.LayerNorm.bias)]
    return pins + [(p, head) for w in (a.query, a.key, a.value) for p in (w.weight, w.bias)]
