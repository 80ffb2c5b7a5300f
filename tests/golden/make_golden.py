"""Makes the golden files that tests/golden.rs compares the crate with.

Run by hand, after changing a model, a text or the recipe of the random weights:

    pip install torch transformers tokenizers numpy sentencepiece
    python tests/golden/make_golden.py                     # everything
    python tests/golden/make_golden.py --only cappy-mini   # one model, with the stored tokenizer

The tests need none of these packages. The reference are transformers' classes of the models'
families in f32 on the CPU, every pair alone, without padding.

Writes beside itself
    tokenizer.json              a byte-level BPE tokenizer, trained on texts.corpus()
    tokenizers/                 those of other families, by family_tokenizers.py
    pairs.json                  the pairs of texts.pairs()
    random_values.json          samples and checksums of random_weights.tensor()
    tokens-<tokenizer>.json     ids, position ids, token types and cut tokens of every pair, by most
                                tokens
    models/<name>.json          config, scores, and how far rounding moves them
"""

import argparse
import copy
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.torch import load_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoConfig, AutoModelForSequenceClassification, RobertaForSequenceClassification

import family_tokenizers
import random_weights
import texts

HERE = Path(__file__).resolve().parent
MODELS = HERE.parent.parent / "models"
# Trained models, and what the tests allow.
# Storing activations in f16 moves the scores of cappy-mini, from 0 to 1, by up to 0.0015 in torch.
TRAINED = {"cappy-mini": {"absolute": 0.002}, "cappy-small": {"of_std": 0.02}}
HOW = "made by tests/golden/make_golden.py, which says how to remake it"
VERSION = 1

# What the tests allow, as a share of the scores' standard deviation. A random model that amplifies
# the rounding of its weights by itself to more than half of that would say nothing about the crate.
BOUND = 0.02
# Rounding adds up over 48 layers: of 200 seeds, none stays within the bound of the others.
DEEP_BOUND = 0.08


def shape(hidden, heads, ffn, layers, vocab=2048, positions=514, labels=("LABEL_0",)):
    """A config.json."""
    return {
        "architectures": ["RobertaForSequenceClassification"],
        "model_type": "roberta",
        "vocab_size": vocab,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": ffn,
        "hidden_act": "gelu",
        "max_position_embeddings": positions,
        "type_vocab_size": 1,
        "layer_norm_eps": 1e-5,
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
        "id2label": {str(i): label for i, label in enumerate(labels)},
    }


# name: (config, seed, profile)
RANDOM_MODELS = {
    "tiny": (shape(32, 1, 64, 1), 1, "plain"),
    "odd": (shape(100, 4, 210, 3, vocab=2311, positions=259), 2, "plain"),
    "head-128": (shape(256, 2, 600, 2), 3, "plain"),
    "base-width": (shape(768, 12, 3072, 4), 4, "plain"),
    "large-width": (shape(1024, 16, 4096, 3, positions=259), 5, "plain"),
    # Every layer of this profile shrinks what tells the pairs apart by a factor of two or more, so
    # that deeper models, and most seeds, end in scores that rounding alone moves too far.
    "outliers": (shape(384, 6, 1536, 2), 9, "outliers"),
    "short": (shape(64, 2, 256, 2, positions=40), 7, "plain"),
    "deep": (shape(64, 2, 256, 48), 16, "plain"),
    "three-labels": (shape(48, 2, 150, 2, labels=("wrong", "partly", "right")), 9, "plain"),
}


def family(architecture, model_type, **changed):
    """A config.json of another family."""
    config = {**shape(0, 0, 0, 0), "architectures": [f"{architecture}ForSequenceClassification"]}
    config = {**config, "model_type": model_type, **changed}
    if model_type in ("bert", "distilbert"):
        for field in ("bos_token_id", "eos_token_id"):
            config.pop(field)
        config |= {"pad_token_id": 0}
    if model_type == "modernbert":
        for field in ("bos_token_id", "eos_token_id", "type_vocab_size", "hidden_act"):
            config.pop(field)
        config |= {"pad_token_id": 0, "norm_eps": config.pop("layer_norm_eps"), "hidden_activation": "gelu", **changed}
        for field in ("layer_norm_eps", "hidden_act", "type_vocab_size", "bos_token_id", "eos_token_id"):
            config.pop(field, None)
    if model_type == "distilbert":
        names = {
            "hidden_size": "dim",
            "num_hidden_layers": "n_layers",
            "num_attention_heads": "n_heads",
            "intermediate_size": "hidden_dim",
            "hidden_act": "activation",
        }
        config = {names.get(field, field): value for field, value in config.items()}
        for field in ("type_vocab_size", "layer_norm_eps"):
            config.pop(field)
    return config


