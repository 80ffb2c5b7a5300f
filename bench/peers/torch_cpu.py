"""PyTorch on the CPU as a contestant: calls as JSON lines, as node-host.mjs takes them.

    python torch_cpu.py FOLDER fp32|bf16 THREADS
"""

import json
import sys
import time
import urllib.request

import torch
from transformers import AutoModelForSequenceClassification

import workloads

folder, precision, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
torch.set_num_threads(threads)
state = {}


def prepare(address):
    state["workloads"] = json.load(urllib.request.urlopen(address))


def enter(**_):
    begin = time.perf_counter()
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    model = AutoModelForSequenceClassification.from_pretrained(f"{folder}/model", dtype=dtype)
    state["model"] = model.eval()
    return {"seconds": time.perf_counter() - begin, "info": {"torch": torch.__version__}}


def run(workload, variant, **_):
    variants = state["workloads"][workload]["variants"]
    begin = time.perf_counter()
    feeds = workloads.feeds(variants[variant % len(variants)]["ids"])
    if state["model"].config.model_type == "modernbert":
        # It counts positions itself, from 0.
        del feeds["position_ids"]
    with torch.inference_mode():
        logits = state["model"](**{name: torch.from_numpy(array) for name, array in feeds.items()}).logits
    scores = logits[:, 0].tolist()
    return {"seconds": time.perf_counter() - begin, "scores": scores}


for line in sys.stdin:
    call = json.loads(line)
    try:
        answer = {"result": globals()[call["method"]](**call.get("argument", {}))}
    except Exception as error:  # the referee names it
        answer = {"error": repr(error)}
    print(json.dumps(answer), flush=True)
