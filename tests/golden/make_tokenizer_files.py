"""Makes tokenizer-files.json: ids that transformers gives for folders with the files of a tokenizer.

Run by hand, after changing a case, a text or a tokenizer that they build on:

    pip install transformers tokenizers sentencepiece protobuf
    python tests/golden/make_tokenizer_files.py

src/tokenizer/file_tests.rs makes the same folders and compares. A case names a tokenizer.json to
build on (`base`), what is changed of it (`change`: an object is merged, anything else replaces),
in which form its vocabulary is written (`form`), and the files beside it. The SentencePiece model
is written here, from tokenizers/xlm-roberta.json, because Protocol Buffers should be written by
their own library.
"""

import base64
import json
import tempfile
from pathlib import Path

import transformers
from sentencepiece import sentencepiece_model_pb2
from transformers import AutoTokenizer

HERE = Path(__file__).resolve().parent
BASES = {
    "roberta": HERE.parent / "fixtures" / "tokenizer" / "tokenizer.json",
    "bert-uncased": HERE / "tokenizers" / "bert-uncased.json",
    "bert-cased": HERE / "tokenizers" / "bert-cased.json",
    "xlm-roberta": HERE / "tokenizers" / "xlm-roberta.json",
}
SENTENCE_PIECE = HERE / "tokenizers" / "sentencepiece.bpe.model"
# What the model allows; the files may allow less.
MAX_TOKENS = 40

TEXTS = [
    ("The cat likes a map.", "Anna sees THE RIVER"),
    ("", "caf\u00e9 CAF\u00c9 e\u0301"),
    ("  two  spaces ", "a <mask> b  <mask>"),
    ("a<user>b <USER> <bot>", "x <bot> y<bot>"),
    ("[MASK] [SEP] </s> <s>", "<unk> [UNK] [mask]"),
    ("\u732b\u304c\u597d\u304d \uff21\u00bd\u2460", "cats category cat Cat"),
    ("tab\there\u00a0nbsp \u0001", "<img> <x>\n<x> end"),
    ("one two three four five six seven eight nine ten " * 2, "a b c d e f g h i j k l m n o p"),
]


def special(content, **flags):
    usual = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
    return {"content": content, **usual, **flags}


