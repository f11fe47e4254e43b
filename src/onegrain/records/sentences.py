"""Checks of lists of sentences and labels, and how they become the words and labels of a corpus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from sys import intern
from typing import Any

from onegrain.core.scalars import label_text, word_text
from onegrain.errors import CorpusError, LabelError

__all__ = ["is_listed", "label_texts", "require_labels", "require_sentences", "words_of"]


def label_texts(name: str, labels: Iterable[Any]) -> list[str | None]:
    """Return a layer's labels as text, None where one is missing; LabelError names the word of a bad one."""
    texts: list[str | None] = []
    for number, label in enumerate(labels):
        try:
            texts.append(label_text(label))
        except ValueError as fault:
            raise LabelError(f"layer {name!r}, word {number} (from 0): {fault}") from fault
    return texts


def words_of(sentences: Sequence[Sequence[str]], source: str) -> tuple[str, ...]:
    """Return the words of all sentences; CorpusError names the first that is not text."""
    words: list[str] = []
    for number, sentence in enumerate(sentences):
        if not _plain_text(sentence):
            for position, word in enumerate(sentence):
                try:
                    words.append(intern(word_text(word)))
                except ValueError as fault:
                    where = f"sentence {number}, word {position} (both from 0)"
                    raise CorpusError(f"{where}: {fault}", source) from fault
        else:
            words.extend(map(intern, sentence))
    return tuple(words)


def _plain_text(sentence: Sequence[str]) -> bool:
    try:
        "".join(sentence).encode()
    except (TypeError, UnicodeEncodeError):
        return False
    return all(type(word) is str for word in sentence)


def is_listed(value: Any) -> bool:
    """Return True for a sequence other than text, an array or a column of a table."""
    plain = not isinstance(value, str | bytes | bytearray | Mapping)
    return plain and hasattr(value, "__len__") and hasattr(value, "__getitem__") and hasattr(value, "__iter__")


def require_sentences(sentences: Sequence[Sequence[str]], source: str) -> None:
    """Check that the sentences are a list of lists."""
    if not is_listed(sentences):
        raise CorpusError(f"sentences must be a list of lists of words, got {type(sentences).__name__}", source)
    for number, sentence in enumerate(sentences):
        if isinstance(sentence, str):
            raise CorpusError(
                f"sentence {number} (from 0) is one string, {sentence[:40]!r}; give a list of its words", source
            )
        if not is_listed(sentence):
            raise CorpusError(
                f"sentence {number} (from 0) must be a list of words, got {type(sentence).__name__}", source
            )


def require_labels(name: str, labelled: Any, lengths: Sequence[int], source: str) -> None:
    """Check that a layer has a list of labels for every sentence and one label for every word."""
    if not is_listed(labelled) or len(labelled) != len(lengths):
        raise CorpusError(f"layer {name!r} does not have one list of labels for every sentence", source)
    for number, (labels, length) in enumerate(zip(labelled, lengths, strict=True)):
        if not is_listed(labels):
            raise CorpusError(f"layer {name!r}, sentence {number} (from 0): expected a list of labels", source)
        if len(labels) != length:
            raise CorpusError(
                f"layer {name!r} does not have one label for every word: sentence {number} (from 0) has "
                f"{length} words and {len(labels)} labels",
                source,
            )
