"""The documents of a corpus as running text, with the place of each word in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from onegrain.records.corpus import Corpus
from onegrain.records.running_text import Form

__all__ = ["Document", "document_corpus", "documents_of"]


@dataclass(frozen=True, eq=False)
class Document:
    """The running text of a document.

    Attributes:
        text: the sentences, joined.
        starts: int64 (words,), the first character of each word.
        ends: int64 (words,), the character after each word; not below that of an earlier word.
    """

    text: str
    starts: np.ndarray
    ends: np.ndarray

    def word_at(self, start: int, stop: int) -> int:
        """Return the word that begins in or covers the characters ``start:stop``, or -1 for white space."""
        word = int(np.searchsorted(self.ends, start, side="right"))
        return word if word < len(self.starts) and self.starts[word] < stop else -1


def documents_of(corpus: Corpus, separator: str = "\n") -> list[Document]:
    """Return each document of a corpus as running text.

    The separator stands between two sentences, unless the running text of the second begins with white space,
    as it does in text that was read with the format ``text``.
    """
    forms = corpus.forms()
    return [
        _joined(
            [
                [Form(word) for word in corpus.sentence(number)] if forms is None else list(forms[number])
                for number in range(start, stop)
            ],
            separator,
        )
        for start, stop in pairwise(corpus.documents.tolist())
    ]


def document_corpus(corpus: Corpus) -> Corpus:
    """Return the same words with one sentence for each document."""
    offsets = corpus.offsets[corpus.documents] if corpus.n_sentences else corpus.offsets
    return replace(corpus, offsets=offsets, target=None, document_of=None)


def _joined(sentences: list[list[Form]], separator: str) -> Document:
    parts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    length = 0
    for text, start in _pieces(sentences, separator):
        if start is not None:
            starts.append(length + start)
            ends.append(max(length + len(text.rstrip()), ends[-1] if ends else 0))
        parts.append(text)
        length += len(text)
    return Document("".join(parts), np.array(starts, dtype=np.int64), np.array(ends, dtype=np.int64))


def _pieces(sentences: list[list[Form]], separator: str) -> Iterator[tuple[str, int | None]]:
    """Yield the pieces of the text; for a word also its first character that is not white space."""
    begun = False
    for sentence in sentences:
        if begun and sentence and not sentence[0].text[:1].isspace():
            yield separator, None
        for place, form in enumerate(sentence):
            yield form.text, len(form.text) - len(form.text.lstrip())
            if form.space and place < len(sentence) - 1:
                yield " ", None
        begun = begun or bool(sentence)