def cases():
    """(name, base, form, model_type, change of tokenizer.json, files)"""
    config = "tokenizer_config.json"
    mask = special("<mask>", lstrip=True)
    roberta = {str(i): special(name) for i, name in enumerate(["<s>", "<pad>", "</s>", "<unk>"])}
    size = len(json.loads(BASES["roberta"].read_text())["model"]["vocab"])
    more = {
        str(size): special("<user>", special=False, normalized=True, rstrip=True),
        str(size + 1): special("cat", special=False, single_word=True),
        str(size + 2): special("<bot>", lstrip=True),
    }
    byte_level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    return [
        ("nothing beside it", "roberta", "json", "roberta", {}, {}),
        ("a prefix space in the settings", "roberta", "json", "roberta", {}, {config: {"add_prefix_space": True}}),
        ("a prefix space in tokenizer.json alone", "roberta", "json", "roberta",
         {"pre_tokenizer": {"add_prefix_space": True}}, {config: {"tokenizer_class": "RobertaTokenizerFast"}}),
        ("no file but the vocabulary", "roberta", "vocab", "roberta", {}, {}),
        ("a mask with its space", "roberta", "vocab", "roberta", {},
         {config: {"mask_token": {"__type": "AddedToken", **mask, "normalized": True}, "add_prefix_space": True}}),
        ("the older files", "roberta", "vocab", "roberta", {},
         {"special_tokens_map.json": {"mask_token": {k: v for k, v in mask.items() if k != "special"},
                                      "additional_special_tokens": ["<user>"]},
          "added_tokens.json": {"<bot>": size + 1, "<user>": size}}),
        ("added tokens by id", "roberta", "vocab", "roberta", {}, {config: {"added_tokens_decoder": {**roberta, **more}}}),
        ("added tokens by id in place of tokenizer.json's", "roberta", "json", "roberta",
         {"added_tokens": [special("<x>", id=size)]},
         {config: {"added_tokens_decoder": {**roberta, **more}},
          "added_tokens.json": {"<x>": size}, "special_tokens_map.json": {"sep_token": "<unk>"}}),
        ("tokens without an id", "roberta", "json", "roberta", {},
         {config: {"additional_special_tokens": ["<user>", special("<x>", rstrip=True, __type="AddedToken")],
                   "image_token": "<img>"}}),
        ("other tokens around the texts", "roberta", "json", "roberta", {},
         {config: {"cls_token": "<mask>", "sep_token": "<unk>"}}),
        ("a short pair", "roberta", "json", "roberta", {}, {config: {"model_max_length": 11}}),
        ("a short pair that keeps its end", "roberta", "json", "roberta", {},
         {config: {"max_len": 10, "truncation_side": "left"}}),
        ("no limit", "roberta", "json", "roberta", {}, {config: {"model_max_length": int(1e30)}}),
        ("the end is kept by tokenizer.json", "roberta", "json", "roberta",
         {"truncation": {"max_length": 6, "strategy": "LongestFirst", "stride": 0, "direction": "Left"}}, {}),
        ("special tokens as text", "roberta", "json", "roberta", {}, {config: {"split_special_tokens": True}}),
        ("a class that takes tokenizer.json as it is", "roberta", "json", "roberta",
         {"pre_tokenizer": byte_level},
         {config: {"tokenizer_class": "PreTrainedTokenizerFast", "add_prefix_space": False, "cls_token": "<mask>",
                   "added_tokens_decoder": more}}),
        ("a file of old tokenizers", "roberta", "json", "roberta", {"model": {"type": None}}, {}),
        ("no layout in tokenizer.json", "roberta", "json", "roberta", {"post_processor": None}, {}),
        ("added_tokens.json beside tokenizer.json", "roberta", "json", "roberta", {},
         {"added_tokens.json": {"<user>": size}}),
        ("BERT alone", "bert-uncased", "json", "bert", {}, {}),
        ("BERT that keeps capitals by the settings", "bert-uncased", "json", "bert", {},
         {config: {"do_lower_case": False, "tokenizer_class": "BertTokenizer"}}),
        ("BERT that keeps capitals by tokenizer.json alone", "bert-cased", "json", "bert", {}, {}),
        ("BERT that keeps accents", "bert-uncased", "json", "bert", {}, {config: {"strip_accents": False}}),
        ("BERT that strips accents alone", "bert-cased", "json", "bert", {},
         {config: {"strip_accents": True, "do_lower_case": False}}),
        ("BERT without spaces around Chinese", "bert-uncased", "json", "bert", {},
         {config: {"tokenize_chinese_chars": False}}),
        ("BERT's vocab.txt", "bert-uncased", "vocab", "bert", {}, {}),
        ("BERT's vocab.txt with settings", "bert-cased", "vocab", "bert", {},
         {config: {"do_lower_case": False, "model_max_length": 20}}),
        ("DistilBERT's vocab.txt", "bert-uncased", "vocab", "distilbert", {},
         {config: {"tokenizer_class": "DistilBertTokenizer", "mask_token": special("[MASK]", lstrip=True, __type="AddedToken")}}),
        ("an old file of BERT", "bert-uncased", "json", "bert", {"model": {"type": None}}, {}),
        ("BERT without token types", "bert-uncased", "json", "bert", {}, {config: {"model_input_names": ["input_ids"]}}),
        ("BERT as tokenizer.json has it", "bert-cased", "json", "bert", {},
         {config: {"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": True}}),
        ("BERT as tokenizer.json has it, with types", "bert-cased", "json", "bert", {},
         {config: {"tokenizer_class": "PreTrainedTokenizerFast",
                   "model_input_names": ["input_ids", "token_type_ids"]}}),
        ("BERT's added tokens", "bert-uncased", "json", "bert", {},
         {"added_tokens.json": {"Cat": 1200, "<bot>": 1201}, "special_tokens_map.json": {"unk_token": "[MASK]"}}),
        ("XLM-RoBERTa alone", "xlm-roberta", "json", "xlm-roberta", {}, {}),
        ("XLM-RoBERTa without a prefix", "xlm-roberta", "json", "xlm-roberta", {}, {config: {"add_prefix_space": False}}),
        ("a SentencePiece model", "xlm-roberta", "vocab", "xlm-roberta", {}, {}),
        ("a SentencePiece model with settings", "xlm-roberta", "vocab", "xlm-roberta", {},
         {config: {"tokenizer_class": "XLMRobertaTokenizer", "add_prefix_space": False, "truncation_side": "left"},
          "special_tokens_map.json": {"mask_token": mask, "additional_special_tokens": ["<user>"]}}),
        ("RoBERTa's layers with XLM-RoBERTa's tokenizer", "xlm-roberta", "json", "roberta", {},
         {config: {"tokenizer_class": "XLMRobertaTokenizer", "eos_token": "<unk>"}}),
    ]


