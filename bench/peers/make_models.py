"""Makes what `npm run bench:peers` measures with: models of random weights, texts, expected scores.

    pip install -r bench/peers/requirements.txt
    python bench/peers/make_models.py [--shapes mini,base,large,ettin-17m,ettin-68m]

Writes to target/peers/
    workloads-FAMILY.json     the texts, and their ids for those who take ids, by the family's tokenizer
    SHAPE/model/              the checkpoint that we load; the others have the same weights
    SHAPE/model-q8/           the same with its weights rounded by `cappy convert`, and model-q4
    SHAPE/plain-fp32.onnx     and fused-fp32, plain-fp16, fused-fp16: see graphs.py and modernbert.py
    SHAPE/plain-q8.onnx       weights and activations of matmuls in 8 bits
    SHAPE/expected.json       onnxruntime's fp32 scores of every workload, on the CPU
    SHAPE/expected-q8.json    the same of the weights in model-q8, and -q4 of those in model-q4

The fp32 graphs hold the checkpoint's f16 numbers, so that all compute the same function. A file
that is there already is kept; delete the folder to make everything anew.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import QuantType, quantize_dynamic
from safetensors.numpy import load_file
from tokenizers import Tokenizer

import graphs
import modernbert
import workloads

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "target" / "peers"
TOKENIZERS = {
    "roberta": ROOT / "models" / "cappy-mini" / "tokenizer.json",
    "modernbert": ROOT / "tests" / "golden" / "tokenizers" / "modernbert.json",
}
# The graphs of a family.
GRAPHS = {"roberta": graphs, "modernbert": modernbert}
SEED = 1
# Family, layers, width, heads and words, as `Shape` in src/bench/shape.rs has them.
SHAPES = {
    "mini": ("roberta", 4, 256, 4, 8192),
    "base": ("roberta", 12, 768, 12, 50265),
    "large": ("roberta", 24, 1024, 16, 50265),
    "ettin-17m": ("modernbert", 7, 256, 4, 50368),
    "ettin-68m": ("modernbert", 19, 512, 8, 50368),
}
# Not longer than some minutes on two cores.
EXPECTED = {
    "mini": None,
    "base": ["W1", "W2", "W3", "W4"],
    "large": ["W2", "W4", "S4"],
    "ettin-17m": ["W1", "W2", "W3", "W4", "W5"],
    "ettin-68m": ["W1", "W2", "W3", "W4", "W5"],
}
# What our weights are rounded to.
QUANTISED = ["q8", "q4"]


def config(shape):
    """A config.json."""
    family, layers, hidden, heads, words = SHAPES[shape]
    every = {
        "vocab_size": words, "hidden_size": hidden, "num_hidden_layers": layers,
        "num_attention_heads": heads, "id2label": {"0": "LABEL_0"},
    }
    if family == "modernbert":
        return every | {
            "architectures": ["ModernBertForSequenceClassification"], "model_type": "modernbert",
            "intermediate_size": 3 * hidden // 2, "hidden_activation": "gelu", "max_position_embeddings": 8192,
            "norm_eps": 1e-5, "bos_token_id": 1426, "cls_token_id": 1426, "pad_token_id": 1424,
            "eos_token_id": 1427, "sep_token_id": 1427, "local_attention": 128, "global_attn_every_n_layers": 3,
            "global_rope_theta": 160000.0, "local_rope_theta": 10000.0, "classifier_pooling": "cls",
        }
    return every | {
        "architectures": ["RobertaForSequenceClassification"], "model_type": "roberta",
        "intermediate_size": 4 * hidden, "hidden_act": "gelu",
        "max_position_embeddings": 514, "type_vocab_size": 1, "layer_norm_eps": 1e-5,
        "bos_token_id": 0, "pad_token_id": workloads.PAD, "eos_token_id": 2,
    }


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def cargo_run(*arguments):
    """Runs a program of the crate."""
    subprocess.run(["cargo", "run", "--quiet", "--release", *arguments], cwd=ROOT, check=True)


def make_checkpoint(folder, shape):
    """Random weights in f16, made by the crate itself."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "asked.json").write_text(json.dumps(config(shape)))
    cargo_run("--example", "random_checkpoint", "--",
              folder / "asked.json", str(SEED), "plain", TOKENIZERS[SHAPES[shape][0]], folder, "f16")


