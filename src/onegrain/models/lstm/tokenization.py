"""Train a subword vocabulary on a corpus and return it as a Hugging Face tokenizer."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from onegrain.records.corpus import Corpus

__all__ = ["SPECIAL_TOKENS", "train_tokenizer"]

ALPHABET = 1000
WORD_START = "▁"
SPECIAL_TOKENS = ("<pad>", "<s>", "</s>", "<unk>")
"""Special subwords, by id."""


def train_tokenizer(
    corpora: Iterable[Corpus], vocab_size: int, *, starts_with_bos: bool, max_length: int
) -> PreTrainedTokenizerFast:
    """Train byte-pair encoding on the words of some corpora.

    A word starts with the mark ``▁``, so that words and subwords align in every script. A character that does
    not occur in training becomes ``<unk>``.

    Args:
        corpora: the sides whose words share the vocabulary.
        vocab_size: number of subwords, including the four special ones.
        starts_with_bos: True to put ``<s>`` before each sentence (language models); ``</s>`` always ends it.
        max_length: largest number of subwords in a sentence.
    """
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    sides = tuple(corpora)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        limit_alphabet=ALPHABET,
        initial_alphabet=_alphabet(_lines(sides)),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_lines(sides), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>" if starts_with_bos else "$A </s>",
        special_tokens=[("<s>", 1), ("</s>", 2)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=max_length,
        padding_side="right",
        clean_up_tokenization_spaces=False,
    )


def _lines(corpora: Iterable[Corpus]) -> Iterator[str]:
    return (text for corpus in corpora for text in corpus.texts())


def _alphabet(lines: Iterable[str]) -> list[str]:
    """Return the characters to keep if a corpus has too many, the most frequent first; else an empty list.

    The trainer also keeps the most frequent ones, but breaks ties differently in each process.
    """
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(unicodedata.normalize("NFC", line))
    for mark in (" ", WORD_START):
        counts.pop(mark, None)
    if len(counts) < ALPHABET:
        return []
    kept = sorted(counts, key=lambda character: (-counts[character], character))
    return [WORD_START, *kept[: ALPHABET - 1]]