def merge(target, change):
    """Changes a tokenizer.json; `type: None` takes the type away."""
    for key, value in change.items():
        if key == "type" and value is None:
            del target[key]
        elif isinstance(value, dict) and isinstance(target.get(key), dict):
            merge(target[key], value)
        else:
            target[key] = value


def write_sentence_piece():
    """The pieces of tokenizers/xlm-roberta.json as SentencePiece has them, with one of a user's own."""
    file = json.loads(BASES["xlm-roberta"].read_text(encoding="utf-8"))
    proto = sentencepiece_model_pb2.ModelProto()
    kinds = sentencepiece_model_pb2.ModelProto.SentencePiece
    for name, kind in [("<unk>", kinds.UNKNOWN), ("<s>", kinds.CONTROL), ("</s>", kinds.CONTROL)]:
        proto.pieces.add(piece=name, score=0.0, type=kind)
    for name, score in file["model"]["vocab"][4:-1]:
        proto.pieces.add(piece=name, score=score)
    proto.pieces.add(piece="<bot>", score=0.0, type=kinds.USER_DEFINED)
    proto.trainer_spec.model_type = 1
    proto.trainer_spec.unk_id = 0
    proto.normalizer_spec.name = "user_defined"
    proto.normalizer_spec.precompiled_charsmap = base64.b64decode(file["normalizer"]["precompiled_charsmap"])
    SENTENCE_PIECE.write_bytes(proto.SerializeToString(deterministic=True))


def write(folder, base, form, model_type, change, files):
    file = json.loads(BASES[base].read_text(encoding="utf-8"))
    merge(file, change)
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    if form == "json":
        (folder / "tokenizer.json").write_text(json.dumps(file))
    elif base == "roberta":
        for name in ("vocab.json", "merges.txt"):
            (folder / name).write_bytes((BASES[base].parent / name).read_bytes())
    elif base == "xlm-roberta":
        (folder / SENTENCE_PIECE.name).write_bytes(SENTENCE_PIECE.read_bytes())
    else:
        vocab = file["model"]["vocab"]
        (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in sorted(vocab, key=vocab.get)))


def main():
    write_sentence_piece()
    lines = []
    for name, base, form, model_type, change, files in cases():
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), base, form, model_type, change, files)
            tokenizer = AutoTokenizer.from_pretrained(folder)
        most = min(tokenizer.model_max_length, MAX_TOKENS)
        # In a list, because a lone pair with an empty second text is taken for a single text.
        pairs = [tokenizer([pair], truncation=True, max_length=most) for pair in TEXTS]
        ids = [pair["input_ids"][0] for pair in pairs]
        types = [pair["token_type_ids"][0].count(1) if "token_type_ids" in pair else 0 for pair in pairs]
        case = {"name": name, "base": base, "form": form, "model_type": model_type, "change": change, "files": files}
        lines.append(json.dumps({**case, "ids": ids, "of_second_type": types}, separators=(",", ":")))
    about = f"made by tests/golden/make_tokenizer_files.py with transformers {transformers.__version__}"
    head = json.dumps({"about": about, "max_tokens": MAX_TOKENS, "texts": TEXTS})[:-1]
    (HERE / "tokenizer-files.json").write_text(head + ', "cases": [\n' + ",\n".join(lines) + "\n]}\n")
    print(f"{len(lines)} cases")


if __name__ == "__main__":
    main()
