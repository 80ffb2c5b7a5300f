"""What the tests share: models of the repository, golden pairs, and the command line."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cappy import Scorer
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[3]
# What most tests load: a batch of it takes a tenth of the default model's time.
MINI = ROOT / "models/cappy-mini"


# How tests/golden/make_golden.py spells the special tokens in texts for a BERT.
OF_BERT = {"</s>": "[SEP]", "<s>": "[CLS]", "<pad>": "[PAD]", "<unk>": "[UNK]", "<mask>": "[MASK]"}


def golden_pairs(model: str = "cappy-mini") -> list[tuple[str, str]]:
    """The pairs that transformers has scored by the model."""
    text = (ROOT / "tests/golden/pairs.json").read_text("utf8")
    for token, of_bert in OF_BERT.items() if model == "cappy-small" else ():
        text = text.replace(token, of_bert)
    return [(pair["instruction"], pair["response"]) for pair in json.loads(text)["pairs"]]


def golden_of(model: str) -> dict[str, Any]:
    """What transformers gave for them, and how far from it a score may be."""
    golden: dict[str, Any] = json.loads((ROOT / f"tests/golden/models/{model}.json").read_text("utf8"))
    return golden


def command_line(pairs: list[tuple[str, str]], *options: str) -> NDArray[np.float32]:
    """The scores that the command line writes."""
    binary = os.environ.get("CAPPY", str(ROOT / "target/debug/cappy"))
    lines = "".join(json.dumps({"instruction": a, "response": b}) + "\n" for a, b in pairs)
    ran = subprocess.run([binary, "score", *options], input=lines.encode(), stdout=subprocess.PIPE, check=True)
    scores = [json.loads(line)["score"] for line in ran.stdout.decode().splitlines()]
    return np.array(scores, np.float32)


def bits(scores: NDArray[np.float32]) -> list[int]:
    """Each score's bits, which are equal or not."""
    assert scores.dtype == np.float32
    integers: list[int] = np.ascontiguousarray(scores).view(np.uint32).tolist()
    return integers


def write_safetensors(file: Path, tensors: dict[str, tuple[str, list[int], bytes]]) -> None:
    """Writes tensors, each by its type, shape and bytes."""
    header: dict[str, Any] = {}
    at = 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    parts = (len(text).to_bytes(8, "little"), text, *(data for _, _, data in tensors.values()))
    file.write_bytes(b"".join(parts))


@pytest.fixture(scope="session")
def mini() -> Iterator[Scorer]:
    """cappy-mini on the CPU."""
    with Scorer.load(MINI, device="cpu") as scorer:
        yield scorer


@pytest.fixture(scope="session")
def three_labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """cappy-mini with a head of three labels."""
    folder = tmp_path_factory.mktemp("three-labels")
    config = json.loads((MINI / "config.json").read_text())
    config["id2label"] = {"0": "no", "1": "maybe", "2": "yes"}
    config["label2id"] = {"no": 0, "maybe": 1, "yes": 2}
    del config["problem_type"], config["num_labels"]
    (folder / "config.json").write_text(json.dumps(config))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((MINI / name).read_bytes())

    stored = (MINI / "model.safetensors").read_bytes()
    size = int.from_bytes(stored[:8], "little")
    header = json.loads(stored[8 : 8 + size])
    tensors: dict[str, tuple[str, list[int], bytes]] = {}
    for name, tensor in header.items():
        if name == "__metadata__":
            continue
        begin, end = tensor["data_offsets"]
        data = stored[8 + size + begin : 8 + size + end]
        shape = tensor["shape"]
        if name.startswith("classifier.out_proj"):
            # The first and the last label are the one that there was, the other is always 0.
            data = data + bytes(len(data)) + data
            shape = [3, *shape[1:]]
        tensors[name] = (tensor["dtype"], shape, data)
    write_safetensors(folder / "model.safetensors", tensors)
    return folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of a small shape with cappy-mini's tokenizer: thousands of pairs a second."""
    folder = tmp_path_factory.mktemp("tiny")
    config = json.loads((MINI / "config.json").read_text())
    config |= {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    (folder / "config.json").write_text(json.dumps(config))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((MINI / name).read_bytes())
    shapes = {
        "embeddings.word_embeddings.weight": [config["vocab_size"], 32],
        "embeddings.position_embeddings.weight": [config["max_position_embeddings"], 32],
        "embeddings.token_type_embeddings.weight": [config["type_vocab_size"], 32],
        "encoder.layer.0.intermediate.dense.weight": [64, 32],
        "encoder.layer.0.intermediate.dense.bias": [64],
        "encoder.layer.0.output.dense.weight": [32, 64],
        "encoder.layer.0.output.dense.bias": [32],
    }
    for each in ("self.query", "self.key", "self.value", "output.dense"):
        shapes[f"encoder.layer.0.attention.{each}.weight"] = [32, 32]
        shapes[f"encoder.layer.0.attention.{each}.bias"] = [32]
    for each in ("embeddings", "encoder.layer.0.attention.output", "encoder.layer.0.output"):
        shapes[f"{each}.LayerNorm.weight"] = shapes[f"{each}.LayerNorm.bias"] = [32]
    named = {f"roberta.{name}": shape for name, shape in shapes.items()}
    named |= {"classifier.dense.weight": [32, 32], "classifier.dense.bias": [32]}
    named |= {"classifier.out_proj.weight": [1, 32], "classifier.out_proj.bias": [1]}
    random = np.random.default_rng(22)
    tensors = {
        name: ("F32", shape, random.normal(0, 0.3, shape).astype("<f4").tobytes()) for name, shape in named.items()
    }
    write_safetensors(folder / "model.safetensors", tensors)
    return folder
