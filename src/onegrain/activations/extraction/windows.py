"""Cutting a sentence that is longer than the model reads: into overlapping windows of whole words, or short."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Window", "cut", "shorten", "specials"]


@dataclass(frozen=True)
class Window:
    """A stretch of a sentence as the model reads it.

    Attributes:
        ids: int64 (time,), special tokens included.
        word_of: int64 (time,), the word that is read at each time step, or -1 where none is read.
        context: int64 (time,), the word that stands there, read in this window or in another, or -1.
    """

    ids: np.ndarray
    word_of: np.ndarray
    context: np.ndarray


def specials(word_of: np.ndarray) -> tuple[int, int]:
    """How many special subwords stand before and after those of words; all stand before where there is none."""
    own = np.flatnonzero(np.asarray(word_of) >= 0)
    return (int(own[0]), len(word_of) - 1 - int(own[-1])) if own.size else (len(word_of), 0)


def shorten(ids: np.ndarray, word_of: np.ndarray, longest: int, around: tuple[int, int]) -> list[Window]:
    """The sentence with as many of its first words as fit; none where the first does not."""
    before, after = around
    starts, ends = _words(word_of[before : len(ids) - after])
    spans = [span for span in _spans(ends - starts, longest - before - after)[:1] if span[0] == 0]
    return _windows(ids, word_of, around, spans, np.zeros(len(starts), dtype=np.int64))


def cut(
    ids: np.ndarray, word_of: np.ndarray, longest: int, around: tuple[int, int], *, causal: bool
) -> list[Window]:
    """Windows of at most ``longest`` subwords, each with the special tokens of the sentence around it.

    A window holds as many whole words as fit and begins half a window after the one before; the last ends with
    the sentence and is as full as the others. A word is read in the window in which it has most context: the
    most subwords to the left where the model is ``causal``, elsewhere on the side where it has fewer. The
    sentence's own ends count as boundless context. A word that is longer than a window is read nowhere.

    Args:
        ids: int64 (time,), the sentence.
        word_of: int64 (time,), the word of each subword, or -1.
        longest: subwords that the model reads.
        around: special tokens before and after the words; those of the first window are read as the sentence's
            first, those of the last as its last, where ``word_of`` numbers them.
        causal: whether a word sees only what stands left of it.
    """
    before, after = around
    starts, ends = _words(word_of[before : len(ids) - after])
    spans = _spans(ends - starts, longest - before - after)
    return _windows(ids, word_of, around, spans, _read_in(starts, ends, spans, causal=causal))


def _words(own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each word begins and ends among the subwords that are no special ones."""
    starts = np.flatnonzero(np.diff(own, prepend=-2) != 0)
    return starts, np.append(starts[1:], len(own))


def _windows(
    ids: np.ndarray,
    word_of: np.ndarray,
    around: tuple[int, int],
    spans: list[tuple[int, int]],
    read_in: np.ndarray,
) -> list[Window]:
    before, after = around
    body = slice(before, len(ids) - after)
    starts, ends = _words(word_of[body])
    made = []
    for number, (first, last) in enumerate(spans):
        here = slice(int(starts[first]), int(ends[last - 1]))
        inside = np.repeat(read_in[first:last] == number, (ends - starts)[first:last])
        none = np.full(max(before, after), -1, dtype=np.int64)
        opening = word_of[:before] if number == 0 else none[:before]
        closing = word_of[len(ids) - after :] if number == len(spans) - 1 else none[:after]
        standing = word_of[body][here]
        read, context = (
            np.concatenate([opening, own, closing]) for own in (np.where(inside, standing, -1), standing)
        )
        shown = np.concatenate([ids[:before], ids[body][here], ids[len(ids) - after :]])
        made.append(Window(shown, read, context))
    return made


def _spans(lengths: np.ndarray, room: int) -> list[tuple[int, int]]:
    """The words ``first:last`` of each window, by their lengths in subwords."""
    spans: list[tuple[int, int]] = []
    first, count = 0, len(lengths)
    while first < count:
        if lengths[first] > room:
            first += 1
            continue
        last = first + int(np.searchsorted(np.cumsum(lengths[first:]), room, side="right"))
        if last == count and spans:
            first = _earliest(lengths, last, room)
        spans.append((first, last))
        if last == count:
            break
        oversize = lengths[last] > room
        first = last + 1 if oversize else max(first + 1, _earliest(lengths, last, room // 2))
    return spans


def _earliest(lengths: np.ndarray, last: int, room: int) -> int:
    """The first word from which the words up to ``last`` fit into some room."""
    back = np.cumsum(lengths[:last][::-1])
    return last - int(np.searchsorted(back, room, side="right"))


def _read_in(starts: np.ndarray, ends: np.ndarray, spans: list[tuple[int, int]], *, causal: bool) -> np.ndarray:
    """The number of the window in which each word is read; -1 where none holds it."""
    endless = int(ends[-1]) + 1
    most = np.full(len(starts), -1, dtype=np.int64)
    chosen = np.full(len(starts), -1, dtype=np.int64)
    for number, (first, last) in enumerate(spans):
        here = slice(first, last)
        left = starts[here] - starts[first] + (endless if first == 0 else 0)
        right = ends[last - 1] - ends[here] + (endless if last == len(starts) else 0)
        context = left if causal else np.minimum(left, right)
        better = context > most[here]
        most[here] = np.where(better, context, most[here])
        chosen[here] = np.where(better, number, chosen[here])
    return chosen
