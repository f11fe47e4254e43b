"""Compiled loops over every value of a pass over the words.

A row holds the values of some neurons at one word. It stays in the first-level cache while everything is
counted, so memory is read once, however much is counted.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64, UInt8

from onegrain.core.compiled import compiled

__all__ = ["CELLS", "FURTHEST", "accumulate_block", "assign_cells", "assign_scaled_cells", "count_waiting"]

CELLS = 256
"""Number of cells; the number of a cell is a uint8."""
FURTHEST = np.float32(1e38)
"""Larger values are clipped to this one; no middle and no unit is larger, so s + |x - m| is finite."""
HALF, STEPS = np.float32(CELLS / 2), np.float32(CELLS / 2 - 0.5)

Row = Float32[np.ndarray, " neurons"]
Sums = Float64[np.ndarray, " neurons"]


@compiled
def accumulate_block(
    block: Float32[np.ndarray, "words neurons"],
    codes: Int64[np.ndarray, " words"],
    known: tuple[Int64[np.ndarray, " labels"], np.ndarray, np.ndarray],
    scratch: Float64[np.ndarray, "3 labels neurons"],
    extremes: Float32[np.ndarray, "2 neurons"],
    positive: Int64[np.ndarray, "_ neurons"],
    histogram: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
) -> bool:
    """Add a block of words to the running counts, in place; return False if a value is not finite.

    Each label's deviations from its first word in the block are summed, and so are their squares.

    Args:
        block: the values.
        codes: the label of each word.
        known: the words so far, int64 (labels,), their mean and the sum of squared deviations from it, both
            float64 (labels, neurons); the block is merged into them.
        scratch: working memory.
        extremes: (2, neurons), least and greatest value so far.
        positive: (labels, neurons), number of words at which a neuron is above 0; without rows if not needed.
        histogram: middle and unit of the cells, float32 (2, neurons), with a third row of factors if values are
            multiplied first; then the waiting cells, their number and the table, as :func:`count_waiting` takes
            them. All without rows if no histogram is needed.
    """
    words, mean, squares = known
    scale, waiting, held, table = histogram
    counts = np.zeros(len(words), dtype=np.int64)
    for word in range(len(block)):
        row, label = block[word], codes[word]
        origin, sums, squared = scratch[0, label], scratch[1, label], scratch[2, label]
        if counts[label] == 0:
            _begin(row, origin, sums, squared)
        counts[label] += 1
        _add(row, origin, sums, squared)
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
                    assign_scaled_cells(row[start:stop], scale[:, start:stop], cells)
                else:
                    assign_cells(row[start:stop], scale[0, start:stop], scale[1, start:stop], cells)
            held[label] += 1
    finite = True
    for label in range(len(counts)):
        if counts[label] > 0:
            origin, sums, squared = scratch[0, label], scratch[1, label], scratch[2, label]
            finite &= _merge(words[label], mean[label], squares[label], counts[label], origin, sums, squared)
            words[label] += counts[label]
    return finite


@compiled
def count_waiting(
    waiting: UInt8[np.ndarray, "tiles labels room tile"],
    held: Int64[np.ndarray, " labels"],
    table: Int32[np.ndarray, "neurons labels cells"],
) -> None:
    """Add all waiting cells to the table.

    Args:
        waiting: the cells of each label's words, one tile of neurons after another.
        held: number of waiting words of each label; set to 0.
        table: the counts, added to in place.
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
    """Add one label's waiting cells to the table, by way of a small table per tile that fits in the caches."""
    small = np.zeros((waiting.shape[3], CELLS), dtype=np.int32)
    for tile in range(len(waiting)):
        tile_table = table[tile * len(small) : (tile + 1) * len(small), label]
        for word in range(held[label]):
            cells = waiting[tile, label, word]
            for n in range(len(tile_table)):
                small[n, cells[n]] += 1
        for n in range(len(tile_table)):
            counts, tile_counts = tile_table[n], small[n]
            for cell in range(CELLS):
                counts[cell] += tile_counts[cell]
                tile_counts[cell] = 0
    held[label] = 0


@compiled
def _begin(row: Row, origin: Sums, sums: Sums, squared: Sums) -> None:
    for n in range(len(row)):
        origin[n], sums[n], squared[n] = row[n], 0.0, 0.0


@compiled
def _add(row: Row, origin: Sums, sums: Sums, squared: Sums) -> None:
    for n in range(len(row)):
        deviation = np.float64(row[n]) - origin[n]
        sums[n] += deviation
        squared[n] += deviation * deviation


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
def assign_cells(row: Row, middle: Row, unit: Row, cells: UInt8[np.ndarray, " neurons"]) -> None:
    """Write the cell of each value x to ``cells``: with d = x - m, the squeezed z is d / (s + |d|)."""
    for n in range(len(row)):
        value = row[n] if row[n] < FURTHEST else FURTHEST
        value = value if value > -FURTHEST else -FURTHEST
        deviation = value - middle[n]
        cells[n] = np.uint8(np.int32(deviation / (unit[n] + abs(deviation)) * STEPS + HALF))


@compiled
def assign_scaled_cells(
    row: Row, scale: Float32[np.ndarray, "3 neurons"], cells: UInt8[np.ndarray, " neurons"]
) -> None:
    """Write the cell of each value times the neuron's factor to ``cells``; see :func:`assign_cells`."""
    middle, unit, factor = scale[0], scale[1], scale[2]
    for n in range(len(row)):
        value = row[n] * factor[n]
        value = value if value < FURTHEST else FURTHEST
        value = value if value > -FURTHEST else -FURTHEST
        deviation = value - middle[n]
        cells[n] = np.uint8(np.int32(deviation / (unit[n] + abs(deviation)) * STEPS + HALF))


@compiled
def _merge(
    words: int, mean: Sums, squares: Sums, new_words: int, origin: Sums, sums: Sums, squared: Sums
) -> bool:
    """Merge the deviations of some words from ``origin`` into the mean and squares of others, in place.

    Return False if a value is not finite. ``Spread.of`` and ``Spread.merged`` do the same, and name the source.
    """
    finite = True
    share = new_words / (words + new_words)
    for n in range(len(mean)):
        difference = origin[n] + sums[n] / new_words - mean[n]
        squares[n] += squared[n] - sums[n] * (sums[n] / new_words) + difference * difference * (words * share)
        mean[n] += difference * share
        finite &= np.isfinite(sums[n])
    return finite
