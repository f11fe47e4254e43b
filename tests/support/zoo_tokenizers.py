"""The tokenizers of the zoo: classes of transformers, trained on a few sentences."""

from __future__ import annotations

import io
import json
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sentencepiece
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import (
    BartTokenizer,
    BertTokenizer,
    DistilBertTokenizer,
    GemmaTokenizer,
    GPT2Tokenizer,
    GPTNeoXTokenizer,
    LlamaTokenizer,
    MarianTokenizer,
    MBartTokenizer,
    Qwen2Tokenizer,
    RobertaTokenizer,
    T5Tokenizer,
    XLMRobertaTokenizer,
)
from transformers.models.mbart.tokenization_mbart import FAIRSEQ_LANGUAGE_CODES

from support.tiny import SENTENCES, TRANSLATIONS

__all__ = ["SCRIPTS", "TOKENIZERS", "marian_tokenizer"]

SCRIPTS = [
    "我 喜欢 自然 语言 处理 。",
    "東京 で 寿司 を 食べ た 。",
    "nice 🙂 👩‍👩‍👧 party 🎉 !",
    "cafe\u0301 nai\u0308ve re\u0301sume\u0301 Stra\u00dfe .",
    "שלום עולם , מה שלומך ?",
    "اللغة العربية جميلة جدا .",
]
"""Sentences in other scripts: CJK, emoji, combining characters, right to left."""

KNOWN = [*SENTENCES, *TRANSLATIONS, *SCRIPTS[3:5]]
"""The sentences that the tokenizers are trained on; CJK, emoji and Arabic are unknown to them."""

SIZE = 200
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def _trained(model: Any, trainer: Any, pre_tokenizer: Any) -> dict[str, Any]:
    """Train a tokenizer, and return the model part of its tokenizer.json."""
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.train_from_iterator(KNOWN, trainer)
    return json.loads(tokenizer.to_str())["model"]


def word_piece(kind: Any) -> Any:
    """Return BERT's tokenizer with all letters and frequent letter pairs (its trainer draws ids at random)."""
    plain = normalizers.BertNormalizer().normalize_str(" ".join(KNOWN))
    words = [word for word, _ in pre_tokenizers.BertPreTokenizer().pre_tokenize_str(plain)]
    counts = Counter(
        ("##" if start else "") + word[start : start + length]
        for word in words
        for length in (1, 2)
        for start in range(len(word) - length + 1)
    )
    pieces = [
        piece for piece, count in sorted(counts.items()) if count > 2 or len(piece.removeprefix("##")) == 1
    ]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return kind(vocab={piece: number for number, piece in enumerate([*special, *pieces])})


def byte_level(kind: Any, special: list[str], **options: Any) -> Any:
    """Return a byte-level BPE tokenizer: GPT-2, RoBERTa, GPT-NeoX, Qwen, BART."""
    trainer = trainers.BpeTrainer(
        vocab_size=256 + len(special) + 60,
        special_tokens=special,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    trained = _trained(models.BPE(), trainer, pre_tokenizers.ByteLevel(add_prefix_space=True))
    return kind(vocab=trained["vocab"], merges=[tuple(pair) for pair in trained["merges"]], **options)


def byte_fallback(kind: Any, special: list[str], **options: Any) -> Any:
    """Return a SentencePiece-like BPE tokenizer that spells unknown characters in bytes: Llama, Gemma."""
    trainer = trainers.BpeTrainer(
        vocab_size=256 + len(special) + 120,
        special_tokens=[*special, *BYTES],
        show_progress=False,
    )
    pre = pre_tokenizers.Metaspace(prepend_scheme="always")
    trained = _trained(models.BPE(), trainer, pre)
    return kind(vocab=trained["vocab"], merges=[tuple(pair) for pair in trained["merges"]], **options)


def unigram(kind: Any, special: list[str], after: list[str], **options: Any) -> Any:
    """Return a unigram tokenizer whose words begin with a mark: XLM-R, T5, mBART."""
    trainer = trainers.UnigramTrainer(
        vocab_size=SIZE, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    pre = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    trained = _trained(models.Unigram(), trainer, pre)
    return kind(vocab=[*map(tuple, trained["vocab"]), *((piece, 0.0) for piece in after)], **options)


def marian_tokenizer(folder: Path) -> MarianTokenizer:
    """Return a tokenizer with two SentencePiece models and one vocabulary, as in the Helsinki models."""
    folder.mkdir(parents=True, exist_ok=True)
    pieces: dict[str, None] = {}
    for name, text in (("source", KNOWN), ("target", TRANSLATIONS)):
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_repeated(text),
            model_writer=model,
            vocab_size=120,
            character_coverage=0.98,
            hard_vocab_limit=False,
            minloglevel=2,
        )
        (folder / f"{name}.spm").write_bytes(model.getvalue())
        processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
        pieces |= dict.fromkeys(
            processor.id_to_piece(number) for number in range(3, processor.get_piece_size())
        )
    vocabulary = {piece: number for number, piece in enumerate(["</s>", "<unk>", *pieces, "<pad>"])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Recommended: pip install sacremoses")
        return MarianTokenizer(
            source_spm=str(folder / "source.spm"),
            target_spm=str(folder / "target.spm"),
            vocab=str(folder / "vocab.json"),
            source_lang="en",
            target_lang="de",
            model_max_length=10**9,
        )


def _repeated(text: list[str]) -> Iterator[str]:
    for _ in range(20):
        yield from text


FAIRSEQ = ["<s>", "<pad>", "</s>", "<unk>"]
END = "<|endoftext|>"

TOKENIZERS = {
    "bert": lambda: word_piece(BertTokenizer),
    "distilbert": lambda: word_piece(DistilBertTokenizer),
    "roberta": lambda: byte_level(RobertaTokenizer, [*FAIRSEQ, "<mask>"]),
    "xlm-roberta": lambda: unigram(XLMRobertaTokenizer, FAIRSEQ, ["<mask>"]),
    "gpt2": lambda: byte_level(GPT2Tokenizer, [END]),
    "gpt_neox": lambda: byte_level(GPTNeoXTokenizer, [END, "<|padding|>"]),
    "llama": lambda: byte_fallback(LlamaTokenizer, ["<unk>", "<s>", "</s>"], add_bos_token=True),
    "qwen2": lambda: byte_level(Qwen2Tokenizer, [END]),
    "gemma": lambda: byte_fallback(
        GemmaTokenizer, ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"], add_bos_token=True
    ),
    "t5": lambda: unigram(T5Tokenizer, ["<pad>", "</s>", "<unk>"], [], extra_ids=0),
    "bart": lambda: byte_level(BartTokenizer, [*FAIRSEQ, "<mask>"]),
    "mbart": lambda: unigram(
        MBartTokenizer, FAIRSEQ, [*FAIRSEQ_LANGUAGE_CODES, "<mask>"], src_lang="en_XX", tgt_lang="de_DE"
    ),
}
"""Kind -> function that builds the tokenizer; Marian's is built from files instead."""
