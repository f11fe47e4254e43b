"""Words that no space parts: the subwords of what they spell together, and the word that each belongs to."""

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
"""Where a subword begins and ends in a text, in characters."""

SPELLINGS: tuple[Callable[[str], str], ...] = (
    lambda character: character,
    lambda character: unicodedata.normalize("NFKC", character),
    lambda character: unicodedata.normalize("NFKC", character).lower(),
)
"""What tokenizers that are written in Python make of a character before they split the text."""


@dataclass(frozen=True, slots=True)
class Run:
    """The subwords of words that stand together.

    Attributes:
        ids: subword ids.
        word_of: for every subword the word of the run that it belongs to.
        shares: see :class:`onegrain.models.batching.Encoded`; words count from the run's first.
    """

    ids: list[int]
    word_of: list[int]
    shares: dict[int, tuple[int, int]] = field(default_factory=dict)


def runs_of(forms: Sequence[Form]) -> list[tuple[str, ...]]:
    """Split a sentence at its spaces: the texts of the words of each run.

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
    """Give each subword to the word in which its first character stands.

    A word in which no subword begins shares those that reach into it. So does a word without characters of its
    own, which is written together with the one before it.

    Args:
        texts: what each word spells.
        ids: the subwords of all of them together.
        spans: where each subword lies in their text.

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
    having = set(word_of)
    for word, text in enumerate(texts):
        if word in having:
            continue
        standing = word if text else max((other for other in written if other < word), default=None)
        if standing is None:
            continue
        inside = [
            owner
            for owner, (start, stop) in zip(word_of, spans, strict=True)
            if start < ends[standing] and stop > starts[standing] and owner < word
        ]
        if inside:
            shares[word] = (inside[-1], inside.count(inside[-1]))
    return Run(ids, word_of, shares)


def spell(text: str, pieces: Sequence[str | None]) -> list[Span] | None:
    """Find where each piece of a tokenizer that gives no offsets lies in the text that it was made from.

    Args:
        text: the text, a space before it or not.
        pieces: as the vocabulary writes them: a space as ``\u2581``, what continues a word perhaps behind
            ``##``; None for an unknown one.

    Returns:
        None where the pieces do not spell the text, as after a normalisation that is not known.

    >>> spell(" cannot", ["\u2581can", "not"])
    [(0, 4), (4, 7)]
    """
    pattern = "".join("(.+?)" if piece is None else f"({_pattern(piece)})" for piece in pieces)
    for change in SPELLINGS:
        spelled = [change(character) for character in text]
        match = re.fullmatch(pattern, "".join(spelled), re.DOTALL)
        if match is not None:
            # the character of the text from which each character of its spelling comes
            origin = [at for at, letters in enumerate(spelled) for _ in letters] + [len(text)]
            spans = [match.span(number + 1) for number in range(len(pieces))]
            return [(origin[start], origin[stop]) for start, stop in spans]
    return None


def _pattern(piece: str) -> str:
    return re.escape(piece.removeprefix("##")).replace("\u2581", " ?")
