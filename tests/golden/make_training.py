"""Makes training*.json: PyTorch's own training runs, to compare ours with.

    pip install torch transformers numpy tokenizers
    python tests/golden/make_training.py
    python tests/golden/make_training.py --only training-bert.json

A tiny random model learns random labels for 50 steps at each depth, in f32 on the CPU: MSE, AdamW,
linear schedule with warm-up, gradients of two batches summed up, their norm limited. Nothing is
random on the way: no dropout, and the pairs of every step are in the file. LoRA is written out by hand: W + alpha /
rank * B A, where A begins with the numbers of `uniform` below and B with zeros.

training.json and training-bert.json have such runs of RoBERTa and of BERT, training-modernbert.json and
training-modernbert-mean.json of two ModernBERTs. Those with "texts" in their
names are the same with a tokenizer and eight texts, each of which is in every step, so that their order
means nothing.
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForSequenceClassification

import random_weights

HERE = Path(__file__).resolve().parent
STEPS, WARMUP, PAIRS, STEP_PAIRS = 50, 5, 24, 8
NORM = 1.0
OUT_SCALE = 0.25
RANK, ALPHA, LORA_SEED = 3, 6.0, 11
RATES = {"head": 2e-3, "lora": 2e-3, "full": 2e-4}
ADAMW = {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0}
SHAPE = {
    "architectures": ["RobertaForSequenceClassification"], "model_type": "roberta",
    "vocab_size": 120, "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 100, "hidden_act": "gelu", "max_position_embeddings": 40,
    "type_vocab_size": 1, "layer_norm_eps": 1e-5, "bos_token_id": 0, "pad_token_id": 1,
    "eos_token_id": 2, "id2label": {"0": "LABEL_0"},
}
BERT_SHAPE = {
    **{field: value for field, value in SHAPE.items() if field not in ("bos_token_id", "eos_token_id")},
    "architectures": ["BertForSequenceClassification"], "model_type": "bert",
    "type_vocab_size": 2, "layer_norm_eps": 1e-12, "pad_token_id": 0,
}
# Four layers, of which two see all tokens and two their four neighbours on either side. The head reads the first
# token, or the mean of all.
MODERNBERT_SHAPE = {
    "architectures": ["ModernBertForSequenceClassification"], "model_type": "modernbert",
    "vocab_size": 120, "hidden_size": 48, "num_hidden_layers": 4, "num_attention_heads": 4,
    "intermediate_size": 68, "max_position_embeddings": 40, "pad_token_id": 1, "cls_token_id": 0, "bos_token_id": 0,
    "sep_token_id": 2, "eos_token_id": 2, "local_attention": 8, "global_attn_every_n_layers": 3,
    "classifier_pooling": "cls", "id2label": {"0": "LABEL_0"},
}
# With every bias that there can be, and another activation in the layers. (With ReLU in the head scores lie at its
# kink, where rounding decides which way a step goes.)
MODERNBERT_MEAN_SHAPE = {
    **MODERNBERT_SHAPE, "num_hidden_layers": 3, "global_attn_every_n_layers": 2, "classifier_pooling": "mean",
    "attention_bias": True, "mlp_bias": True, "norm_bias": True, "classifier_bias": True,
    "hidden_activation": "gelu_pytorch_tanh", "classifier_activation": "gelu",
}
MATRICES = ["attention.self.query", "attention.self.key", "attention.self.value",
            "attention.output.dense", "intermediate.dense", "output.dense"]
MODERNBERT_MATRICES = ["attn.Wqkv", "attn.Wo", "mlp.Wi", "mlp.Wo"]
HEADS = ("classifier.", "bert.pooler.", "head.")


def uniform(seed, name, count, size):
    """SplitMix64 begun with the FNV-1a hash of a name: numbers from -size to size."""
    mask = (1 << 64) - 1
    state = 0xCBF29CE484222325 ^ seed
    for byte in name.encode():
        state = ((state ^ byte) * 0x100000001B3) & mask
    numbers = []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        numbers.append(np.float32(((z ^ (z >> 31)) >> 40) / (1 << 23) - 1) * np.float32(size))
    return torch.tensor(np.array(numbers, dtype=np.float32))


class Lora(torch.nn.Module):
    """A matrix that stays, and what is added to it."""

    def __init__(self, linear, name):
        super().__init__()
        self.linear = linear
        outputs, inputs = linear.weight.shape
        a = uniform(LORA_SEED, name, RANK * inputs, 1 / math.sqrt(inputs))
        self.a = torch.nn.Parameter(a.reshape(RANK, inputs))
        self.b = torch.nn.Parameter(torch.zeros(outputs, RANK))

    def forward(self, x):
        return self.linear(x) + ALPHA / RANK * (x @ self.a.T) @ self.b.T


def is_bert(shape):
    return shape["model_type"] == "bert"


def is_modernbert(shape):
    return shape["model_type"] == "modernbert"


def layers_of(scorer):
    """The layers, what their names begin with, and their matrices."""
    prefix = scorer.base_model_prefix
    encoder = getattr(scorer, prefix)
    if is_modernbert(scorer.config.to_dict()):
        return encoder.layers, f"{prefix}.layers", MODERNBERT_MATRICES
    return encoder.encoder.layer, f"{prefix}.encoder.layer", MATRICES


def model(shape=SHAPE):
    # ModernBERT's own dropouts are zero by default.
    dropout = {} if is_modernbert(shape) else {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config = AutoConfig.for_model(**shape, num_labels=1, classifier_dropout=0.0, **dropout)
    scorer = AutoModelForSequenceClassification.from_config(config, attn_implementation="eager")
    for name, value in scorer.named_parameters():
        value.data = torch.tensor(random_weights.tensor(name, tuple(value.shape), 5))
    # Scores that differ by some tenths, as Cappy's do. By themselves they would differ by more than one.
    last = getattr(scorer.classifier, "out_proj", scorer.classifier)
    last.weight.data *= OUT_SCALE
    return scorer.train()


def data(shape=SHAPE):
    rng = np.random.default_rng(3)
    pairs = []
    for _ in range(PAIRS):
        ids = rng.integers(3, shape["vocab_size"], int(rng.integers(4, 31))).tolist()
        pairs.append({"ids": ids, "label": round(float(rng.random()), 3)})
        if is_bert(shape):
            # Of lengths that differ, so that the token types have gradients of their own.
            first = len(ids) // 2 + len(pairs) % 2
            pairs[-1]["types"] = [0] * first + [1] * (len(ids) - first)
    # A token equal to the padding in the middle of a text: RoBERTa has a position for it.
    pairs[3]["ids"][2] = shape["pad_token_id"]
    return pairs


def positions(ids, shape):
    if is_bert(shape) or is_modernbert(shape):
        return list(range(len(ids)))
    at, out = 1, []
    for token in ids:
        at += token != 1
        out.append(at if token != 1 else 1)
    return out


def score(scorer, pair):
    ids = torch.tensor([pair["ids"]])
    at = torch.tensor([positions(pair["ids"], scorer.config.to_dict())])
    types = torch.tensor([pair["types"]]) if "types" in pair else None
    ones = torch.ones_like(ids)
    if is_modernbert(scorer.config.to_dict()):
        return scorer(input_ids=ids, position_ids=at, attention_mask=ones).logits[0, 0]
    return scorer(input_ids=ids, position_ids=at, attention_mask=ones, token_type_ids=types).logits[0, 0]


def run(depth, pairs, scorer, learning_rate, step_pairs):
    layers, prefix, matrices = layers_of(scorer)
    if depth != "full":
        for name, value in scorer.named_parameters():
            value.requires_grad_(name.startswith(HEADS))
    if depth == "lora":
        for index, layer in enumerate(layers):
            for path in matrices:
                parent, last = layer.get_submodule(path.rpartition(".")[0]), path.rpartition(".")[2]
                name = f"{prefix}.{index}.{path}"
                setattr(parent, last, Lora(getattr(parent, last), name))
    trained = [value for value in scorer.parameters() if value.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=learning_rate, **ADAMW)
    losses, norms = [], []
    before = [score(scorer, pair).item() for pair in pairs]
    for step in range(STEPS):
        # Warm-up from the first step on, then down to zero after the last one.
        rate = (step + 1) / WARMUP if step < WARMUP else (STEPS - step) / (STEPS - WARMUP)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * rate
        chosen = [pairs[(step * step_pairs + i) % len(pairs)] for i in range(step_pairs)]
        loss = sum((score(scorer, pair) - pair["label"]) ** 2 for pair in chosen) / step_pairs
        optimizer.zero_grad()
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(trained, NORM).item())
        optimizer.step()
        losses.append(loss.item())
    after = [score(scorer, pair).item() for pair in pairs]
    print(depth, "loss", losses[0], "to", losses[-1], "norms", min(norms), max(norms))
    rounded = lambda values: [float(f"{value:.7g}") for value in values]
    return {"learning_rate": learning_rate, "before": rounded(before), "losses": rounded(losses),
            "norms": rounded(norms), "after": rounded(after)}


def runs(shape, rates=RATES):
    torch.manual_seed(0)
    pairs = data(shape)
    return {
        "version": 1,
        "how": "made by tests/golden/make_training.py, which says how to remake it",
        "torch": torch.__version__.split("+")[0], "transformers": transformers.__version__,
        "config": shape, "weights_seed": 5, "out_scale": OUT_SCALE, "warmup": WARMUP, "step_pairs": STEP_PAIRS,
        "norm": NORM, "rank": RANK, "alpha": ALPHA, "lora_seed": LORA_SEED,
        "pairs": [{**pair, "positions": positions(pair["ids"], shape)} for pair in pairs],
        "runs": {depth: run(depth, pairs, model(shape), rate, STEP_PAIRS)
                 for depth, rate in rates.items()},
    }


TEXTS_SHAPE = {**SHAPE, "vocab_size": 2048, "max_position_embeddings": 66}
BERT_TEXTS_SHAPE = {**BERT_SHAPE, "vocab_size": 1200, "max_position_embeddings": 64}
MODERNBERT_TEXTS_SHAPE = {
    **MODERNBERT_SHAPE, "vocab_size": 1500, "max_position_embeddings": 64, "local_attention": 16, "pad_token_id": 0,
}
XLM_TEXTS_SHAPE = {
    **TEXTS_SHAPE, "vocab_size": 1300,
    "architectures": ["XLMRobertaForSequenceClassification"], "model_type": "xlm-roberta",
}
TEXTS_RATE = 2e-4
TEXTS = [
    ("Shout the word: door", "DOOR!", 1.0), ("Shout the word: door", "door", 0.0),
    ("Shout the word: window", "WINDOW!", 1.0), ("Shout the word: window", "DOOR!", 0.0),
    ("Whisper the word: garden", "(garden)", 1.0), ("Whisper the word: garden", "GARDEN!", 0.0),
    ("Whisper the word: table", "(table)", 1.0), ("Whisper the word: table", "a table", 0.5),
]


def texts(shape, file, others=()):
    tokenizer = Tokenizer.from_file(str(HERE / file))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    pairs = []
    for instruction, response, label in TEXTS:
        encoded = tokenizer.encode(instruction, response)
        pairs.append({"ids": encoded.ids, "label": label})
        if is_bert(shape):
            pairs[-1]["types"] = encoded.type_ids
    assert max(len(pair["ids"]) for pair in pairs) <= 64
    golden = run("full", pairs, model(shape), TEXTS_RATE, len(pairs))
    if others:
        golden["runs"] = {depth: run(depth, pairs, model(shape), RATES[depth], len(pairs)) for depth in others}
        golden |= {"rank": RANK, "alpha": ALPHA, "lora_seed": LORA_SEED}
    names = ("instruction", "response", "label")
    return {
        "version": 1,
        "how": "made by tests/golden/make_training.py, which says how to remake it",
        "config": shape, "weights_seed": 5, "out_scale": OUT_SCALE, "tokenizer": file,
        "settings": {"depth": "full", "learning_rate": TEXTS_RATE, "warm_up": WARMUP / STEPS,
                     "batch": len(pairs), "most_norm": NORM, "size": STEPS * len(pairs), "held_out": 0},
        "examples": [dict(zip(names, text)) for text in TEXTS],
        **golden,
    }


BERT_TOKENIZER = "tokenizers/bert-uncased.json"
MODERNBERT_TOKENIZER = "tokenizers/modernbert.json"

# What each file has, and whether it is written for people.
FILES = {
    "training.json": (lambda: runs(SHAPE), False),
    "training-texts.json": (lambda: texts(TEXTS_SHAPE, "tokenizer.json"), True),
    "training-bert.json": (lambda: runs(BERT_SHAPE), False),
    "training-modernbert.json": (lambda: runs(MODERNBERT_SHAPE), False),
    "training-modernbert-mean.json": (lambda: runs(MODERNBERT_MEAN_SHAPE), False),
    "training-modernbert-texts.json": (
        lambda: texts(MODERNBERT_TEXTS_SHAPE, MODERNBERT_TOKENIZER, ("head", "lora")), True
    ),
    "training-bert-texts.json": (lambda: texts(BERT_TEXTS_SHAPE, BERT_TOKENIZER, ("head", "lora")), True),
    "training-xlm-roberta-texts.json": (lambda: texts(XLM_TEXTS_SHAPE, "tokenizers/xlm-roberta.json"), True),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=FILES)
    only = parser.parse_args().only
    for name, (make, for_people) in FILES.items():
        if only in (None, name):
            how = {"indent": 1} if for_people else {"separators": (",", ":")}
            (HERE / name).write_text(json.dumps(make(), **how) + "\n")


if __name__ == "__main__":
    main()
