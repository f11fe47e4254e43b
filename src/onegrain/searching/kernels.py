"""Compiled loops over the sorted values of one neuron, and transpositions of many."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64

from onegrain.core.compiled import compiled

__all__ = [
    "add_rows",
    "bin_counts",
    "centred_ranks",
    "count_extremes",
    "describe_labels",
    "extreme_bounds",
    "quantiles_of",
    "rank_sums",
    "split_by_label",
    "transpose",
    "transpose_rows",
]

Ordered = Float32[np.ndarray, " words"]
Words = Int32[np.ndarray, " words"]
SIDE = 16
"""Rows and columns of a square that is transposed in the processor's first cache."""


@compiled
def centred_ranks(ordered: Ordered) -> tuple[Words, float]:
    """Return 2 r - (n + 1) for each of n sorted values, with r its middle rank from 1, and sum(t^3 - t).

    The sum is over groups of t equal values.
    """
    words = len(ordered)
    ranks, ties, start = np.empty(words, np.int32), 0.0, 0
    while start < words:
        end = start + 1
        while end < words and ordered[end] == ordered[start]:
            end += 1
        ranks[start:end] = start + end - words
        size = np.float64(end - start)
        ties += size * size * size - size
        start = end
    return ranks, ties


@compiled
def rank_sums(order: Words, ranks: Words, groups: Words, sums: Int64[np.ndarray, " groups"]) -> None:
    """Write the sum of the centred ranks over each group of words."""
    sums[:] = 0
    for position in range(len(order)):
        sums[groups[order[position]]] += ranks[position]


@compiled
def extreme_bounds(ordered: Ordered, least: Int64[np.ndarray, " quantiles"]) -> Any:
    """Return where the highest values begin (first row) and where the lowest end, int64 (2, quantiles).

    There are at least ``least`` of them, and words of equal value are together.
    """
    words = len(ordered)
    bounds = np.empty((2, len(least)), np.int64)
    for number in range(len(least)):
        start, end = words - least[number], least[number]
        while start > 0 and ordered[start - 1] == ordered[start]:
            start -= 1
        while end < words and ordered[end] == ordered[end - 1]:
            end += 1
        bounds[0, number], bounds[1, number] = start, end
    return bounds


@compiled
def count_extremes(
    order: Words, bounds: Int64[np.ndarray, "signs quantiles"], groups: Words, counts: Any
) -> None:
    """Count the words of each group among those with the highest and the lowest values.

    Args:
        order: the words by rising value.
        bounds: where the highest begin and the lowest end, see :func:`extreme_bounds`.
        groups: the group of each word; -1 for none.
        counts: (signs, quantiles, groups), integers that can hold the counts; overwritten.
    """
    counts[:] = 0
    for quantile in range(bounds.shape[1]):
        for position in range(bounds[0, quantile], len(order)):
            group = groups[order[position]]
            if group >= 0:
                counts[0, quantile, group] += 1
        for position in range(bounds[1, quantile]):
            group = groups[order[position]]
            if group >= 0:
                counts[1, quantile, group] += 1


@compiled
def split_by_label(
    order: Words,
    ordered: Ordered,
    ranks: Words,
    labels: Words,
    places: Int64[np.ndarray, " labels"],
    grouped: Float32[np.ndarray, " grouped"],
    sums: Int64[np.ndarray, " labels"],
) -> None:
    """Append the sorted values to those of their label, and add their centred ranks to its sum.

    Args:
        order: the words by rising value.
        ordered: their values.
        ranks: their centred ranks.
        labels: the label of each word; -1 for none.
        places: where the next value of each label is written; advanced.
        grouped: the values of all labels.
        sums: the sums of centred ranks of all labels.
    """
    for position in range(len(order)):
        label = labels[order[position]]
        if label >= 0:
            grouped[places[label]] = ordered[position]
            places[label] += 1
            sums[label] += ranks[position]


@compiled
def quantiles_of(
    ordered: Ordered, shares: Float64[np.ndarray, " shares"], quantiles: Float64[np.ndarray, " shares"]
) -> None:
    """Write the quantiles of sorted values, interpolated linearly as ``numpy.quantile`` does."""
    last = len(ordered) - 1
    for number in range(len(shares)):
        place = shares[number] * last
        below = min(int(np.floor(place)), last)
        share = place - below
        low, high = np.float64(ordered[below]), np.float64(ordered[min(below + 1, last)])
        step = high - low
        quantiles[number] = low + step * share if share < 0.5 else high - step * (1.0 - share)


