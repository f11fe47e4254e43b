"""The words of a corpus as written in running text: the spelling of each, and the spaces between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from onegrain.errors import CorpusError

__all__ = ["Form", "RunningText"]


class Form(NamedTuple):
    """The form of one word in running text.

    Attributes:
        text: its characters. Words that are written together in a form that does not spell them one after
            another, as French ``de le`` is written ``du``, have that form at the first of them, and ``""`` at
            the others.
        space: True if a space follows.
    """

    text: str
    space: bool = True


@dataclass(frozen=True, eq=False)
class RunningText:
    """The forms of all words of a corpus.

    Attributes:
        texts: one per word; see :class:`Form`.
        spaces: bool (words,), whether a space follows each word.
    """

    texts: tuple[str, ...]
    spaces: np.ndarray

    @classmethod
    def of(cls, forms: Sequence[Form]) -> RunningText:
        """Build the record from one form per word."""
        return cls(tuple(form.text for form in forms), np.array([form.space for form in forms], dtype=bool))

    def require_length(self, words: int, source: str) -> None:
        """Raise CorpusError unless there is one form for each word."""
        if len(self.texts) != words or self.spaces.shape != (words,):
            raise CorpusError(f"{len(self.texts)} forms of running text for {words} words", source)

    def ended(self, offsets: np.ndarray) -> RunningText:
        """Return a copy in which a space follows the last word of every sentence."""
        spaces = self.spaces.copy()
        spaces[offsets[1:][np.diff(offsets) > 0] - 1] = True
        return replace(self, spaces=spaces)

    def says_more_than(self, words: Sequence[str]) -> bool:
        """Return True if the text differs from the words with a space after each."""
        return not self.spaces.all() or any(text != word for text, word in zip(self.texts, words, strict=True))

    def forms(self, start: int, stop: int) -> tuple[Form, ...]:
        """Return the forms of the words ``start:stop``."""
        return tuple(map(Form, self.texts[start:stop], self.spaces[start:stop].tolist()))

    def take(self, words: np.ndarray) -> RunningText:
        """Return the forms of some words (int64 indices)."""
        return RunningText(tuple(self.texts[word] for word in words), self.spaces[words])

    def lower(self) -> RunningText:
        """Return a copy in lower case."""
        return replace(self, texts=tuple(text.lower() for text in self.texts))
