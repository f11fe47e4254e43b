"""What is done with every value of a pass over the words; compiled.

A row is what some neurons did at one word. It stays in the first cache while everything is counted of it, so
memory is read once whatever is asked for.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64, UInt8

from onegrain.rankings.univariate.counting.compiled import compiled

__all__ = ["CELLS", "FURTHEST", "lay", "lay_scaled", "take_in", "tally"]

CELLS = 256
"""A cell is a uint8."""
FURTHEST = np.float32(1e38)
"""Values beyond are taken for this one; no middle and no unit is larger, so that s + |x - m| is finite."""
HALF, STEPS = np.float32(CELLS / 2), np.float32(CELLS / 2 - 0.5)

Row = Float32[np.ndarray, " neurons"]
Sums = Float64[np.ndarray, " neurons"]


@compiled
def take_in(
    block: Float32[np.ndarray, "words neurons"],
    codes: Int64[np.ndarray, " words"],
    known: tuple[Int64[np.ndarray, " labels"], np.ndarray, np.ndarray],
    here: Float64[np.ndarray, "3 labels neurons"],
    extremes: Float32[np.ndarray, "2 neurons"],
    positive: Int64[np.ndarray, "_ neurons"],
    histogram: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
) -> bool:
    """Take in a block of words; False where a value is not finite.

    Deviations of each label's words from its first one in the block are summed, and their squares.

    Args:
        block: the values.
        codes: labels of the words.
        known: words so far, int64 (labels,), their mean and their squared deviations from it, both float64
            (labels, neurons); those of the block are merged into them.
        here: room to work in.
        extremes: (2, neurons), least and greatest value so far.
        positive: (labels, neurons), how often a neuron is above 0; without rows where it is not asked for.
        histogram: middle and unit of the cells, float32 (2, neurons), with a third row of factors where neurons
            are multiplied first; and as :func:`tally` takes them the cells that wait, how many do, and the
            table; all without rows where it is not asked for.
    """
    words, mean, squares = known
    scale, waiting, held, table = histogram
    counts = np.zeros(len(words), dtype=np.int64)
    for word in range(len(block)):
        row, label = block[word], codes[word]
        near, sums, apart = here[0, label], here[1, label], here[2, label]
        if counts[label] == 0:
            _begin(row, near, sums, apart)
        counts[label] += 1
        _add(row, near, sums, apart)
        _widen(row, extremes[0], extremes[1])
        if len(positive):
            _count_above(row, positive[label])
        if len(table):
            if held[label] == waiting.shape[2]:
                _count(label, waiting, held, table)
            for tile in range(len(waiting)):
                start = tile * waiting.shape[3]
                stop = min(start + waiting.shape[3], len(row))
                cells = waiting[tile, label, held[label]]
                if len(scale) > 2:
                    lay_scaled(row[start:stop], scale[:, start:stop], cells)
                else:
                    lay(row[start:stop], scale[0, start:stop], scale[1, start:stop], cells)
            held[label] += 1
    finite = True
    for label in range(len(counts)):
        if counts[label] > 0:
            near, sums, apart = here[0, label], here[1, label], here[2, label]
            finite &= _merge(words[label], mean[label], squares[label], counts[label], near, sums, apart)
            words[label] += counts[label]
    return finite


@compiled
def tally(
    waiting: UInt8[np.ndarray, "tiles labels room tile"],
    held: Int64[np.ndarray, " labels"],
    table: Int32[np.ndarray, "neurons labels cells"],
) -> None:
    """Count the cells that wait.

    Args:
        waiting: cells of words of each label, for a tile of neurons after another.
        held: how many words of each label wait; none do then.
        table: the counts; more are added.
    """
    for label in range(len(held)):
        if held[label] > 0:
            _count(label, waiting, held, table)


@compiled
def _count(
    label: int,
    waiting: UInt8[np.ndarray, "tiles labels room tile"],
    held: Int64[np.ndarray, " labels"],
    table: Int32[np.ndarray, "neurons labels cells"],
) -> None:
    """Count what waits of one label, a tile after another in a small table, which the caches hold."""
    own = np.zeros((waiting.shape[3], CELLS), dtype=np.int32)
    for tile in range(len(waiting)):
        some = table[tile * len(own) : (tile + 1) * len(own), label]
        for word in range(held[label]):
            cells = waiting[tile, label, word]
            for n in range(len(some)):
                own[n, cells[n]] += 1
        for n in range(len(some)):
            counts, more = some[n], own[n]
            for cell in range(CELLS):
                counts[cell] += more[cell]
                more[cell] = 0
    held[label] = 0


@compiled
def _begin(row: Row, near: Sums, sums: Sums, apart: Sums) -> None:
    for n in range(len(row)):
        near[n], sums[n], apart[n] = row[n], 0.0, 0.0


@compiled
def _add(row: Row, near: Sums, sums: Sums, apart: Sums) -> None:
    for n in range(len(row)):
        deviation = np.float64(row[n]) - near[n]
        sums[n] += deviation
        apart[n] += deviation * deviation


@compiled
def _widen(row: Row, least: Row, greatest: Row) -> None:
    for n in range(len(row)):
        value = row[n]
        least[n] = value if value < least[n] else least[n]
        greatest[n] = value if value > greatest[n] else greatest[n]


@compiled
def _count_above(row: Row, positive: Int64[np.ndarray, " neurons"]) -> None:
    for n in range(len(row)):
        positive[n] += 1 if row[n] > np.float32(0.0) else 0


@compiled
def lay(row: Row, middle: Row, unit: Row, cells: UInt8[np.ndarray, " neurons"]) -> None:
    """Put the cell of each value x into ``cells``: with d = x - m, the squeezed z is d / (s + |d|)."""
    for n in range(len(row)):
        value = row[n] if row[n] < FURTHEST else FURTHEST
        value = value if value > -FURTHEST else -FURTHEST
        away = value - middle[n]
        cells[n] = np.uint8(np.int32(away / (unit[n] + abs(away)) * STEPS + HALF))


@compiled
def lay_scaled(row: Row, scale: Float32[np.ndarray, "3 neurons"], cells: UInt8[np.ndarray, " neurons"]) -> None:
    """Put the cell of each value, times the neuron's factor, into ``cells``; see :func:`lay`."""
    middle, unit, factor = scale[0], scale[1], scale[2]
    for n in range(len(row)):
        value = row[n] * factor[n]
        value = value if value < FURTHEST else FURTHEST
        value = value if value > -FURTHEST else -FURTHEST
        away = value - middle[n]
        cells[n] = np.uint8(np.int32(away / (unit[n] + abs(away)) * STEPS + HALF))


@compiled
def _merge(words: int, mean: Sums, squares: Sums, counted: int, near: Sums, sums: Sums, apart: Sums) -> bool:
    """Merge what deviations from ``near`` say of some words into what is known of others.

    As ``Spread.of`` and ``Spread.merged`` do, which say why and name the source; in place.
    """
    finite = True
    share = counted / (words + counted)
    for n in range(len(mean)):
        away = near[n] + sums[n] / counted - mean[n]
        squares[n] += apart[n] - sums[n] * (sums[n] / counted) + away * away * (words * share)
        mean[n] += away * share
        finite &= np.isfinite(sums[n])
    return finite
