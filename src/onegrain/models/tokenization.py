"""A subword vocabulary trained on a corpus, as a Hugging Face tokenizer."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from onegrain.core.corpus import Corpus

__all__ = ["SPECIAL_TOKENS", "train_tokenizer"]

SPECIAL_TOKENS = ("<pad>", "<s>", "</s>", "<unk>")
"""Special subwords, by id."""


def train_tokenizer(
    corpora: Iterable[Corpus], vocab_size: int, *, starts_with_bos: bool, max_length: int
) -> PreTrainedTokenizerFast:
    """Train byte-pair encoding on the words of some corpora.

    A word starts with the mark ``▁``, so that words and subwords align whatever their script. A character
    that training did not see becomes ``<unk>``.

    Args:
        corpora: the sides whose words share the vocabulary.
        vocab_size: subwords, the four special ones included.
        starts_with_bos: put ``<s>`` before each sentence (language models); ``</s>`` always ends it.
        max_length: longest sentence in subwords that the model was made for.
    """
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        limit_alphabet=1000,
        show_progress=False,
    )
    tokenizer.train_from_iterator(chain.from_iterable(corpus.texts() for corpus in corpora), trainer)
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
