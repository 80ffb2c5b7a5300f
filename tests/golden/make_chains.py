"""Makes tests/golden/chains.json: what sentence-transformers scores with a `CrossEncoder` that is a chain of
modules (Transformer, Pooling, Dense, LayerNorm, Dense), as Ettin's rerankers are, and the small files of
its folder as it saves them.

Run by hand, after changing a chain, a text or the recipe of the random weights:

    pip install torch transformers==5.24.0 sentence-transformers==6.2.0 numpy
    python tests/golden/make_chains.py

Weights are not stored: those of `random_weights.py`, by the names that the tensors have in
`ModernBertForSequenceClassification`.
"""

import json
import tempfile
from pathlib import Path

import torch
from sentence_transformers import CrossEncoder
from sentence_transformers.base.modules import Dense, Transformer
from sentence_transformers.sentence_transformer.modules import Dropout, LayerNorm, Pooling
from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

import family_tokenizers
import random_weights
import texts

HERE = Path(__file__).resolve().parent
HOW = "made by tests/golden/make_chains.py, which says how to remake it"
TOKENIZER = "tokenizers/modernbert.json"
# Of the pairs of texts.py, so many are enough.
EVERY = 4


def ettin(width):
    return [
        Pooling(width, "cls"),
        Dense(width, width, bias=False, activation_function=torch.nn.GELU()),
        LayerNorm(width),
        Dense(width, 1, activation_function=torch.nn.Identity(), module_output_name="scores"),
    ]


def other(width):
    return [
        Pooling(width, "mean"),
        Dense(width, width, activation_function=torch.nn.ReLU()),
        LayerNorm(width),
        Dropout(0.5),
        Dense(width, 3, bias=False, activation_function=torch.nn.Identity(), module_output_name="scores"),
    ]


# name: (width, heads, ffn, layers, longest pair, modules, settings of CrossEncoder)
CHAINS = {
    "ettin": (96, 3, 160, 4, 256, ettin, {}),
    "other": (
        60,
        3,
        106,
        3,
        40,
        other,
        {
            "activation_fn": torch.nn.Identity(),
            "prompts": {"query": "Is it true? ", "none": ""},
            "default_prompt_name": "query",
        },
    ),
}


def fill(module, names):
    """Gives a module's tensors the numbers of those names."""
    state = {
        name: torch.from_numpy(random_weights.tensor(names(name), tuple(tensor.shape), 1))
        for name, tensor in module.state_dict().items()
    }
    module.load_state_dict(state)


def chain(width, heads, ffn, layers, longest, modules, settings):
    """A `CrossEncoder` with random weights."""
    config = AutoConfig.for_model(
        "modernbert",
        vocab_size=1500,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=ffn,
        max_position_embeddings=512,
        local_attention=24,
        pad_token_id=1424,
        cls_token_id=1426,
        sep_token_id=1427,
        bos_token_id=1426,
        eos_token_id=1427,
    )
    encoder = AutoModel.from_config(config)
    fill(encoder, lambda name: f"model.{name}")
    names = {f"{name.lower()}_token": f"[{name}]" for name in ("CLS", "SEP", "PAD", "UNK", "MASK")}
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(HERE / TOKENIZER), model_max_length=longest, **names)
    with tempfile.TemporaryDirectory() as folder:
        encoder.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        transformer = Transformer(folder)
    head = modules(width)
    for module, name in zip((m for m in head if list(m.parameters())), ("head.dense", "head.norm", "classifier")):
        fill(module, lambda tensor, name=name: f"{name}.{tensor.split('.')[-1]}")
    return CrossEncoder(modules=[transformer, *head], device="cpu", **settings)


def main():
    pairs = [[family_tokenizers.spelled(text, "modernbert") for text in pair[1:]] for pair in texts.pairs()][::EVERY]
    made = []
    for name, arguments in CHAINS.items():
        model = chain(*arguments)
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            files = sorted(Path(folder).rglob("*.json"))
            kept = [file for file in files if file.name != "tokenizer.json"]
            files = {str(file.relative_to(folder)): json.dumps(json.loads(file.read_text())) for file in kept}
            # As anybody loads it.
            model = CrossEncoder(folder, device="cpu")
            scores = model.predict(pairs, activation_fn=torch.nn.Identity(), batch_size=1)
        scores = [[float(f"{score:.9g}") for score in row] for row in scores.reshape(len(pairs), -1)]
        made.append(
            {"name": name, "files": files, "function": type(model.activation_fn).__name__, "scores": scores}
        )
        print(name, scores[:3], files.keys())
    fields = {"how": HOW, "seed": 1, "tokenizer": TOKENIZER, "pairs": pairs, "chains": made}
    (HERE / "chains.json").write_text(json.dumps(fields, indent=1) + "\n")


if __name__ == "__main__":
    main()
