"""Split a sentence that is too long for the model into overlapping windows, or truncate it, at word borders."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Window", "cut", "shorten", "specials"]


@dataclass(frozen=True)
class Window:
    """A part of a sentence as the model reads it.

    Attributes:
        ids: int64 (time,), subword ids, special tokens included.
        word_of: int64 (time,), the word whose value is read at each time step, or -1 if none is.
        context: int64 (time,), the word at each time step, whether this window or another one reads it, or -1.
    """

    ids: np.ndarray
    word_of: np.ndarray
    context: np.ndarray


def specials(word_of: np.ndarray) -> tuple[int, int]:
    """Return the number of special tokens before and after the words of a row.

    In a row without words, all special tokens count as before.
    """
    times = np.flatnonzero(np.asarray(word_of) >= 0)
    return (int(times[0]), len(word_of) - 1 - int(times[-1])) if times.size else (len(word_of), 0)


def shorten(ids: np.ndarray, word_of: np.ndarray, longest: int, around: tuple[int, int]) -> list[Window]:
    """Return one window with as many of the first words as fit, or no window if the first does not fit.

    Args:
        ids: int64 (time,), the subwords of the sentence.
        word_of: int64 (time,), the word of each subword, or -1.
        longest: largest number of subwords that the model reads.
        around: number of special tokens before and after the words.
    """
    before, after = around
    starts, ends = _words(word_of[before : len(ids) - after])
    spans = [span for span in _spans(ends - starts, longest - before - after)[:1] if span[0] == 0]
    return _windows(ids, word_of, around, spans, np.zeros(len(starts), dtype=np.int64))


def cut(
    ids: np.ndarray, word_of: np.ndarray, longest: int, around: tuple[int, int], *, causal: bool
) -> list[Window]:
    """Return windows of at most ``longest`` subwords, each surrounded by the sentence's special tokens.

    A window holds as many complete words as fit and begins half a window after the previous one. The last
    window ends with the sentence and is as full as the others. Each word is read in the window that gives it
    the most context: for a ``causal`` model, the number of subwords to its left; otherwise the smaller of the
    numbers to its left and right. The two ends of the sentence count as unlimited context. A word that does
    not fit into a window is not read.

    Args:
        ids: int64 (time,), the subwords of the sentence.
        word_of: int64 (time,), the word of each subword, or -1.
        longest: largest number of subwords that the model reads.
        around: number of special tokens before and after the words. If ``word_of`` numbers them, those before
            are read in the first window and those after in the last.
        causal: True if a subword depends only on the subwords to its left.
    """
    before, after = around
    starts, ends = _words(word_of[before : len(ids) - after])
    spans = _spans(ends - starts, longest - before - after)
    return _windows(ids, word_of, around, spans, _read_in(starts, ends, spans, causal=causal))


def _words(word_of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where each word starts and ends among subwords that contain no special tokens."""
    starts = np.flatnonzero(np.diff(word_of, prepend=-2) != 0)
    return starts, np.append(starts[1:], len(word_of))


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
    windows = []
    for number, (first, last) in enumerate(spans):
        subwords = slice(int(starts[first]), int(ends[last - 1]))
        inside = np.repeat(read_in[first:last] == number, (ends - starts)[first:last])
        none = np.full(max(before, after), -1, dtype=np.int64)
        opening = word_of[:before] if number == 0 else none[:before]
        closing = word_of[len(ids) - after :] if number == len(spans) - 1 else none[:after]
        words = word_of[body][subwords]
        read, context = (
            np.concatenate([opening, middle, closing]) for middle in (np.where(inside, words, -1), words)
        )
        window_ids = np.concatenate([ids[:before], ids[body][subwords], ids[len(ids) - after :]])
        windows.append(Window(window_ids, read, context))
    return windows


def _spans(lengths: np.ndarray, room: int) -> list[tuple[int, int]]:
    """Return the words ``first:last`` of each window.

    Args:
        lengths: int64 (words,), the number of subwords of each word.
        room: number of subwords that fit into a window beside the special tokens.
    """
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
    """Return the smallest ``first`` such that the words ``first:last`` fit into ``room`` subwords."""
    back = np.cumsum(lengths[:last][::-1])
    return last - int(np.searchsorted(back, room, side="right"))


def _read_in(starts: np.ndarray, ends: np.ndarray, spans: list[tuple[int, int]], *, causal: bool) -> np.ndarray:
    """Return the number of the window in which each word is read, or -1 if no window holds it."""
    endless = int(ends[-1]) + 1
    most = np.full(len(starts), -1, dtype=np.int64)
    chosen = np.full(len(starts), -1, dtype=np.int64)
    for number, (first, last) in enumerate(spans):
        words = slice(first, last)
        left = starts[words] - starts[first] + (endless if first == 0 else 0)
        right = ends[last - 1] - ends[words] + (endless if last == len(starts) else 0)
        context = left if causal else np.minimum(left, right)
        better = context > most[words]
        most[words] = np.where(better, context, most[words])
        chosen[words] = np.where(better, number, chosen[words])
    return chosen
