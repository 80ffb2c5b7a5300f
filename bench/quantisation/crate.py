"""Holds `cappy convert` to the goals: scores of what it writes against those of the model in PyTorch.

    cargo build --release
    python bench/quantisation/crate.py [--groups 1000] [--calibration 400]
        [--models mini outliers-384 outliers-768] [--device cpu]

Writes models/cappy-mini/calibration.jsonl anew, the pairs that it calibrates cappy-mini with.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file

import models
from models import GOLDEN, MINI, ROOT

WAYS = [
    ("q8", []),
    ("q8", ["--calibrate"]),
    ("q8", ["--calibrate", "--finer-layers=1"]),
    ("q8", ["--calibrate", "--finer-layers=2"]),
    ("q4", []),
    ("q4", ["--calibrate"]),
    ("q4", ["--calibrate", "--finer-layers=1"]),
    ("q4", ["--calibrate", "--finer-layers=2"]),
]
SHAPES = {"outliers-384": (384, 6, 1536, 2, 9), "outliers-768": (768, 12, 3072, 4, 9)}


def write_lines(path, pairs):
    """Groups of 16 pairs as lines that `cappy score` takes."""
    with open(path, "w") as file:
        for at in range(0, len(pairs), 16):
            group = pairs[at : at + 16]
            line = {"instruction": group[0][0], "responses": [response for _, response in group]}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def prepare(name, args, folder):
    """The model's folder, test lines, calibration lines and the scores to keep."""
    test, calibration = folder / "test.jsonl", folder / "calibration.jsonl"
    if name == "mini":
        pairs, others = models.mini_groups(args.groups, 1, "instances"), models.mini_groups(args.calibration, 2, "train")
        model, at = models.mini(), MINI
        calibration = MINI / "calibration.jsonl"
    else:
        import make_golden

        pairs, others = models.text_groups(args.groups, 11), models.text_groups(args.calibration, 12)
        hidden, heads, ffn, layers, seed = SHAPES[name]
        model, at = models.random_model(hidden, heads, ffn, layers, seed, "outliers"), folder / "model"
        at.mkdir()
        config = make_golden.shape(hidden, heads, ffn, layers)
        state = make_golden.random_model(config, seed, "outliers").state_dict()
        save_file({n: t.contiguous() for n, t in state.items()}, at / "model.safetensors", {"format": "pt"})
        (at / "config.json").write_text(json.dumps(config))
        shutil.copy(GOLDEN / "tokenizer.json", at)
    write_lines(test, pairs)
    write_lines(calibration, others)
    return at, test, calibration, model.scores(model.encode(pairs)).double()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--groups", type=int, default=1000)
    parser.add_argument("--calibration", type=int, default=400, help="groups to calibrate with")
    parser.add_argument("--models", nargs="+", default=["mini", "outliers-384"])
    parser.add_argument("--device", default="cpu", help="where cappy computes: cpu or gpu")
    parser.add_argument("--cappy", default=ROOT / "target" / "release" / "cappy")
    args = parser.parse_args()
    print("| model | dtype | how | MB | r | top-1 | mean | max |\n| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for name in args.models:
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            model, test, calibration, want = prepare(name, args, folder)
            for dtype, how in WAYS:
                out = folder / "rounded"
                options = [f"--calibrate={calibration}" if o == "--calibrate" else o for o in how]
                convert = [args.cappy, "convert", model, out, "--dtype", dtype, *options]
                subprocess.run(convert, check=True, stdout=subprocess.DEVNULL)
                # f32 on the CPU keeps every bit of the rounded weights.
                score = [args.cappy, "score", "--model", out, "--device", args.device]
                with open(test) as lines:
                    lines = subprocess.run(score, check=True, stdin=lines, capture_output=True).stdout.splitlines()
                got = torch.tensor([s for line in lines for s in json.loads(line)["scores"]]).double()
                r = torch.corrcoef(torch.stack([want, got]))[0, 1].item()
                top = (want.view(-1, 16).argmax(1) == got.view(-1, 16).argmax(1)).double().mean().item()
                off = (want - got).abs() / want.std()
                size = (out / "model.safetensors").stat().st_size / 1e6
                way = " ".join(how) or "each by itself"
                print(f"| {name} | {dtype} | {way} | {size:.2f} | {r:.6f} | {100 * top:.1f} | {off.mean():.4f} | {off.max():.2f} |")
                sys.stdout.flush()
                shutil.rmtree(out)


if __name__ == "__main__":
    main()