def make_graphs(folder, shape):
    """Both graphs in both types, and the quantised one."""
    tensors = None
    of = GRAPHS[SHAPES[shape][0]]
    for build in (of.plain, of.fused):
        for dtype in ("float32", "float16"):
            file = folder / f"{build.__name__}-fp{dtype[-2:]}.onnx"
            if not file.exists():
                tensors = tensors or load_file(folder / "model" / "model.safetensors")
                onnx.save(build(config(shape), tensors, dtype), file)
                say(f"{file.relative_to(ROOT)} {file.stat().st_size / 2**20:.1f} MiB")
    quantised = folder / "plain-q8.onnx"
    # At the large shape few pairs are measured, and only on the GPU.
    if shape != "large" and not quantised.exists():
        quantize_dynamic(folder / "plain-fp32.onnx", quantised, weight_type=QuantType.QInt8)
        say(f"{quantised.relative_to(ROOT)} {quantised.stat().st_size / 2**20:.1f} MiB")


def scores(session, ids, batch=64):
    """The logit of every row."""
    parts = [ids[i:i + batch] for i in range(0, len(ids), batch)]
    return np.concatenate([session.run(["logits"], workloads.feeds(part))[0][:, 0] for part in parts])


def expected_of(session, shape, all_workloads):
    """The scores of every variant of the workloads that the shape is measured at."""
    return {
        name: [scores(session, variant["ids"]).tolist() for variant in workload["variants"]]
        for name, workload in all_workloads.items() if EXPECTED[shape] is None or name in EXPECTED[shape]
    }


def make_quantised(folder, shape, dtype, all_workloads):
    """Our weights rounded, and the scores of what they became.

    A rounded model is to the bit an f16 model, so `convert` writes what its weights are, and
    kernels that read blocks of integers have no excuse to be further off than those that read f16.
    """
    model = folder / f"model-{dtype}"
    if not (model / "model.safetensors").exists():
        cargo_run("--", "convert", folder / "model", model, "--dtype", dtype)
    expected = folder / f"expected-{dtype}.json"
    if expected.exists():
        return
    expanded = folder / f"expanded-{dtype}"
    cargo_run("--", "convert", model, expanded, "--dtype", "f16")
    graph = GRAPHS[SHAPES[shape][0]].fused(config(shape), load_file(expanded / "model.safetensors"), "float32")
    shutil.rmtree(expanded)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    expected.write_text(json.dumps({"scores": expected_of(session, shape, all_workloads)}))
    say(f"{shape}: {expected.name}")


def make_expected(folder, shape, all_workloads):
    """The scores that everybody should get, which both graphs agree on."""
    plain, fused = (
        onnxruntime.InferenceSession(folder / f"{name}-fp32.onnx", providers=["CPUExecutionProvider"])
        for name in ("plain", "fused")
    )
    probe = all_workloads["W2"]["variants"][0]["ids"]
    apart = float(np.abs(scores(plain, probe) - scores(fused, probe)).max())
    if not apart < 1e-4:
        raise SystemExit(f"{shape}: the two graphs differ by {apart}")
    expected = expected_of(fused, shape, all_workloads)
    # Without the sets of `--scaling`, so that it says the same of every shape.
    counted = [np.concatenate(variants) for name, variants in expected.items() if name in workloads.LENGTHS]
    everything = np.concatenate(counted)
    report = {"deviation": float(everything.std()), "graphsDiffer": apart, "scores": expected}
    (folder / "expected.json").write_text(json.dumps(report))
    say(f"{shape}: scores {everything.mean():.4f}, standard deviation {everything.std():.4f}, graphs differ by {apart:.1e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", default=",".join(SHAPES))
    shapes = parser.parse_args().shapes.split(",")
    OUT.mkdir(parents=True, exist_ok=True)
    by_family = {}
    for family in dict.fromkeys(SHAPES[shape][0] for shape in shapes):
        made = by_family[family] = workloads.make_all(Tokenizer.from_file(str(TOKENIZERS[family])), family)
        (OUT / f"workloads-{family}.json").write_text(json.dumps(made))
        for name, of in made.items():
            say(f"{family} {name}: {of['pairs']} pairs, {of['realTokens']} tokens, {of['paddedTokens']} padded")
    for shape in shapes:
        folder = OUT / shape
        all_workloads = by_family[SHAPES[shape][0]]
        if not (folder / "model" / "model.safetensors").exists():
            make_checkpoint(folder / "model", shape)
        make_graphs(folder, shape)
        if not (folder / "expected.json").exists():
            make_expected(folder, shape, all_workloads)
        for dtype in QUANTISED:
            make_quantised(folder, shape, dtype, all_workloads)


if __name__ == "__main__":
    main()
