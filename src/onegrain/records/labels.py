"""A layer of one label per word, as a corpus holds them by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from onegrain.errors import LabelError
from onegrain.records.sentences import label_texts

__all__ = ["UNLABELLED", "LabelLayer"]

UNLABELLED = -1
"""Code of a word that has no label in a layer."""


@dataclass(frozen=True, eq=False)
class LabelLayer:
    """A layer of one label per word.

    Attributes:
        name: the layer's name, e.g. ``upos``.
        codes: int32 (words,), positions in ``vocabulary``; ``UNLABELLED`` (-1) where a word has no label.
        vocabulary: the labels, sorted.
    """

    name: str
    codes: np.ndarray
    vocabulary: tuple[str, ...]

    def __post_init__(self) -> None:
        if not all(isinstance(label, str) for label in self.vocabulary):
            raise LabelError(
                f"layer {self.name!r}: the vocabulary must be text, got {self.vocabulary}; "
                "LabelLayer.from_labels takes labels of other types"
            )

    @classmethod
    def from_labels(cls, name: str, labels: Iterable[Any]) -> LabelLayer:
        """Build a layer from one label per word; None leaves a word unlabelled.

        Labels of any scalar type become text, see :func:`onegrain.core.scalars.label_text`.

        Raises:
            LabelError: a label is not a scalar; the message names the word.
        """
        texts = label_texts(name, labels)
        vocabulary = tuple(sorted({label for label in texts if label is not None}))
        number = {label: code for code, label in enumerate(vocabulary)}
        codes = [UNLABELLED if label is None else number[label] for label in texts]
        return cls(name, np.array(codes, dtype=np.int32), vocabulary)

    @classmethod
    def of_sentences(cls, name: str, labels: Sequence[Any], offsets: np.ndarray) -> LabelLayer:
        """Build a layer from one label per sentence, which labels every word of the sentence.

        Args:
            name: the layer's name.
            labels: one per sentence; None leaves its words unlabelled.
            offsets: int64 (sentences + 1,), those of the corpus.

        Raises:
            LabelError: there is not one label for each sentence, or one is not a scalar.
        """
        if len(labels) != len(offsets) - 1:
            raise LabelError(f"layer {name!r} has {len(labels)} labels for {len(offsets) - 1} sentences")
        lengths = np.diff(offsets).tolist()
        return cls.from_labels(
            name, [label for label, length in zip(labels, lengths, strict=True) for _ in range(length)]
        )

    def labels(self, start: int = 0, stop: int | None = None) -> list[str | None]:
        """Return one label per word, of all or of those from ``start`` to ``stop``; None without a label."""
        return [None if code < 0 else self.vocabulary[code] for code in self.codes[start:stop].tolist()]

    def counts(self) -> dict[str, int]:
        """Return the number of words of each label."""
        counts = np.bincount(self.codes[self.codes >= 0], minlength=len(self.vocabulary))
        return dict(zip(self.vocabulary, counts.tolist(), strict=True))

    def take(self, words: np.ndarray) -> LabelLayer:
        """Return the layer of some words (int64 indices), without labels that none of them has."""
        codes = self.codes[words]
        kept = np.unique(codes[codes >= 0])
        renumber = np.full(len(self.vocabulary) + 1, UNLABELLED, dtype=np.int32)
        renumber[kept] = np.arange(kept.size, dtype=np.int32)
        return LabelLayer(self.name, renumber[codes], tuple(self.vocabulary[code] for code in kept))