def sizes(hidden, heads, ffn, layers, vocab, positions, labels=("LABEL_0",), types=1, eps=1e-5):
    config = shape(hidden, heads, ffn, layers, vocab, positions, labels)
    config |= {"type_vocab_size": types, "layer_norm_eps": eps}
    return {field: config[field] for field in config if field not in ("architectures", "model_type", "pad_token_id")}


# name: (config, seed, tokenizer)
FAMILY_MODELS = {
    "xlm-roberta": (
        family("XLMRoberta", "xlm-roberta", **sizes(96, 3, 200, 2, 1300, 514)),
        1,
        "xlm-roberta",
    ),
    "xlm-roberta-labels": (
        family("XLMRoberta", "xlm-roberta", **sizes(64, 2, 150, 2, 1202, 1100, ("no", "maybe", "yes"))),
        1,
        "xlm-roberta-m3",
    ),
    "bert-two-labels": (
        family("Bert", "bert", **sizes(60, 3, 130, 3, 1200, 512, ("NEGATIVE", "POSITIVE"), 2, 1e-12)),
        1,
        "bert-uncased",
    ),
    "bert-cased": (
        family("Bert", "bert", **sizes(128, 2, 300, 2, 1210, 40, types=2, eps=1e-12)),
        1,
        "bert-cased",
    ),
    # Windows smaller than the pairs, another rhythm of global layers, the mean of all tokens, and biases.
    "modernbert": (
        family("ModernBert", "modernbert", **sizes(96, 3, 160, 4, 1500, 512), local_attention=24),
        1,
        "modernbert",
    ),
    "modernbert-mean": (
        family(
            "ModernBert",
            "modernbert",
            **sizes(60, 3, 106, 5, 1510, 200, ("no", "maybe", "yes")),
            global_attn_every_n_layers=2,
            global_rope_theta=20000.0,
            local_rope_theta=500.0,
            local_attention=7,
            classifier_pooling="mean",
            classifier_bias=True,
            attention_bias=True,
            mlp_bias=True,
            norm_bias=True,
        ),
        1,
        "modernbert",
    ),
    # Heads of 22, a feed-forward network that four does not divide, a global layer of four, and the
    # approximate GELU.
    "modernbert-odd": (
        family(
            "ModernBert",
            "modernbert",
            **sizes(110, 5, 75, 6, 1503, 512),
            hidden_activation="gelu_pytorch_tanh",
            classifier_activation="relu",
            global_attn_every_n_layers=4,
            local_attention=10,
        ),
        1,
        "modernbert",
    ),
    # As Ettin's encoder of 17 million parameters, with fewer words.
    "ettin-17m": (family("ModernBert", "modernbert", **sizes(256, 4, 384, 7, 1500, 512)), 1, "modernbert"),
    # As the one of 68 million parameters.
    "ettin-68m": (family("ModernBert", "modernbert", **sizes(512, 8, 768, 19, 1500, 512)), 1, "modernbert"),
    "distilbert": (
        family("DistilBert", "distilbert", **sizes(96, 4, 256, 2, 1200, 512, ("NEGATIVE", "POSITIVE"))),
        1,
        "bert-uncased",
    ),
}


def write(path, fields, a_line_each=()):
    """Writes JSON in ASCII: a line for every field, and one for each item of some of them."""

    def text(value):
        return json.dumps(value, separators=(",", ":"))

    lines = []
    for name, value in {"version": VERSION, "how": HOW, **fields}.items():
        if name in a_line_each:
            items = ",\n".join(text(item) for item in value)
            lines.append(f"{text(name)}: [\n{items}\n]")
        else:
            lines.append(f"{text(name)}: {text(value)}")
    path.parent.mkdir(exist_ok=True)
    path.write_text("{" + ",\n".join(lines) + "}\n")
    print(f"{path.relative_to(HERE)}: {path.stat().st_size / 1000:.1f} kB", flush=True)


