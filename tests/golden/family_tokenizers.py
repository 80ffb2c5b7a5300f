"""Small tokenizers of XLM-RoBERTa's and BERT's make, trained on texts.corpus().

Called by make_golden.py, which says what it needs; this needs sentencepiece, too.
"""

import base64
import io
import unicodedata
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

import texts

HERE = Path(__file__).resolve().parent
NAMES = ("xlm-roberta", "xlm-roberta-m3", "bert-uncased", "bert-cased", "modernbert")
BRACKETS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def path(name):
    return HERE / "tokenizers" / f"{name}.json"


def rules():
    """A part of SentencePiece's nmt_nfkc, which whole would weigh 300 kB: lines of what a text of
    code points becomes."""
    ranges = [(0xA0, 0x250), (0x2000, 0x2070), (0x2100, 0x2190), (0x2460, 0x2474), (0x3000, 0x3001)]
    ranges += [(0xFB00, 0xFB07), (0xFF01, 0xFF5F)]
    table = {}
    for first, end in ranges:
        for code in range(first, end):
            whole = chr(code)
            if unicodedata.normalize("NFKC", whole) != whole:
                table[whole] = unicodedata.normalize("NFKC", whole)
            apart = unicodedata.normalize("NFD", whole)
            if len(apart) > 1 and unicodedata.normalize("NFKC", apart) != apart:
                table[apart] = unicodedata.normalize("NFKC", apart)
    for code in [*range(1, 9), 0xB, *range(0xE, 0x20), 0x7F, 0x200E, 0x200F, 0xAD]:
        table[chr(code)] = ""
    for code in (0x9, 0xA, 0xC, 0xD, 0x200B, 0x2028, 0x2029, 0xFEFF, 0xFFFD):
        table[chr(code)] = " "

    def codes(text):
        return " ".join(f"{ord(c):X}" for c in text)

    return "".join(f"{codes(source)}\t{codes(target)}\n" for source, target in sorted(table.items()))


def sentence_piece(folder):
    """The pieces after the special ones, and the compiled map of characters."""
    tsv = folder / "rules.tsv"
    tsv.write_text(rules())
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(line for text in texts.corpus() for line in text.split("\n") if line),
        model_writer=model,
        model_type="unigram",
        vocab_size=1200,
        character_coverage=0.9995,
        normalization_rule_tsv=str(tsv),
        num_threads=1,
        minloglevel=2,
    )
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(model.getvalue())
    pieces = [(piece.piece, piece.score) for piece in proto.pieces[3:]]
    return pieces, base64.b64encode(proto.normalizer_spec.precompiled_charsmap).decode()


def xlm_roberta(pieces, charsmap, m3):
    """As transformers converts XLM-RoBERTa's; with `m3` as bge-m3's file was converted."""
    specials = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    vocab = [*specials, *pieces, ("<mask>", 0.0)]
    tokenizer = Tokenizer(models.Unigram(vocab, unk_id=3, byte_fallback=False))
    metaspace = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    precompiled = normalizers.Precompiled(base64.b64decode(charsmap))
    if m3:
        spaces = normalizers.Replace(Regex(" {2,}"), "▁")
        strip = normalizers.Strip(left=False, right=True)
        tokenizer.normalizer = normalizers.Sequence([precompiled, strip, spaces])
        tokenizer.pre_tokenizer = metaspace
    else:
        tokenizer.normalizer = precompiled
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), metaspace])
    added = [AddedToken(name, special=True, normalized=False) for name, _ in specials]
    tokenizer.add_special_tokens([*added, AddedToken("<mask>", special=True, normalized=False, lstrip=True)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    return tokenizer


def bert(lowercase):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=1200, special_tokens=list(BRACKETS), show_progress=False)
    tokenizer.train_from_iterator(texts.corpus(), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return tokenizer


def modernbert():
    """Byte-level BPE with runs of spaces as tokens of their own, as ModernBERT's."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1400,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts.corpus(), trainer)
    runs = [AddedToken(" " * count, special=False, normalized=True) for count in range(24, 1, -1)]
    tokenizer.add_tokens([AddedToken("|||IP_ADDRESS|||", special=False, normalized=True), *runs])
    specials = [AddedToken(name, special=True, normalized=False, lstrip=name == "[MASK]") for name in BRACKETS]
    tokenizer.add_special_tokens(specials)
    ids = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:0 [SEP]:0", special_tokens=ids
    )
    return tokenizer


def train():
    path("").parent.mkdir(exist_ok=True)
    pieces, charsmap = sentence_piece(HERE / "tokenizers")
    (HERE / "tokenizers" / "rules.tsv").unlink()
    made = {
        "xlm-roberta": xlm_roberta(pieces, charsmap, m3=False),
        "xlm-roberta-m3": xlm_roberta(pieces, charsmap, m3=True),
        "bert-uncased": bert(lowercase=True),
        "bert-cased": bert(lowercase=False),
        "modernbert": modernbert(),
    }
    assert set(made) == set(NAMES)
    for name, tokenizer in made.items():
        tokenizer.save(str(path(name)), pretty=False)
        print(f"tokenizers/{name}.json: {path(name).stat().st_size / 1000:.1f} kB", flush=True)


def spelled(text, name):
    """BERT writes special tokens in another way; the pairs have RoBERTa's."""
    if name.startswith("bert") or name == "modernbert":
        for ours, theirs in zip(("<pad>", "<unk>", "<s>", "</s>", "<mask>"), BRACKETS):
            text = text.replace(ours, theirs)
    return text
