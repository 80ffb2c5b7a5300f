"""Makes the golden adapter that crates/cli/tests/peft.rs loads: what peft wrote, and what it scores.

Run by hand, after changing the texts, the tokenizer or the recipe of the random weights:

    pip install torch transformers tokenizers peft
    python tests/golden/make_adapter.py

The tests need none of these packages. The base is a random model by the recipe of
random_weights.py; the adapter's numbers follow the same recipe, so that both halves of each matrix
change the scores (peft itself begins with zeros). Writes

    adapter/lora/     adapter_model.safetensors and adapter_config.json as peft saves them
    adapter/head/     the classifier alone, which peft does not know
    adapter/scores.json

    python tests/golden/make_adapter.py --check FOLDER

loads what somebody else wrote, an adapter for the same base with peft or a whole model with
transformers, and prints how far its scores are from those in adapter/scores.json.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import peft
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

import make_golden
import random_weights

HERE = Path(__file__).resolve().parent
FOLDER = HERE / "adapter"
# Heads of 13, which are padded on the GPU, and no two sizes alike.
CONFIG = make_golden.shape(52, 4, 90, 2, vocab=2048, positions=259)
BASE_SEED = 21
ADAPTER_SEED = 23
RANK, ALPHA = 3, 4
TARGETS = [
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
]


def base():
    return make_golden.random_model(CONFIG, BASE_SEED, "plain").eval()


def adapted():
    """The base with an adapter whose every number is by the recipe."""
    lora = peft.LoraConfig(task_type="SEQ_CLS", r=RANK, lora_alpha=ALPHA, target_modules=TARGETS)
    model = peft.get_peft_model(base(), lora)
    state = peft.get_peft_model_state_dict(model)
    for name, tensor in state.items():
        tensor.copy_(torch.from_numpy(random_weights.tensor(name, tuple(tensor.shape), ADAPTER_SEED)))
    peft.set_peft_model_state_dict(model, state)
    return model.eval()


def encoded():
    path = HERE / "tokens-random.json"
    return json.loads(path.read_text())[str(make_golden.most_tokens(CONFIG))]


def score(model):
    scores = make_golden.score(model, encoded(), CONFIG["pad_token_id"])
    assert np.isfinite(scores).all()
    return scores


def bounded(name, model, scores):
    """Fails where rounding alone moves scores too far for the bound to mean anything."""
    halved = score(model.half().float())
    moved = (np.abs(halved - scores).max(axis=0) / scores.std(axis=0)).max()
    print(f"{name}: std {scores.std(axis=0)}, f16 weights move scores by {moved:.4f} of it")
    if not moved <= make_golden.BOUND / 2:
        sys.exit(f"{name}: take another seed")


def make():
    model = adapted()
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        (FOLDER / "lora").mkdir(parents=True, exist_ok=True)
        for file in ("adapter_model.safetensors", "adapter_config.json"):
            shutil.copyfile(Path(folder) / file, FOLDER / "lora" / file)
    lora = score(model)
    bounded("lora", model.merge_and_unload(), lora)

    tensors = load_file(FOLDER / "lora" / "adapter_model.safetensors")
    classifier = {name: tensor for name, tensor in tensors.items() if ".classifier." in name}
    (FOLDER / "head").mkdir(exist_ok=True)
    save_file(classifier, FOLDER / "head" / "adapter_model.safetensors", metadata={"format": "pt"})
    (FOLDER / "head" / "adapter_model.safetensors").chmod(0o644)
    model = base()
    plain = score(model)
    state = {name.removeprefix("base_model.model."): tensor for name, tensor in classifier.items()}
    assert not model.load_state_dict(state, strict=False).unexpected_keys
    head = score(model)
    bounded("head", model, head)

    # Adapters that change next to nothing would prove next to nothing.
    for name, scores in (("lora", lora), ("head", head)):
        apart = np.abs(scores - plain).mean() / plain.std()
        print(f"{name}: {apart:.2f} standard deviations from the base, on average")
        assert apart > 0.5, name
    assert np.abs(lora - head).mean() / plain.std() > 0.5
    fields = {
        "magic": "cappy-golden-adapter",
        "config": CONFIG,
        "seed": BASE_SEED,
        "tokens": "tokens-random.json",
        "bound": {"of_std": make_golden.BOUND},
        "rank": RANK,
        "alpha": ALPHA,
        "peft": peft.__version__,
        "torch": torch.__version__.split("+")[0],
    }
    for name, scores in (("lora", lora), ("head", head)):
        fields[name] = [[make_golden.digits(s) for s in row] for row in scores]
    make_golden.write(FOLDER / "scores.json", fields, a_line_each=["lora", "head"])


def check(folder):
    if (Path(folder) / "config.json").exists():
        model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    else:
        model = peft.PeftModel.from_pretrained(base(), folder).eval()
    expected = np.array(json.loads((FOLDER / "scores.json").read_text())["lora"])
    error = np.abs(score(model) - expected).max() / expected.std()
    print(f"{folder}: scores differ by at most {error:.2e} of their standard deviation")
    if not error <= 1e-5:
        sys.exit("too much")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", metavar="FOLDER")
    folder = parser.parse_args().check
    torch.set_num_threads(1)
    check(folder) if folder else make()


if __name__ == "__main__":
    main()
