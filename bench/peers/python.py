"""The Python wheel beside what Python has without a GPU: onnxruntime with 8-bit weights, as FlashRank runs it, and
sentence-transformers, both with the weights of cappy-small.

    pip install -r bench/peers/requirements-python.txt cappy-rerank
    target/release/cappy convert models/cappy-small target/peers/cappy-small --dtype f16
    python bench/peers/python.py [--rounds 5] [--pairs 512] [--threads 2] [--out target/peers/python.json]

Each contestant is a process of its own, so that its memory is its own. They take turns, round after round, on other
texts each time, and every score is compared with PyTorch's in f32. Nothing else should run meanwhile.

    python bench/peers/python.py --processes    # how long two processes of ours take against one, each with one thread
"""

import argparse
import importlib.metadata
import json
import os
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "target/peers/cappy-small"
# The package that a user installs, and what to call it.
CONTESTANTS = {
    "cappy": "cappy-rerank",
    "cappy, q8": "cappy-rerank",
    "onnxruntime int8": "onnxruntime",
    "onnxruntime int8, by length": "onnxruntime",
    "onnxruntime f32, by length": "onnxruntime",
    "sentence-transformers": "sentence-transformers",
}
# What onnxruntime needs besides itself to score texts.
BESIDES = {"onnxruntime": ["tokenizers"]}
BATCH = 32


def texts(count, seed):
    """Pairs of mixed lengths: questions of 5 to 30 words, and answers of 1 to 200, most of them short."""
    words = (ROOT / "models/cappy-mini/english.txt").read_text().split()
    choose = random.Random(seed)

    def text(most):
        return " ".join(choose.choice(words) for _ in range(max(1, round(most * choose.random() ** 2))))

    return [(text(30) + "?", text(200)) for _ in range(count)]


def by_length(pairs, score):
    """Scores the longest first, so that batches have little padding, and puts the scores back in order."""
    order = sorted(range(len(pairs)), key=lambda place: -len(pairs[place][0]) - len(pairs[place][1]))
    scores = [0.0] * len(pairs)
    for first in range(0, len(pairs), BATCH):
        places = order[first : first + BATCH]
        for place, value in zip(places, score([pairs[place] for place in places])):
            scores[place] = value
    return scores


def as_given(pairs, score):
    batches = (pairs[first : first + BATCH] for first in range(0, len(pairs), BATCH))
    return [value for batch in batches for value in score(batch)]


def ours(weights):
    import cappy

    imported = time.perf_counter()
    scorer = cappy.Scorer.load(None if weights == "auto" else MODEL, device="cpu", weights=weights)
    return imported, lambda pairs: scorer.score_pairs(pairs).tolist()


def onnx(file, batches, threads):
    import numpy
    import onnxruntime
    import tokenizers

    imported = time.perf_counter()
    tokenizer = tokenizers.Tokenizer.from_file(str(MODEL / "tokenizer.json"))
    tokenizer.enable_truncation(512, strategy="longest_first")
    tokenizer.enable_padding()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(MODEL / file), options, providers=["CPUExecutionProvider"])

    def score(pairs):
        encoded = tokenizer.encode_batch(pairs)
        rows = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
        feeds = {name: numpy.array([getattr(row, at) for row in encoded], numpy.int64) for name, at in rows.items()}
        return session.run(None, feeds)[0][:, 0].tolist()

    return imported, lambda pairs: batches(pairs, score)


def sentence_transformers(threads):
    import sentence_transformers
    import torch

    imported = time.perf_counter()
    torch.set_num_threads(threads)
    model = sentence_transformers.CrossEncoder(str(MODEL), device="cpu", max_length=512)
    nothing = torch.nn.Identity()
    return imported, lambda pairs: model.predict(pairs, batch_size=BATCH, activation_fn=nothing).tolist()


def contend(name, threads):
    """A contestant: a line with texts in, a line with seconds and scores out."""
    begin = time.perf_counter()
    imported, score = {
        "cappy": lambda: ours("auto"),
        "cappy, q8": lambda: ours("q8"),
        "onnxruntime int8": lambda: onnx("int8.onnx", as_given, threads),
        "onnxruntime int8, by length": lambda: onnx("int8.onnx", by_length, threads),
        "onnxruntime f32, by length": lambda: onnx("f32.onnx", by_length, threads),
        "sentence-transformers": lambda: sentence_transformers(threads),
    }[name]()
    score([("Name the animal that barks.", "dog")])
    first = time.perf_counter()
    print(json.dumps({"import": imported - begin, "first": first - begin}), flush=True)
    for line in sys.stdin:
        pairs = [tuple(pair) for pair in json.loads(line)]
        begin, busy = time.perf_counter(), time.process_time()
        scores = score(pairs)
        seconds, busy = time.perf_counter() - begin, time.process_time() - busy
        peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
        print(json.dumps({"seconds": seconds, "cpu": busy, "scores": scores, "peak": int(peak.split()[1]) * 1024}), flush=True)


