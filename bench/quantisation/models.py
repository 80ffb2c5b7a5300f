"""The models of the study, with a forward pass that can be watched, and their groups of pairs.

The forward pass is transformers' RobertaForSequenceClassification in f32 on the CPU (`check` holds
it to the goldens' scores), written out so that the inputs of every matrix can be collected and
the last layer computed for <s> alone, as the crate does. Batches hold pairs of one length, so that
nothing is padded.
"""

import json
import random
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from tokenizers import Tokenizer

ROOT = Path(__file__).resolve().parents[2]
MINI = ROOT / "models" / "cappy-mini"
GOLDEN = ROOT / "tests" / "golden"
sys.path[:0] = [str(GOLDEN), str(MINI)]

import random_weights  # noqa: E402
import texts  # noqa: E402

BATCH_TOKENS = 4096


class Model:
    """Weights by their names in the state dict, without the prefix `roberta.`."""

    def __init__(self, config, weights, tokenizer):
        self.layers = config["num_hidden_layers"]
        self.heads = config["num_attention_heads"]
        self.eps = config["layer_norm_eps"]
        self.pad = config["pad_token_id"]
        self.weights = weights
        self.tokenizer = tokenizer
        self.outputs = None

    def encode(self, pairs):
        """The pairs' ids, as (indices, ids [pairs, tokens]) of one length each."""
        by_length = {}
        for i, e in enumerate(self.tokenizer.encode_batch(pairs)):
            by_length.setdefault(len(e.ids), []).append((i, e.ids))
        batches = []
        for length in sorted(by_length):
            rows = by_length[length]
            size = max(1, BATCH_TOKENS // length)
            for at in range(0, len(rows), size):
                part = rows[at : at + size]
                batches.append((torch.tensor([i for i, _ in part]), torch.tensor([ids for _, ids in part])))
        return batches

    def scores(self, batches, weights=None, watch=None):
        """The logit of every pair; `watch(name, x)` sees what each matrix reads."""
        weights = weights or self.weights
        out = torch.empty(sum(len(i) for i, _ in batches))
        with torch.inference_mode():
            for index, ids in batches:
                x = self.embed(weights, ids)
                for layer in range(self.layers):
                    x = self.layer(weights, layer, x, watch)
                out[index] = self.head(weights, x, watch)
        return out

    def embed(self, w, ids):
        e = "embeddings."
        at = torch.arange(ids.shape[1]) + self.pad + 1
        assert not (ids == self.pad).any()
        x = w[e + "word_embeddings.weight"][ids] + w[e + "position_embeddings.weight"][at]
        return self.norm(w, e + "LayerNorm", x + w[e + "token_type_embeddings.weight"][0])

    def norm(self, w, name, x):
        return F.layer_norm(x, x.shape[-1:], w[name + ".weight"], w[name + ".bias"], self.eps)

    def dense(self, w, name, x, watch):
        if watch:
            watch(name + ".weight", x)
        y = F.linear(x, w[name + ".weight"], w[name + ".bias"])
        if self.outputs is not None:
            y.retain_grad()
            self.outputs[name + ".weight"] = y
        return y

    def layer(self, w, layer, x, watch=None):
        n = f"encoder.layer.{layer}."
        rows = x[:, :1] if layer == self.layers - 1 else x

        def heads(y):
            return y.unflatten(-1, (self.heads, -1)).transpose(1, 2)

        q = heads(self.dense(w, n + "attention.self.query", rows, watch))
        k = heads(self.dense(w, n + "attention.self.key", x, watch))
        v = heads(self.dense(w, n + "attention.self.value", x, watch))
        context = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(-2)
        x = self.norm(w, n + "attention.output.LayerNorm", rows + self.dense(w, n + "attention.output.dense", context, watch))
        inner = F.gelu(self.dense(w, n + "intermediate.dense", x, watch))
        return self.norm(w, n + "output.LayerNorm", x + self.dense(w, n + "output.dense", inner, watch))

    def head(self, w, x, watch=None):
        x = torch.tanh(self.dense(w, "classifier.dense", x[:, :1], watch))
        return self.dense(w, "classifier.out_proj", x, watch)[:, 0, 0]


def mini():
    """cappy-mini, a trained model."""
    config = json.loads((MINI / "config.json").read_text())
    state = {n.removeprefix("roberta."): t.float() for n, t in load_file(MINI / "model.safetensors").items()}
    tokenizer = Tokenizer.from_file(str(MINI / "tokenizer.json"))
    tokenizer.enable_truncation(256, strategy="longest_first")
    return Model(config, state, tokenizer)


def random_model(hidden, heads, ffn, layers, seed, profile):
    """A model by the recipe of tests/golden/random_weights.py."""
    import make_golden

    config = make_golden.shape(hidden, heads, ffn, layers)
    state = make_golden.random_model(config, seed, profile).state_dict()
    state = {n.removeprefix("roberta."): t for n, t in state.items()}
    tokenizer = Tokenizer.from_file(str(GOLDEN / "tokenizer.json"))
    tokenizer.enable_truncation(512, strategy="longest_first")
    return Model(config, state, tokenizer)


def mini_groups(count, seed, split):
    """Pairs in groups of 16: an instruction, its own candidates, and answers to other ones."""
    from tasks import OFF_TOPIC, Sampler

    sampler = Sampler(seed, split, OFF_TOPIC)
    names = sorted(__import__("tasks").FAMILIES)
    for name in names:
        sampler.instance(name)
    pairs = []
    for group in range(count):
        x = sampler.instance(names[group % len(names)])
        candidates = dict.fromkeys([sampler.r.choice(x.refs), *x.wrong[:9]])
        while len(candidates) < 16:
            candidates[sampler.mismatch(x)] = None
        candidates = list(candidates)
        sampler.r.shuffle(candidates)
        pairs += [(x.instruction, c) for c in candidates]
    return pairs


def text_groups(count, seed):
    """Pairs in groups of 16 made from the goldens' words."""
    dice = texts.Dice(seed)
    pairs = []
    for _ in range(count):
        instruction = texts.prose(dice, 3 + dice.below(8))
        candidates = {}
        while len(candidates) < 16:
            candidates[texts.prose(dice, 1 + dice.below(8))] = None
        pairs += [(instruction, c) for c in candidates]
    return pairs


def check(model, name):
    """Fails where the forward pass does not give the scores of tests/golden/models/`name`.json."""
    pairs = json.loads((GOLDEN / "pairs.json").read_text())["pairs"]
    pairs = [(p["instruction"], p["response"]) for p in pairs]
    keep = [i for i, p in enumerate(pairs) if "<pad>" not in p[0] + p[1]]
    wanted = json.loads((GOLDEN / "models" / f"{name}.json").read_text())["scores"]
    got = model.scores(model.encode([pairs[i] for i in keep]))
    error = (got - torch.tensor([wanted[i][0] for i in keep])).abs().max().item()
    assert error <= 1e-5, f"{name} is off by {error}"


class Case:
    """A model with its test pairs, calibration pairs and the scores to keep."""

    def __init__(self, name, model, test, calibration):
        self.name = name
        self.model = model
        self.test = model.encode(test)
        self.calibration = model.encode(calibration)
        assert not set(test) & set(calibration)
        self.wanted = model.scores(self.test)

    def token_weights(self):
        """For every matrix, the squared gradient of the score at each token's output, by batch."""
        model, found = self.model, {}
        for _, ids in self.calibration:
            model.outputs = {}
            x = model.embed(model.weights, ids).requires_grad_()
            for layer in range(model.layers):
                x = model.layer(model.weights, layer, x)
            model.head(model.weights, x).sum().backward()
            for name, y in model.outputs.items():
                found.setdefault(name, []).append(y.grad.square().sum(-1))
        model.outputs = None
        return found

    def compare(self, weights):
        """How far the scores of `weights` are from the model's own."""
        got = self.model.scores(self.test, weights).double()
        want = self.wanted.double()
        top = want.view(-1, 16).argmax(1) == got.view(-1, 16).argmax(1)
        error = (got - want).abs() / want.std()
        return {
            "correlation": torch.corrcoef(torch.stack([want, got]))[0, 1].item(),
            "top1": top.double().mean().item(),
            "mean": error.mean().item(),
            "max": error.max().item(),
        }


def cases(names, groups, calibration_groups=40):
    """The cases by name."""
    made = []
    for name in names:
        if name == "mini":
            test, calibration = mini_groups(groups, 1, "instances"), mini_groups(calibration_groups, 2, "train")
            model = mini()
            check(model, "cappy-mini")
        else:
            shape = {
                "outliers-384": (384, 6, 1536, 2, 9, "outliers"),
                "outliers-768": (768, 12, 3072, 4, 9, "outliers"),
                "plain-384": (384, 6, 1536, 2, 9, "plain"),
            }[name]
            test, calibration = text_groups(groups, 11), text_groups(calibration_groups, 12)
            model = random_model(*shape)
            if name == "outliers-384":
                check(model, "outliers")
        seen = set(test)
        made.append(Case(name, model, test, [p for p in calibration if p not in seen]))
    return made
