"""Writes the shipped form: q4 layers and word table, without the tokens that BERT never used.

    python export.py MODEL OUT [--layers q4] [--table q4] [--words N]

MODEL is a folder of f32 weights (best trained with --round), OUT gets model.safetensors as docs/quantisation.md lays it
down, config.json and tokenizer.json. Prints the bytes. evaluate.py reads OUT, too.
"""

import argparse
import json
import os
import shutil

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from model import load_model, load_tokenizer
from quantise import best_scales, nearest, plan, round_model, split
from vocabulary import count, kept, trimmed


def packed(w, form, block):
    """(integers as stored, scales): q4 two in a byte, the first in the lower bits."""
    scales = best_scales(w, form, block)
    n = nearest(split(w, block), scales, form).reshape(w.shape).to(torch.int16)
    if form == "q4":
        low, high = n[:, 0::2] & 15, n[:, 1::2] & 15
        stored = (low | high << 4).to(torch.uint8)
    else:
        stored = n.to(torch.int8)
    return stored.contiguous(), scales.reshape(w.shape[0], -1).to(torch.float16)


def unpacked(stored, scales):
    """The weights as f32 that a file's matrix stands for."""
    if stored.dtype == torch.uint8:
        both = torch.stack([stored & 15, stored >> 4], -1).reshape(stored.shape[0], -1).to(torch.int16)
        n = torch.where(both > 7, both - 16, both).float()
    else:
        n = stored.float()
    return (n.reshape(n.shape[0], scales.shape[1], -1) * scales.float()[..., None]).reshape(n.shape)


def read_back(folder):
    """The model of an exported folder in f32: what its file stands for, to the bit."""
    model = load_model()
    state = load_file(os.path.join(folder, "model.safetensors"))
    full = {n: unpacked(w, state[n + ".scales"]) if n + ".scales" in state else w.float() for n, w in state.items() if not n.endswith(".scales")}
    model.resize_token_embeddings(full["bert.embeddings.word_embeddings.weight"].shape[0], mean_resizing=False)
    model.load_state_dict(full, strict=False)
    return model.eval()


def export(source, out, layers="q4", table="q4", words=0):
    os.makedirs(out, exist_ok=True)
    model, tok = load_model(source), load_tokenizer(source)
    tok.no_truncation()
    if words:
        ids = kept(tok, count(tok), words)
    else:
        ids = [i for t, i in sorted(tok.get_vocab().items(), key=lambda x: x[1]) if not t.startswith("[unused")]
    text = trimmed(tok, ids)
    state, how = {}, plan(model, layers=layers, table=table)
    for name, w in model.state_dict().items():
        if "position_ids" in name:
            continue
        w = w[ids] if "word_embeddings" in name else w
        if name in how:
            state[name], state[name + ".scales"] = packed(w, *how[name])
        else:
            state[name] = w.to(torch.float16).contiguous()
    save_file(state, os.path.join(out, "model.safetensors"), metadata={"format": "pt"})
    with open(os.path.join(out, "tokenizer.json"), "w", encoding="utf-8") as f:
        f.write(text)
    with open(os.path.join(source, "config.json"), encoding="utf-8") as f:
        config = json.load(f)
    config["vocab_size"], config["pad_token_id"] = len(ids), Tokenizer.from_str(text).token_to_id("[PAD]")
    with open(os.path.join(out, "config.json"), "w", encoding="utf-8") as f:
        json.dump(config, f, indent=2)
        f.write("\n")
    shutil.copyfile(os.path.join(source, "tokenizer_config.json"), os.path.join(out, "tokenizer_config.json"))
    for name in sorted(os.listdir(out)):
        print(f"{name}: {os.path.getsize(os.path.join(out, name)):,} bytes")
    # The file must stand for exactly what rounding in training gave.
    again = read_back(out)
    round_model(model, how)
    for (name, a), b in zip(again.named_parameters(), model.parameters()):
        b = b[ids] if "word_embeddings" in name else b
        assert torch.equal(a, b if name in how else b.half().float()), name


def main():
    p = argparse.ArgumentParser()
    p.add_argument("model")
    p.add_argument("out")
    p.add_argument("--layers", choices=["f16", "q8", "q4"], default="q4")
    p.add_argument("--table", choices=["f16", "q8", "q4"], default="q4")
    p.add_argument("--words", type=int, default=0, help="keep so many tokens; 0: all but the [unused]")
    args = p.parse_args()
    torch.set_num_threads(1)
    export(args.model, args.out, args.layers, args.table, args.words)


if __name__ == "__main__":
    main()
