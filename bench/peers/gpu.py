"""A GPU in one command: `cappy bench`, and PyTorch beside it where it is installed.

    cargo build --release
    python bench/peers/gpu.py [--shape large] [--cappy target/release/cappy] [--device cuda] [--dtype float16]

Both compute random weights of the same shape, pairs of 128 tokens: a batch of them, and one. They
take turns: cappy, PyTorch, cappy, PyTorch. What is printed is Markdown; its last line says what is
wanted of a GPU.
"""

import argparse
import json
import statistics
import subprocess
import time

arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
arguments.add_argument("--shape", choices=["mini", "base", "large"], default="large")
arguments.add_argument("--cappy", default="target/release/cappy")
arguments.add_argument("--device", default="cuda")
arguments.add_argument("--dtype", default="float16")
arguments.add_argument("--kernel", help="runs every matmul of ours by this kernel")
options = arguments.parse_args()

# As src/bench/mod.rs has them.
SHAPES = {
    "mini": dict(num_hidden_layers=4, hidden_size=256, num_attention_heads=4, intermediate_size=1024, vocab_size=8192),
    "base": dict(num_hidden_layers=12, hidden_size=768, num_attention_heads=12, intermediate_size=3072, vocab_size=50265),
    "large": dict(num_hidden_layers=24, hidden_size=1024, num_attention_heads=16, intermediate_size=4096, vocab_size=50265),
}
PAIR_TOKENS = 128
ROUNDS = 2
RUNS = 10


def cappy():
    """One report of ours."""
    command = [options.cappy, "bench", "--shape", options.shape, "--json"]
    if options.kernel:
        command += ["--kernel", options.kernel]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def torch_model():
    """A function that takes a number of pairs and gives the seconds of a call; None without PyTorch."""
    try:
        import torch
        from transformers import RobertaConfig, RobertaForSequenceClassification
    except ImportError as error:
        print(f"PyTorch is left out: {error}\n")
        return None, ""
    if options.device == "cuda" and not torch.cuda.is_available():
        print("PyTorch is left out: it finds no CUDA device\n")
        return None, ""
    config = RobertaConfig(max_position_embeddings=514, type_vocab_size=1, num_labels=1, **SHAPES[options.shape])
    model = RobertaForSequenceClassification(config).eval().to(options.device, getattr(torch, options.dtype))

    def seconds(pairs):
        ids = torch.randint(5, config.vocab_size, (pairs, PAIR_TOKENS))
        times = []
        with torch.inference_mode():
            for run in range(RUNS + 2):
                begin = time.perf_counter()
                # .tolist() waits for the GPU, as ours does.
                model(input_ids=ids.to(options.device)).logits.tolist()
                if run >= 2:
                    times.append(time.perf_counter() - begin)
        return statistics.median(times)

    name = torch.cuda.get_device_name() if options.device == "cuda" else options.device
    return seconds, f"PyTorch {torch.__version__} {options.dtype} on {name}"


theirs, their_name = torch_model()
reports, their_times = [], {}
for _ in range(ROUNDS):
    reports.append(cappy())
    if theirs:
        for work in reports[-1]["workloads"]:
            their_times.setdefault(work["name"], []).append(theirs(work["pairs"]))

first = reports[0]
peak = statistics.median(report["peaks"]["multiply_add_stored"]["best"] for report in reports)
print(f"{first['adapter']['name']}, {first['adapter']['driver']}; cappy {first['version']}, {first['shape']}, {first['kernels']}")
print(f"peak of multiply-adds of stored f16 in f32: {peak:.0f} GFLOP/s; weights read once: {first['weights_read_seconds'] * 1e3:.2f} ms\n")
print("| work | tokens | ours | share of the peak | " + (f"{their_name} | theirs / ours |" if theirs else ""))
print("| --- | ---: | ---: | ---: | " + ("---: | ---: |" if theirs else ""))
for index, work in enumerate(first["workloads"]):
    ours = statistics.median(report["workloads"][index]["seconds"] for report in reports)
    line = f"| {work['name']} | {work['tokens']} | {ours * 1e3:.2f} ms | {work['flops'] / ours / 1e9 / peak:.0%} | "
    if theirs:
        other = statistics.median(their_times[work["name"]])
        line += f"{other * 1e3:.2f} ms | {other / ours:.2f} |"
    print(line)
print("\n| kernel of the batch | GFLOP/s | share of its bound |\n| --- | ---: | ---: |")
for kernel in first["workloads"][0]["kernels"]:
    print(f"| {kernel['label']} ({kernel['kernel']}) | {kernel['gflops']:.0f} | {kernel['share']:.0%} |")
print("\nWanted at large with 4,096 tokens: matmuls at 60%, the whole at 50%; with cooperative matrices four "
      "times that; one pair within twice the time of reading the weights once.")
