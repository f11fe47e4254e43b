"""Runs of words without spaces between them: their subwords, and the word that each subword belongs to."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np

from onegrain.records.running_text import Form

__all__ = ["Run", "Span", "assign", "runs_of", "spell"]

Span = tuple[int, int]
"""Start and end of a subword in a text, in characters."""

SPELLINGS: tuple[Callable[[str], str], ...] = (
    lambda character: character,
    lambda character: unicodedata.normalize("NFKC", character),
    lambda character: unicodedata.normalize("NFKC", character).lower(),
)
"""Changes that tokenizers written in Python make to a character before they split the text."""


@dataclass(frozen=True, slots=True)
class Run:
    """The subwords of words that have no space between them.

    Attributes:
        ids: subword ids.
        word_of: the word of the run that each subword belongs to.
        shares: see :class:`onegrain.models.batching.Encoded`; words are counted from the first of the run.
    """

    ids: list[int]
    word_of: list[int]
    shares: dict[int, tuple[int, int]] = field(default_factory=dict)


def runs_of(forms: Sequence[Form]) -> list[tuple[str, ...]]:
    """Split a sentence at its spaces and return the texts of the words of each run.

    >>> runs_of([Form("do", False), Form("n't"), Form("go")])
    [('do', "n't"), ('go',)]
    """
    runs: list[tuple[str, ...]] = []
    current: list[str] = []
    for form in forms:
        current.append(form.text)
        if form.space:
            runs.append(tuple(current))
            current = []
    return [*runs, tuple(current)] if current else runs


def assign(texts: Sequence[str], ids: list[int], spans: Sequence[Span]) -> Run:
    """Assign each subword to the word that contains its first character.

    A word in which no subword begins shares the subwords that reach into it. A word without characters shares
    the subwords of the word before it.

    Args:
        texts: the text of each word.
        ids: the subwords of all words together.
        spans: start and end of each subword in the joined text.

    >>> run = assign(["can", "not"], [7, 8], [(0, 2), (2, 6)])
    >>> run.word_of, run.shares
    ([0, 0], {1: (0, 1)})
    """
    ends = list(accumulate(map(len, texts)))
    starts = [end - len(text) for end, text in zip(ends, texts, strict=True)]
    written = [word for word, text in enumerate(texts) if text]
    first = np.array([starts[word] for word in written])
    word_of: list[int] = []
    for start, _ in spans:
        word = written[max(0, int(np.searchsorted(first, start, side="right")) - 1)]
        word_of.append(max(word, word_of[-1]) if word_of else word)
    shares = {}
    with_subwords = set(word_of)
    for word, text in enumerate(texts):
        if word in with_subwords:
            continue
        covered = word if text else max((other for other in written if other < word), default=None)
        if covered is None:
            continue
        inside = [
            owner
            for owner, (start, stop) in zip(word_of, spans, strict=True)
            if start < ends[covered] and stop > starts[covered] and owner < word
        ]
        if inside:
            shares[word] = (inside[-1], inside.count(inside[-1]))
    return Run(ids, word_of, shares)


def spell(text: str, pieces: Sequence[str | None]) -> list[Span] | None:
    """Return the span of each piece in the text, for tokenizers that give no offsets.

    Args:
        text: the text, with or without a space before it.
        pieces: the pieces as the vocabulary writes them: a space is ``\u2581``, and a piece that continues a
            word may begin with ``##``; None for an unknown piece.

    Returns:
        The spans, or None if the pieces do not spell the text, for example after an unknown normalisation.

    >>> spell(" cannot", ["\u2581can", "not"])
    [(0, 4), (4, 7)]
    """
    pattern = "".join("(.+?)" if piece is None else f"({_pattern(piece)})" for piece in pieces)
    for change in SPELLINGS:
        spelled = [change(character) for character in text]
        match = re.fullmatch(pattern, "".join(spelled), re.DOTALL)
        if match is not None:
            # the character of the text that each character of the spelling comes from
            sources = [index for index, letters in enumerate(spelled) for _ in letters] + [len(text)]
            spans = [match.span(number + 1) for number in range(len(pieces))]
            return [(sources[start], sources[stop]) for start, stop in spans]
    return None


def _pattern(piece: str) -> str:
    return re.escape(piece.removeprefix("##")).replace("\u2581", " ?")
