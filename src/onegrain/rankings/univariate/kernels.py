"""What is done with every value of a pass over the words; compiled.

A row is what some neurons did at one word. It stays in the first cache while everything is counted of it, so
memory is read once whatever is asked for.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64, UInt8

from onegrain.rankings.compiled import compiled

__all__ = ["CELLS", "FURTHEST", "lay", "take_in", "tally"]

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
    extremes: Float32[np.ndarray, "_ neurons"],
    positive: Int64[np.ndarray, "_ neurons"],
    scale: Float32[np.ndarray, "_ neurons"],
    cells: UInt8[np.ndarray, "tiles room tile"],
    held: int,
) -> bool:
    """Take in a block of words; False where a value is not finite.

    Deviations of each label's words from its first one in the block are summed, and their squares.

    Args:
        block: the values.
        codes: labels of the words.
        known: words so far, int64 (labels,), their mean and their squared deviations from it, both float64
            (labels, neurons); those of the block are merged into them.
        here: room to work in.
        extremes: (2, neurons), least and greatest value so far; without rows where they are not asked for.
        positive: (labels, neurons), how often a neuron is above 0; likewise.
        scale: (2, neurons), middle and unit of the cells; likewise.
        cells: of words that wait, a tile of neurons after another; those of the block are put behind them.
        held: how many words wait.
    """
    words, mean, squares = known
    counts = np.zeros(len(words), dtype=np.int64)
    for word in range(len(block)):
        row, label = block[word], codes[word]
        near, sums, apart = here[0, label], here[1, label], here[2, label]
        if counts[label] == 0:
            near[:], sums[:], apart[:] = row, 0.0, 0.0
        counts[label] += 1
        _add(row, near, sums, apart)
        if len(extremes):
            _widen(row, extremes[0], extremes[1])
        if len(positive):
            _count_above(row, positive[label])
        if len(scale):
            for tile in range(len(cells)):
                start = tile * cells.shape[2]
                stop = min(start + cells.shape[2], len(row))
                lay(row[start:stop], scale[0, start:stop], scale[1, start:stop], cells[tile, held + word])
    finite = True
    for label in np.flatnonzero(counts):
        near, sums, apart = here[0, label], here[1, label], here[2, label]
        finite &= _merge(words[label], mean[label], squares[label], counts[label], near, sums, apart)
        words[label] += counts[label]
    return finite


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
def _merge(
    words: int, mean: Sums, squares: Sums, counted: int, near: Sums, sums: Sums, apart: Sums
) -> bool:
    """Merge what deviations from ``near`` say of some words into what is known of others.

    As ``Spread.shifted`` and ``Spread.merged`` do, which name the sources; in place.
    """
    finite = True
    share = counted / (words + counted)
    for n in range(len(mean)):
        away = near[n] + sums[n] / counted - mean[n]
        squares[n] += apart[n] - sums[n] * (sums[n] / counted) + away * away * (words * share)
        mean[n] += away * share
        finite &= np.isfinite(sums[n])
    return finite


@compiled
def tally(
    table: Int32[np.ndarray, "neurons labels cells"],
    cells: UInt8[np.ndarray, "tiles room tile"],
    codes: Int64[np.ndarray, " words"],
) -> None:
    """Count the cells of the words that wait under each label, a tile of neurons after another.

    Args:
        table: the counts; more are added.
        cells: of the words that wait.
        codes: their labels.
    """
    order, edges = _by_label(codes, table.shape[1])
    tile = cells.shape[2]
    own = np.zeros((tile, CELLS), dtype=np.int32)  # of one label, which a cache holds
    for first in range(0, len(table), tile):
        some = table[first : first + tile]
        for label in range(len(edges) - 1):
            for at in range(edges[label], edges[label + 1]):
                row = cells[first // tile, order[at]]
                for n in range(len(some)):
                    own[n, row[n]] += 1
            if edges[label] < edges[label + 1]:
                _move(own, some[:, label])


@compiled
def _move(own: Int32[np.ndarray, "tile cells"], table: Int32[np.ndarray, "neurons cells"]) -> None:
    """Add counts to others, and begin anew."""
    for n in range(len(table)):
        counts, more = table[n], own[n]
        for cell in range(CELLS):
            counts[cell] += more[cell]
            more[cell] = 0


@compiled
def _by_label(codes: Int64[np.ndarray, " words"], n_labels: int) -> tuple[np.ndarray, np.ndarray]:
    """The words label by label, and where each label begins and the last one ends."""
    edges = np.append(0, np.cumsum(np.bincount(codes, minlength=n_labels)))
    order, at = np.empty(len(codes), dtype=np.int64), edges.copy()
    for word in range(len(codes)):
        order[at[codes[word]]] = word
        at[codes[word]] += 1
    return order, edges