def digits(value):
    """A number with the nine digits that tell any two f32 apart."""
    return float(f"{value:.9g}")


def train_tokenizer():
    """A tokenizer of RoBERTa's make with about 2,000 entries."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    specials = [AddedToken(s, special=True, normalized=False) for s in ("<s>", "<pad>", "</s>", "<unk>")]
    specials.append(AddedToken("<mask>", special=True, normalized=False, lstrip=True))
    trainer = trainers.BpeTrainer(
        vocab_size=2000,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts.corpus(), trainer)
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False
    )
    path = HERE / "tokenizer.json"
    tokenizer.save(str(path), pretty=False)
    print(f"{path.name}: {path.stat().st_size / 1000:.1f} kB", flush=True)


def random_values():
    """Samples of every kind of tensor, and a checksum over all of its values."""
    config = shape(70, 2, 90, 1, vocab=300, positions=20)
    model = blank(config)
    tensors = []
    for seed, profile in ((1, "plain"), (0xDEADBEEF, "plain"), (1, "outliers")):
        for name, tensor in model.state_dict().items():
            bits = random_weights.tensor(name, tuple(tensor.shape), seed, profile).view(np.uint32).ravel()
            places = sorted({0, len(bits) // 3, len(bits) // 2, len(bits) - 1})
            tensors.append(
                {
                    "name": name,
                    "shape": list(tensor.shape),
                    "seed": seed,
                    "profile": profile,
                    "fnv1a32_of_le_bytes": random_weights.fnv1a32(bits.astype("<u4").tobytes()),
                    "samples_as_bits": [[i, int(bits[i])] for i in places],
                }
            )
    fields = {"magic": "cappy-golden-random-values", "config": config, "tensors": tensors}
    write(HERE / "random_values.json", fields, a_line_each=["tensors"])


def most_tokens(config):
    """The most tokens of a pair: 512 (XLM-RoBERTa's and ModernBERT's 8192), or what the position table allows."""
    if config["model_type"] == "modernbert":
        return min(8192, config["max_position_embeddings"])
    if config["model_type"] in ("bert", "distilbert"):
        return min(512, config["max_position_embeddings"])
    most = 8192 if config["model_type"] in ("xlm-roberta", "modernbert") else 512
    return min(most, config["max_position_embeddings"] - (config["pad_token_id"] + 1))


def encode(tokenizer, length, pad, spelled=lambda text: text):
    """Ids, position ids, the count of tokens of type 0 and that of cut tokens of every pair, at most
    `length` tokens each."""
    position_ids = transformers.models.roberta.modeling_roberta.RobertaEmbeddings.create_position_ids_from_input_ids
    encoded = []
    for _, a, b in texts.pairs():
        a, b = spelled(a), spelled(b)
        tokenizer.no_truncation()
        whole = len(tokenizer.encode(a, b).ids)
        tokenizer.enable_truncation(length, strategy="longest_first", direction="right")
        got = tokenizer.encode(a, b)
        ids = got.ids
        if pad is None:
            positions = list(range(len(ids)))
        else:
            positions = position_ids(torch.tensor([ids]), pad)[0].tolist()
        pair = {"ids": ids, "position_ids": positions, "truncated": whole - len(ids)}
        if any(got.type_ids):
            assert got.type_ids == sorted(got.type_ids) and max(got.type_ids) == 1
            pair["of_type_0"] = got.type_ids.count(0)
        encoded.append(pair)
    return encoded


def tokens(name, path, lengths, pad=1, spelled=lambda text: text):
    """Writes the tokens file of the tokenizer at `path` and returns its content by length."""
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    by_length = {length: encode(tokenizer, length, pad, spelled) for length in lengths}
    fields = {"magic": "cappy-golden-tokens"}
    for length, encoded in by_length.items():
        fields[str(length)] = encoded
    write(HERE / f"tokens-{name}.json", fields, a_line_each=[str(length) for length in lengths])
    return by_length


def random_tokens():
    """The tokens of the random models, checked to have the lengths that texts.py promises."""
    lengths = sorted({most_tokens(config) for config, _, _ in RANDOM_MODELS.values()}, reverse=True)
    by_length = tokens("random", HERE / "tokenizer.json", lengths)
    kinds = [kind for kind, _, _ in texts.pairs()]
    for kind, length, count, cut in (
        ("512 tokens exactly", 512, 512, 0),
        ("513 tokens", 512, 512, 1),
        ("38 tokens exactly", 38, 38, 0),
        ("39 tokens", 38, 38, 1),
        ("40 tokens", 38, 38, 2),
    ):
        got = by_length[length][kinds.index(kind)]
        assert (len(got["ids"]), got["truncated"]) == (count, cut), kind
    return by_length


def family_tokens(names):
    """The tokens of the models of other families, by model."""
    by_model = {}
    for tokenizer in family_tokenizers.NAMES:
        configs = {name: config for name, (config, _, its) in FAMILY_MODELS.items() if its == tokenizer}
        if not set(configs) & set(names):
            continue
        lengths = sorted({most_tokens(config) for config in configs.values()}, reverse=True)
        pad = None if "bert-" in tokenizer or tokenizer == "modernbert" else 1
        spelled = lambda text: family_tokenizers.spelled(text, tokenizer)
        by_length = tokens(tokenizer, family_tokenizers.path(tokenizer), lengths, pad, spelled)
        by_model |= {name: by_length[most_tokens(config)] for name, config in configs.items()}
    return by_model


def blank(config):
    """The model without weights of ours."""
    kind = {field: value for field, value in config.items() if field != "model_type"}
    config = AutoConfig.for_model(config["model_type"], **kind)
    return AutoModelForSequenceClassification.from_config(config, attn_implementation="eager")


def random_model(config, seed, profile):
    """The model with weights by the recipe."""
    model = blank(config)
    state = {
        name: torch.from_numpy(random_weights.tensor(name, tuple(tensor.shape), seed, profile))
        for name, tensor in model.state_dict().items()
    }
    model.load_state_dict(state)
    return model


def score(model, encoded, pad):
    """The raw logits of every pair, as f64."""
    rows = []
    with torch.inference_mode():
        for pair in encoded:
            ids = torch.tensor([pair["ids"]])
            inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
            if model.config.model_type == "bert":
                first = pair["of_type_0"]
                inputs["token_type_ids"] = torch.tensor([[0] * first + [1] * (ids.shape[1] - first)])
            logits = model(**inputs).logits[0]
            rows.append(logits.double().numpy())
    return np.stack(rows)


def watch_ffn(model):
    """Notes the largest magnitude that a feed-forward network puts out."""
    largest = [0.0]

    def note(_module, _inputs, output):
        largest[0] = max(largest[0], output.abs().max().item())

    for name, module in model.named_modules():
        if name.endswith((".ffn.lin2", ".output.dense", ".mlp.Wo")) and "attention" not in name:
            module.register_forward_hook(note)
    return largest


def store_in_f16(model):
    """Rounds to f16 what an encoder that computes in f32 and stores in f16 would round: what a
    matmul reads, queries, keys and values, and what LayerNorm puts out."""
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear):
            module.register_forward_pre_hook(lambda _, inputs: (inputs[0].half().float(),))
        if isinstance(module, torch.nn.LayerNorm) or name.endswith(("query", "key", "value", "q_lin", "k_lin", "v_lin", "Wqkv")):
            module.register_forward_hook(lambda _module, _inputs, output: output.half().float())


def golden(name, model, config, encoded, source, bound):
    """Scores a model, measures what rounding does to it, and writes its golden file."""
    pad = config["pad_token_id"]
    model = model.eval().float()
    # Copied before the hooks go in: each variant is its own model.
    exact = copy.deepcopy(model).double()
    halved = copy.deepcopy(model).half().float()
    stored = copy.deepcopy(halved)
    store_in_f16(stored)
    largest = watch_ffn(model)

    scores = score(model, encoded, pad)
    assert np.isfinite(scores).all()
    std = scores.std(axis=0)

    def moved(variant):
        return (np.abs(score(variant, encoded, pad) - scores).max(axis=0) / std).tolist()

    measured = {
        "std": [digits(s) for s in std],
        "f64_moves_by_stds": [digits(m) for m in moved(exact)],
        "f16_weights_move_by_stds": [digits(m) for m in moved(halved)],
        "f16_storage_moves_by_stds": [digits(m) for m in moved(stored)],
        "largest_ffn_output": digits(largest[0]),
        "torch": torch.__version__.split("+")[0],
        "transformers": transformers.__version__,
    }
    print(f"{name}: {json.dumps(measured)}", flush=True)
    worst = max(measured["f64_moves_by_stds"] + measured["f16_weights_move_by_stds"])
    if "of_std" in bound and not worst <= bound["of_std"] / 2:
        sys.exit(f"{name}: rounding alone moves scores by {worst:.3f} standard deviations: take another seed")
    fields = {
        "magic": "cappy-golden-scores",
        "name": name,
        "source": source,
        "config": config,
        "max_tokens": most_tokens(config),
        "bound": bound,
        "measured": measured,
        "scores": [[digits(s) for s in row] for row in scores],
    }
    write(HERE / "models" / f"{name}.json", fields, a_line_each=["scores"])


def expanded(folder):
    """A model in f32 as transformers has it; rounded weights are the numbers that their integers stand for."""
    sys.path.insert(0, str(MODELS / "cappy-small"))
    from export import unpacked

    state = load_file(folder / "model.safetensors")
    full = {
        name: unpacked(w, state[f"{name}.scales"]) if f"{name}.scales" in state else w.float()
        for name, w in state.items()
        if not name.endswith(".scales")
    }
    config = AutoConfig.from_pretrained(folder, attn_implementation="eager")
    model = AutoModelForSequenceClassification.from_config(config)
    missing = model.load_state_dict(full, strict=False)
    assert not missing.unexpected_keys and all("position_ids" in key for key in missing.missing_keys), missing
    return model


def trained(name):
    """The golden files of a trained model, which has its own tokenizer."""
    folder = MODELS / name
    config = json.loads((folder / "config.json").read_text())
    length = most_tokens(config)
    bert = config["model_type"] == "bert"
    pad = None if bert else config["pad_token_id"]
    spelled = lambda text: family_tokenizers.spelled(text, "bert-uncased") if bert else text
    encoded = tokens(name, folder / "tokenizer.json", [length], pad, spelled)[length]
    files = ("config.json", "model.safetensors", "tokenizer.json")
    sha256 = {f: hashlib.sha256((folder / f).read_bytes()).hexdigest() for f in files}
    source = {"directory": f"models/{name}", "tokens": f"tokens-{name}.json", "sha256": sha256}
    golden(name, expanded(folder), config, encoded, source, TRAINED[name])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=[*RANDOM_MODELS, *FAMILY_MODELS, *TRAINED])
    only = parser.parse_args().only
    torch.set_num_threads(2)

    if only is None:
        train_tokenizer()
        family_tokenizers.train()
        pairs = [{"kind": kind, "instruction": a, "response": b} for kind, a, b in texts.pairs()]
        write(HERE / "pairs.json", {"magic": "cappy-golden-pairs", "pairs": pairs}, a_line_each=["pairs"])
        random_values()
    names = only or [*RANDOM_MODELS, *FAMILY_MODELS, *TRAINED]
    by_length = random_tokens() if set(names) & set(RANDOM_MODELS) else {}
    by_model = family_tokens(names)
    for name in names:
        if name in TRAINED:
            trained(name)
            continue
        if name in FAMILY_MODELS:
            config, seed, tokenizer = FAMILY_MODELS[name]
            source = {"seed": seed, "profile": "plain", "tokens": f"tokens-{tokenizer}.json"}
            source["tokenizer"] = f"tokenizers/{tokenizer}.json"
            model = random_model(config, seed, "plain")
            golden(name, model, config, by_model[name], source, {"of_std": BOUND})
            continue
        config, seed, profile = RANDOM_MODELS[name]
        source = {"seed": seed, "profile": profile, "tokens": "tokens-random.json"}
        encoded = by_length[most_tokens(config)]
        bound = {"of_std": DEEP_BOUND if name == "deep" else BOUND}
        golden(name, random_model(config, seed, profile), config, encoded, source, bound)


if __name__ == "__main__":
    main()
