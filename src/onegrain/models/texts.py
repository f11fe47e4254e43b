"""Encode running text as it is, as the tokenizer does by itself, with the word of each subword."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from onegrain.models.batching import Encoded
from onegrain.models.limits import require_embedded, vocabulary_size
from onegrain.models.running import RunningModel
from onegrain.records.corpus import Corpus
from onegrain.records.documents import Document, document_corpus, documents_of

__all__ = ["EncodedText", "encode_documents", "encode_sentences"]


@dataclass(frozen=True)
class EncodedText(Encoded):
    """The subwords of a text.

    Attributes:
        special: for each subword, True if it is one that the tokenizer adds to the text.
    """

    special: tuple[bool, ...] = ()


def encode_documents(loaded: RunningModel, corpus: Corpus, separator: str) -> list[EncodedText]:
    """Return the subwords of each document as the tokenizer makes them from its running text.

    The special subwords are those that the tokenizer adds by itself. Words are those of the document, counted
    from its first; a subword belongs to the word that it begins in, and to -1 if it is white space, or if the
    tokenizer does not say where its subwords lie.
    """
    words = [list(sentence) for sentence in document_corpus(corpus).sentences()]
    return _encode(loaded, documents_of(corpus, separator), words)


def encode_sentences(loaded: RunningModel, corpus: Corpus) -> list[EncodedText]:
    """Return the subwords of each sentence as the tokenizer makes them from its running text.

    Unlike :meth:`RunningModel.encode`, which puts a space before the first word, this encodes a sentence as
    other programs do that score it alone. The words of a slow tokenizer's subwords are known only if each word
    is encoded as in running text, which is what it does then.
    """
    sentences = [list(sentence) for sentence in corpus.sentences()]
    if not loaded.tokenizer.is_fast:
        return [
            EncodedText(row.ids, row.word_of, row.shares, tuple(word < 0 for word in row.word_of))
            for row in loaded.encode(sentences, corpus.forms())
        ]
    apart = replace(corpus, target=None, document_of=np.arange(corpus.n_sentences, dtype=np.int64))
    return _encode(loaded, documents_of(apart), sentences)


def _encode(
    loaded: RunningModel, documents: Sequence[Document], words: Sequence[Sequence[str]]
) -> list[EncodedText]:
    fast = bool(loaded.tokenizer.is_fast)
    encoded = []
    for document in documents:
        encoding = loaded.tokenizer(
            document.text, verbose=False, return_offsets_mapping=fast, return_special_tokens_mask=True
        )
        ids = [int(subword) for subword in encoding["input_ids"]]
        special = tuple(bool(mark) for mark in encoding["special_tokens_mask"])
        spans = encoding["offset_mapping"] if fast else [(0, 0)] * len(ids)
        word_of = [
            -1 if mark or stop <= start else document.word_at(start, stop)
            for mark, (start, stop) in zip(special, spans, strict=True)
        ]
        encoded.append(EncodedText(ids, word_of, special=special))
    size = vocabulary_size(loaded.model)
    require_embedded(encoded, words, size, loaded.tokenizer, loaded.identity.id)
    return encoded