@compiled
def bin_counts(ordered: Ordered, edges: Float64[np.ndarray, " edges"], counts: Any) -> None:
    """Count sorted values between edges, as ``numpy.histogram`` does.

    A value on an edge belongs to the bin above; the last bin holds its upper edge, too.
    """
    bins, position, words = len(edges) - 1, 0, len(ordered)
    for number in range(bins - 1):
        start = position
        while position < words and np.float64(ordered[position]) < edges[number + 1]:
            position += 1
        counts[number] = position - start
    counts[bins - 1] = words - position


@compiled
def describe_labels(
    grouped: Float32[np.ndarray, " grouped"],
    ends: Int64[np.ndarray, " labels_and_end"],
    edges: Float64[np.ndarray, " edges"],
    shares: Float64[np.ndarray, " shares"],
    means: Float64[np.ndarray, " labels"],
    stds: Float64[np.ndarray, " labels"],
    quantiles: Float64[np.ndarray, "labels shares"],
    counts: Any,
) -> None:
    """Write mean, standard deviation, quantiles and histogram of the sorted values of each label.

    Args:
        grouped: the values of all labels, label after label, those of each sorted.
        ends: where the values of each label begin, and where those of the last end.
        edges: edges of the histogram.
        shares: shares of a label's words at which quantiles are taken.
        means: filled with the means.
        stds: filled with the population standard deviations.
        quantiles: filled with the quantiles.
        counts: (labels, bins), filled with the counts.
    """
    for label in range(len(means)):
        values = grouped[ends[label] : ends[label + 1]]
        first, total, squares = np.float64(values[0]), 0.0, 0.0
        for value in values:
            total += np.float64(value) - first
        mean = first + total / len(values)
        for value in values:
            squares += (np.float64(value) - mean) * (np.float64(value) - mean)
        means[label], stds[label] = mean, np.sqrt(squares / len(values))
        quantiles_of(values, shares, quantiles[label])
        bin_counts(values, edges, counts[label])


@compiled
def transpose(source: Any, target: Any) -> None:
    """Copy an array (rows, columns) to one of (columns, rows), square by square."""
    rows, columns = source.shape
    for top in range(0, rows, SIDE):
        for left in range(0, columns, SIDE):
            for column in range(left, min(left + SIDE, columns)):
                for row in range(top, min(top + SIDE, rows)):
                    target[column, row] = source[row, column]


@compiled
def transpose_rows(
    source: Float32[np.ndarray, "words neurons"],
    rows: Int64[np.ndarray, " rows"],
    first: int,
    end: int,
    target: Float32[np.ndarray, "neurons rows"],
) -> None:
    """Copy the rows ``rows[first:end]`` of an array to the columns ``first:end`` of another."""
    columns = source.shape[1]
    for top in range(first, end, SIDE):
        for left in range(0, columns, SIDE):
            for column in range(left, min(left + SIDE, columns)):
                for place in range(top, min(top + SIDE, end)):
                    target[column, place] = source[rows[place], column]


@compiled
def add_rows(sums: Any, ranks: Any, extremes: Any, all_sums: Any, all_ranks: Any, all_extremes: Any) -> None:
    """Add the sums of some pieces of word types to those of all.

    Args:
        sums: (pieces, tiles, neurons).
        ranks: (pieces, tiles, neurons).
        extremes: (pieces, tiles, signs, quantiles, neurons).
        all_sums: float64 (tiles, neurons).
        all_ranks: int64 (tiles, neurons).
        all_extremes: int64 (signs, quantiles, tiles, neurons).
    """
    pieces, tiles, neurons = sums.shape
    for piece in range(pieces):
        for tile in range(tiles):
            for neuron in range(neurons):
                all_sums[tile, neuron] += sums[piece, tile, neuron]
                all_ranks[tile, neuron] += ranks[piece, tile, neuron]
            for sign in range(extremes.shape[2]):
                for quantile in range(extremes.shape[3]):
                    for neuron in range(neurons):
                        all_extremes[sign, quantile, tile, neuron] += extremes[
                            piece, tile, sign, quantile, neuron
                        ]
