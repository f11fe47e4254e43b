"""Describe single neurons for an index, and sum over word types and labels, for all neurons of a tile."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import BinaryIO

import numpy as np
from jaxtyping import Float32, Int64

from onegrain.analyses.neurons.columns import WordTypes
from onegrain.analyses.neurons.contexts import rows_around
from onegrain.analyses.neurons.kernels import (
    deviation_sums,
    moments,
    sort_values,
    strongest_types,
    strongest_words,
)
from onegrain.records.corpus import Corpus
from onegrain.searching.kernels import (
    bin_counts,
    centred_ranks,
    count_extremes,
    describe_labels,
    extreme_bounds,
    quantiles_of,
    rank_sums,
    split_by_label,
    transpose,
)
from onegrain.searching.labels import KeptLabels
from onegrain.searching.layout import LABEL_SHARES, SHARES, Rows, signed
from onegrain.searching.scoring import QUANTILES, least_words
from onegrain.searching.tiles import Pool

__all__ = ["NeuronWork", "TileSums", "histogram_edges"]

SIGNS = (1, -1)
STRIP = 1024
"""Pieces of word types whose rows are written together."""


def histogram_edges(minimum: float, maximum: float, bins: int) -> np.ndarray:
    """Return the edges of ``bins`` equal bins, float64 (bins + 1,), as ``numpy.histogram`` chooses them.

    >>> histogram_edges(0.0, 1.0, 2).tolist()
    [0.0, 0.5, 1.0]
    """
    apart = 0.5 if minimum == maximum else 0.0
    return np.linspace(minimum - apart, maximum + apart, bins + 1)


class TileSums:
    """Sums over word types and labels of the neurons of one tile, before they are written.

    Args:
        rows: the sizes of the index.

    Attributes:
        sums: float32 (neurons, pieces), sums of deviations from the mean.
        ranks: int32 or int64 (neurons, pieces), sums of centred ranks.
        extremes: uint8 (neurons, signs, quantiles, pieces), words among those with extreme values.
        label_rows: the rows of the labels, (labels,).
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        shape = (rows.tile, rows.pieces)
        self.sums = np.zeros(shape, dtype=rows.group["sums"].base)
        self.ranks = np.zeros(shape, dtype=rows.group["ranks"].base)
        self.extremes = np.zeros((rows.tile, 2, len(QUANTILES), rows.pieces), dtype=np.uint8)
        self.label_rows = np.zeros(rows.labels, dtype=rows.label)
        self._strip = np.zeros(min(STRIP, rows.pieces), dtype=rows.group)

    def write(self, tile: int, groups: BinaryIO, labels: BinaryIO, pool: Pool) -> None:
        """Write the rows of a tile to the files of the pieces and of the labels, each at its place."""
        span = self._rows.of_tile(tile)
        width = span.stop - span.start
        for table in (self.sums, self.ranks, self.extremes):
            table[width:] = 0
        for name in ("sums", "ranks", "extremes"):
            self.label_rows[name][..., width:] = 0
        for first in range(0, self._rows.pieces, STRIP):
            pieces = slice(first, min(first + STRIP, self._rows.pieces))
            strip = self._strip[: pieces.stop - pieces.start]
            pairs = [(self.sums[:, pieces], strip["sums"]), (self.ranks[:, pieces], strip["ranks"])]
            pairs += [
                (self.extremes[:, sign, quantile, pieces], strip["extremes"][:, sign, quantile])
                for sign in range(2)
                for quantile in range(len(QUANTILES))
            ]
            pool(partial(_transpose_pair, pairs), range(len(pairs)))
            self._put(groups, strip, first, tile)
        self._put(labels, self.label_rows, 0, tile)

    def _put(self, file: BinaryIO, rows: np.ndarray, first: int, tile: int) -> None:
        """Write rows to a file in which the rows of all tiles follow each other."""
        for number, row in enumerate(signed(rows), first):
            os.pwrite(file.fileno(), row, (number * self._rows.tiles + tile) * len(row))


def _transpose_pair(pairs: Sequence[tuple[np.ndarray, np.ndarray]], number: int) -> None:
    transpose(*pairs[number])


