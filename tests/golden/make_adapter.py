"""Makes the golden adapter that crates/cli/tests/peft.rs loads: what peft wrote, and what it scores.

Run by hand, after changing the texts, the tokenizer or the recipe of the random weights:

    pip install torch transformers tokenizers peft
    python tests/golden/make_adapter.py

The tests need none of these packages. There is one for RoBERTa in adapter/, one for BERT in
adapter-bert/ and one for ModernBERT in adapter-modernbert/. The base is a random model by the recipe of
random_weights.py; the adapter's numbers follow the same recipe, so that both halves of each matrix
change the scores (peft itself begins with zeros). Writes

    adapter/lora/     adapter_model.safetensors and adapter_config.json as peft saves them
    adapter/head/     the head alone, which peft does not know
    adapter/pooler/   for BERT: matrices by peft's "all-linear", of which the pooler is one
    adapter/scores.json

    python tests/golden/make_adapter.py --only adapter-bert
    python tests/golden/make_adapter.py --only adapter-bert --check FOLDER

loads what somebody else wrote, an adapter for the same base with peft or a whole model with
transformers, and prints how far its scores are from those in adapter-bert/scores.json.
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
# Heads of 13, which are padded on the GPU, and no two sizes alike.
BERT = make_golden.sizes(52, 4, 90, 2, 1200, 512, types=2, eps=1e-12)
# Heads of 14, two layers that see all tokens and two that see twelve on either side.
MODERNBERT = {**make_golden.sizes(56, 4, 70, 4, 1500, 512), "local_attention": 24}
LAYERS = [
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
]
MODERNBERT_LAYERS = ["attn.Wqkv", "attn.Wo", "mlp.Wi", "mlp.Wo"]
# For each folder: the model's config, the tokens of the pairs, and by adapter its matrices and what peft saves whole.
FAMILIES = {
    "adapter": (
        make_golden.shape(52, 4, 90, 2, vocab=2048, positions=259),
        "tokens-random.json",
        {"lora": (LAYERS, None)},
    ),
    "adapter-bert": (
        make_golden.family("Bert", "bert", **BERT),
        "tokens-bert-uncased.json",
        {"lora": (LAYERS, ["classifier", "pooler"]), "pooler": ("all-linear", None)},
    ),
    "adapter-modernbert": (
        make_golden.family("ModernBert", "modernbert", **MODERNBERT),
        "tokens-modernbert.json",
        {"lora": (MODERNBERT_LAYERS, ["classifier", "head"])},
    ),
}
# One that rounding does not move too far.
BASE_SEED = {"adapter": 21, "adapter-bert": 2, "adapter-modernbert": 8}
ADAPTER_SEED = 23
RANK, ALPHA = 3, 4


def base(family):
    config, _, _ = FAMILIES[family]
    seed = BASE_SEED[family]
    return make_golden.random_model(config, seed, "plain").eval()


def adapted(family, targets, whole):
    """The base with an adapter whose every number is by the recipe."""
    lora = peft.LoraConfig(
        task_type="SEQ_CLS", r=RANK, lora_alpha=ALPHA, target_modules=targets, modules_to_save=whole
    )
    model = peft.get_peft_model(base(family), lora)
    state = peft.get_peft_model_state_dict(model)
    for name, tensor in state.items():
        tensor.copy_(torch.from_numpy(random_weights.tensor(name, tuple(tensor.shape), ADAPTER_SEED)))
    peft.set_peft_model_state_dict(model, state)
    return model.eval()


def score(model, config, tokens):
    encoded = json.loads((HERE / tokens).read_text())[str(make_golden.most_tokens(config))]
    scores = make_golden.score(model, encoded, config["pad_token_id"])
    assert np.isfinite(scores).all()
    return scores


def bounded(name, scores, halved):
    """Fails where rounding alone moves scores too far for the bound to mean anything."""
    moved = (np.abs(halved - scores).max(axis=0) / scores.std(axis=0)).max()
    print(f"{name}: std {scores.std(axis=0)}, f16 weights move scores by {moved:.4f} of it")
    if not moved <= make_golden.BOUND / 2:
        sys.exit(f"{name}: take another seed")


def is_head(name):
    return any(f".{module}." in name for module in ("classifier", "pooler", "head"))


def make(family):
    config, tokens, adapters = FAMILIES[family]
    out = HERE / family
    scores = {}
    for adapter, (targets, saved) in adapters.items():
        model = adapted(family, targets, saved)
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            (out / adapter).mkdir(parents=True, exist_ok=True)
            for file in ("adapter_model.safetensors", "adapter_config.json"):
                shutil.copyfile(Path(folder) / file, out / adapter / file)
        scores[adapter] = score(model, config, tokens)
        merged = model.merge_and_unload()
        bounded(adapter, scores[adapter], score(merged.half().float(), config, tokens))

    tensors = load_file(out / "lora" / "adapter_model.safetensors")
    head = {name: tensor for name, tensor in tensors.items() if is_head(name)}
    (out / "head").mkdir(exist_ok=True)
    save_file(head, out / "head" / "adapter_model.safetensors", metadata={"format": "pt"})
    (out / "head" / "adapter_model.safetensors").chmod(0o644)
    model = base(family)
    plain = score(model, config, tokens)
    state = {name.removeprefix("base_model.model."): tensor for name, tensor in head.items()}
    assert not model.load_state_dict(state, strict=False).unexpected_keys
    scores["head"] = score(model, config, tokens)
    bounded("head", scores["head"], score(model.half().float(), config, tokens))

    # Adapters that change next to nothing would prove next to nothing.
    for name, these in scores.items():
        apart = np.abs(these - plain).mean() / plain.std()
        print(f"{name}: {apart:.2f} standard deviations from the base, on average")
        assert apart > 0.5, name
        assert all(np.abs(these - other).mean() / plain.std() > 0.1 for other in scores.values() if other is not these)
    fields = {
        "magic": "cappy-golden-adapter",
        "config": config,
        "seed": BASE_SEED[family],
        "tokens": tokens,
        "bound": {"of_std": make_golden.BOUND},
        "rank": RANK,
        "alpha": ALPHA,
        "peft": peft.__version__,
        "torch": torch.__version__.split("+")[0],
    }
    for name, these in scores.items():
        fields[name] = [[make_golden.digits(s) for s in row] for row in these]
    make_golden.write(out / "scores.json", fields, a_line_each=list(scores))


def check(family, folder):
    config, tokens, _ = FAMILIES[family]
    if (Path(folder) / "config.json").exists():
        model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    else:
        model = peft.PeftModel.from_pretrained(base(family), folder).eval()
    expected = np.array(json.loads((HERE / family / "scores.json").read_text())["lora"])
    error = np.abs(score(model, config, tokens) - expected).max() / expected.std()
    print(f"{folder}: scores differ by at most {error:.2e} of their standard deviation")
    if not error <= 1e-5:
        sys.exit("too much")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=FAMILIES)
    parser.add_argument("--check", metavar="FOLDER")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.check:
        return check(arguments.only or "adapter", arguments.check)
    for family in FAMILIES:
        if arguments.only in (None, family):
            make(family)


if __name__ == "__main__":
    main()
