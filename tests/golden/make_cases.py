"""Makes tests/golden/cases/variants.json: what transformers and sentence-transformers score where the
files of a case are changed. `expected.json` beside it came with the cases.

Run by hand, after changing a variant:

    pip install torch transformers==5.24.0 sentence-transformers==6.2.0
    python tests/golden/make_cases.py
"""

import json
import shutil
import tempfile
from pathlib import Path

import torch
from sentence_transformers import CrossEncoder
from transformers import AutoModelForSequenceClassification, AutoTokenizer

CASES = Path(__file__).resolve().parent / "cases"
HOW = "made by tests/golden/make_cases.py, which says how to remake it"

NAN = '"task_specific_params": {"a \\"NaN\\" \\\\": NaN, "b": [-Infinity, Infinity]}, "best_metric": NaN'


def with_fields(text, **fields):
    config = json.loads(text)
    for name, value in fields.items():
        if value is None:
            config.pop(name, None)
        else:
            config[name] = value
    return json.dumps(config)


def settings(length=128, **fields):
    """What CrossEncoder saves besides the model. It takes all 130 rows of RoBERTa's position table for
    tokens, and fails on a pair of more than 128, so that length is said."""
    return transformer(max_seq_length=length) | {
        "modules.json": json.dumps([
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"},
        ]),
        "config_sentence_transformers.json": json.dumps({"model_type": "CrossEncoder"} | fields),
    }


def transformer(**fields):
    return {"sentence_bert_config.json": json.dumps({"transformer_task": "sequence-classification"} | fields)}


def variants():
    """Name, case, what `config.json` becomes, and other files that are changed."""
    for act in ["gelu_python", "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "relu"]:
        for case in ["cfg-no-act", "cfg-no-eps-bert"]:
            yield f"{case} with {act}", case, lambda text, act=act: with_fields(text, hidden_act=act), {}
    for case in ["cfg-no-act", "cfg-no-eps-bert"]:
        yield f"{case} without architectures", case, lambda text: with_fields(text, architectures=None), {}
        yield f"{case} with labels that are numbers", case, lambda text: with_fields(text, id2label={"0": 7}), {}
        yield f"{case} with another number of labels", case, lambda text: with_fields(
            text, id2label={"0": "a", "1": "b"}, num_labels=1), {}
        yield f"{case} with constants of Python", case, lambda text: text.rstrip()[:-1] + ", " + NAN + "}", {}
    prompts = {"query": "Is the customer happy? ", "other": "no"}
    yield "a prompt by default", "cfg-no-act", None, settings(
        prompts=prompts, default_prompt_name="query", activation_fn="torch.nn.modules.linear.Identity")
    yield "prompts and none by default", "cfg-no-act", None, settings(prompts=prompts)
    yield "a prompt without modules.json", "cfg-no-act", None, {
        name: text for name, text in settings(prompts=prompts, default_prompt_name="query").items()
        if name != "modules.json"}
    yield "a shorter length", "cfg-no-act", None, settings(20)
    yield "a longer length than the tokenizer's", "st-max-length", None, transformer(max_seq_length=96)
    yield "a length for the tokenizer", "cfg-no-act", None, settings() | transformer(
        max_seq_length=90, tokenizer_args={"model_max_length": 24})
    yield "a prompt and a length", "cfg-no-eps-bert", None, settings(
        16, prompts=prompts, default_prompt_name="query")


def score(folder, files, pairs):
    if any(name.startswith("modules") for name in files) or (folder / "modules.json").exists():
        model = CrossEncoder(str(folder), device="cpu")
        scores = model.predict(pairs, activation_fn=torch.nn.Identity(), batch_size=1)
        return [[float(score)] for score in scores], type(model.activation_fn).__name__
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    scores = []
    with torch.no_grad():
        for first, second in pairs:
            # As lists: by itself an empty second text would count as none.
            tokens = tokenizer([first], [second], return_tensors="pt", truncation="longest_first", max_length=128)
            logits = model(**tokens).logits
            scores.append(logits[0].tolist())
    return scores, None


def main():
    expected = json.loads((CASES / "expected.json").read_text())
    weights = json.loads((CASES / "weights.json").read_text())
    pairs = expected["pairs"] + expected["others"]["st-max-length"]["pairs"][:5]
    made = []
    for name, case, change, files in variants():
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            shutil.copytree(CASES / case, folder, dirs_exist_ok=True)
            shutil.copy(CASES / "weights" / f"{weights[case]}.safetensors", folder / "model.safetensors")
            if change:
                files = {"config.json": change((folder / "config.json").read_text())}
            for file, text in files.items():
                (folder / file).write_text(text)
            scores, function = score(folder, files, pairs)
        made.append({"name": name, "case": case, "files": files, "function": function, "scores": scores})
        print(name, scores[0], function)
    text = json.dumps({"how": HOW, "pairs": pairs, "variants": made}, indent=1, ensure_ascii=False)
    (CASES / "variants.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