class NeuronWork:
    """The work that is done for each neuron of an index.

    Args:
        types: the types of the words.
        labels: the labels that are kept.
        rows: the sizes of the index.
        corpus: all words of the store.
        corpus_rows: the word of the corpus that each word with an activation is, int64.
    """

    def __init__(
        self,
        types: WordTypes,
        labels: KeptLabels,
        rows: Rows,
        corpus: Corpus,
        corpus_rows: Int64[np.ndarray, " words"],
    ) -> None:
        self._types, self._labels, self._rows = types, labels, rows
        self._corpus, self._corpus_rows = corpus, corpus_rows
        self._numbers = np.full(corpus.n_words, -1, dtype=np.int64)
        self._numbers[corpus_rows] = np.arange(len(corpus_rows))
        self._least = np.array([least_words(rows.words, quantile) for quantile in QUANTILES], dtype=np.int64)
        self._shares, self._label_shares = np.array(SHARES), np.array(LABEL_SHARES)
        self._ends = np.concatenate([[0], np.cumsum(labels.words)]).astype(np.int64)
        positions = rows.options.sampled_positions(rows.words)
        self._drawn = np.concatenate(positions)
        self._bounds = rows.options.range_bounds(rows.words)
        first = np.full(len(types.types), -1, dtype=np.int64)
        words = np.searchsorted(types.first_piece, types.pieces, side="right") - 1
        first[words[::-1]] = corpus_rows[::-1]
        self._first_rows = first

    def describe(
        self, values: Float32[np.ndarray, " words"], number: int, record: np.ndarray, sums: TileSums
    ) -> None:
        """Fill the row of a neuron, and its column of the sums.

        Args:
            values: the neuron at every word that has an activation.
            number: its number in the tile.
            record: its row, (1,).
            sums: the sums of the tile.
        """
        row, types = record[0], self._types
        mean, std, minimum, maximum, above, below = moments(values)
        order, ordered = sort_values(values)
        ranks, ties = centred_ranks(ordered)
        bounds = extreme_bounds(ordered, self._least)
        highest = (len(values) - bounds[0]).tolist()
        row["statistics"] = (mean, std, minimum, maximum, above, below, ties, *highest, *bounds[1].tolist())
        edges = histogram_edges(minimum, maximum, self._rows.options.bins)
        quantiles_of(ordered, self._shares, row["quantiles"])
        bin_counts(ordered, edges, row["counts"])
        deviations = np.empty(types.n_pieces)
        deviation_sums(values, mean, types.pieces, deviations)
        sums.sums[number] = deviations
        rank_sums(order, ranks, types.pieces, sums.ranks[number])
        count_extremes(order, bounds, types.pieces, sums.extremes[number])
        self._put_words(row, order, ordered, values, (mean, std), deviations)
        self._put_labels(row, order, ordered, ranks, edges)
        counts = np.empty((2, len(QUANTILES), self._rows.labels), dtype=np.int64)
        for layer, codes in self._labels.codes.items():
            count_extremes(order, bounds, codes, counts)
            span = self._labels.spans[layer]
            sums.label_rows["extremes"][span, :, :, number] = counts[:, :, span].transpose(2, 0, 1)
        sums.label_rows["sums"][:, number] = self._labels.words * (row["label_means"] - mean)
        sums.label_rows["ranks"][:, number] = row["label_ranks"]

    def _put_words(
        self,
        row: np.void,
        order: np.ndarray,
        ordered: np.ndarray,
        values: np.ndarray,
        scale: tuple[float, float],
        sums: np.ndarray,
    ) -> None:
        """Write the strongest types and words of both directions, and the drawn words."""
        mean, std = scale
        types, options = self._types, self._rows.options
        for name in ("type_rows", "context_rows"):
            row[name] = -1
        for direction, sign in enumerate(SIGNS):
            best, deviations = strongest_types(sums, types.first_piece, types.counts, std, sign, 1, options.n)
            row["type_rows"][direction, : len(best)] = self._first_rows[best]
            row["type_counts"][direction, : len(best)] = types.counts[best]
            row["type_deviations"][direction, : len(best)] = deviations
            words = strongest_words(order, ordered, mean, std, sign, options.n)
            row["context_rows"][direction, : len(words)] = self._corpus_rows[words]
            row["context_values"][direction, : len(words)] = values[words]
            row["context_around"][direction, : len(words)] = self._around(words, values)
        row["sample_rows"] = self._corpus_rows[order[self._drawn]]
        row["sample_values"] = ordered[self._drawn]
        row["sample_around"] = self._around(order[self._drawn], values)
        for number, (start, end) in enumerate(self._bounds):
            if end > start:
                row["range_values"][number] = ordered[start], ordered[end - 1]

    def _around(
        self, words: Int64[np.ndarray, " places"], values: Float32[np.ndarray, " words"]
    ) -> Float32[np.ndarray, "places around"]:
        """Return the values around some words; NaN beyond the sentence and without an activation."""
        rows, inside = rows_around(self._corpus, self._corpus_rows[words])
        numbers = self._numbers[rows]
        return np.where(inside & (numbers >= 0), values[numbers], np.float32(np.nan))

    def _put_labels(
        self, row: np.void, order: np.ndarray, ordered: np.ndarray, ranks: np.ndarray, edges: np.ndarray
    ) -> None:
        """Write the statistics of the words of each label."""
        grouped, places = np.empty(self._ends[-1], dtype=np.float32), self._ends[:-1].copy()
        for codes in self._labels.codes.values():
            split_by_label(order, ordered, ranks, codes, places, grouped, row["label_ranks"])
        describe_labels(
            grouped,
            self._ends,
            edges,
            self._label_shares,
            row["label_means"],
            row["label_stds"],
            row["label_quantiles"],
            row["label_counts"],
        )