def export():
    """The ONNX files: as torch exports the model, and with matrices rounded to 8 bits as FlashRank's are."""
    if (MODEL / "int8.onnx").exists():
        return
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(MODEL, dtype=torch.float32).eval()
    names = ["input_ids", "attention_mask", "token_type_ids"]
    axes = {name: {0: "pairs", 1: "tokens"} for name in names} | {"logits": {0: "pairs"}}
    example = tuple(torch.ones(2, 7, dtype=torch.int64) for _ in names)
    torch.onnx.export(
        model, example, str(MODEL / "f32.onnx"), input_names=names, output_names=["logits"], dynamic_axes=axes,
        dynamo=False,
    )
    quantize_dynamic(str(MODEL / "f32.onnx"), str(MODEL / "int8.onnx"), weight_type=QuantType.QInt8)


def installed(package, seen):
    """Bytes of a package and all that it needs."""
    key = package.lower().replace("_", "-").replace(".", "-")
    if key in seen:
        return 0
    seen.add(key)
    try:
        found = importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        return 0
    size = sum((file.locate().stat().st_size for file in found.files or [] if file.locate().exists()), 0)
    for needed in found.requires or []:
        if "extra ==" not in needed:
            name = needed.split(";")[0].split("[")[0]
            for sign in "<>=!~ (":
                name = name.split(sign)[0]
            size += installed(name, seen)
    return size


def start(name, threads):
    command = [sys.executable, __file__, "--contend", name, "--threads", str(threads)]
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def call(child, pairs=None):
    if pairs is not None:
        child.stdin.write(json.dumps(pairs) + "\n")
        child.stdin.flush()
    line = child.stdout.readline()
    if not line:
        raise SystemExit(f"{child.args[3]} ended; what it said stands above")
    return json.loads(line)


def race(arguments):
    export()
    children, results = {}, {}
    for name in CONTESTANTS:
        # First scores of three new processes; the last one stays.
        starts = []
        for _ in range(3):
            if name in children:
                children[name].stdin.close()
                children[name].wait()
            children[name] = start(name, arguments.threads)
            starts.append(call(children[name]))
        results[name] = {key: statistics.median(each[key] for each in starts) for key in ("import", "first")}
        results[name] |= {"samples": [], "cpu": [], "error": 0.0}
    for round_ in range(arguments.rounds + 1):
        pairs = texts(arguments.pairs, round_)
        order = list(CONTESTANTS)
        answers = {name: call(children[name], pairs) for name in (order if round_ % 2 else order[::-1])}
        expected = answers["sentence-transformers"]["scores"]
        for name, answer in answers.items():
            error = max(abs(a - b) for a, b in zip(answer["scores"], expected, strict=True))
            result = results[name]
            result["error"], result["peak"] = max(result["error"], error), answer["peak"]
            if round_ > 0:  # The first round warms up.
                result["samples"].append(arguments.pairs / answer["seconds"])
                result["cpu"].append(arguments.pairs / answer["cpu"])
    for name, package in CONTESTANTS.items():
        seen = set()
        own = installed(package, seen) + sum(installed(each, seen) for each in BESIDES.get(package, []))
        files = {"onnxruntime int8": "int8.onnx", "onnxruntime int8, by length": "int8.onnx"}
        model = 0 if package == "cappy-rerank" else (MODEL / files.get(name, "f32.onnx")).stat().st_size
        results[name] |= {"installed": own, "model": model}
        children[name].kill()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps({"arguments": {**vars(arguments), "out": ""}, "results": results}, indent=1))
    columns = ["", "import, s", "first score, s", "pairs a second (lowest to highest)", "pairs a second of processor time"]
    columns += ["peak memory, MB", "installed, MB", "model, MB", "off by"]
    print("| " + " | ".join(columns) + " |")
    print("| --- |" + " ---: |" * (len(columns) - 1))
    for name, each in results.items():
        rate, spread = statistics.median(each["samples"]), f"{min(each['samples']):.0f} to {max(each['samples']):.0f}"
        sizes = " | ".join(f"{each[key] / 1e6:.0f}" for key in ("peak", "installed", "model"))
        times = f"{each['import']:.2f} | {each['first']:.2f}"
        print(f"| {name} | {times} | {rate:.0f} ({spread}) | {statistics.median(each['cpu']):.0f} | {sizes} | {each['error']:.1e} |")


def processes(arguments):
    """One process and two that share the pairs, in turns; each process has one thread."""
    ratios = []
    children = [start("cappy", 1) for _ in range(2)]
    for child in children:
        call(child)
    for round_ in range(arguments.rounds):
        pairs = texts(arguments.pairs, round_)
        alone = call(children[0], pairs)["seconds"]
        begin = time.perf_counter()
        for child, part in zip(children, (pairs[::2], pairs[1::2])):
            child.stdin.write(json.dumps(part) + "\n")
            child.stdin.flush()
        for child in children:
            call(child)
        ratios.append((time.perf_counter() - begin) / alone)
        print(f"one {alone:.2f} s, two {ratios[-1]:.2f} of that", flush=True)
    for child in children:
        child.kill()
    print(f"median {statistics.median(ratios):.3f}, and at most 0.6 is wanted")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pairs", type=int, default=512)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=ROOT / "target/peers/python.json")
    parser.add_argument("--processes", action="store_true")
    parser.add_argument("--contend", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contend:
        contend(arguments.contend, arguments.threads)
    elif arguments.processes:
        processes(arguments)
    else:
        race(arguments)


if __name__ == "__main__":
    main()
