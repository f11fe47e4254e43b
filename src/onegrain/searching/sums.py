"""Sums over the words of a concept for every neuron: from an index, or from the store itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float64, Int64

from onegrain.analyses.neurons.kernels import deviation_sums, moments, sort_values
from onegrain.core.progress import Progress
from onegrain.core.sizes import read_size
from onegrain.records.activations import Activations
from onegrain.searching.index import NeuronIndex
from onegrain.searching.kernels import add_rows, centred_ranks, count_extremes, extreme_bounds, rank_sums
from onegrain.searching.layout import Rows
from onegrain.searching.scoring import QUANTILES, least_words
from onegrain.searching.sealed import SignedFile
from onegrain.searching.tiles import TileReader, pool_of_threads, tile_width

__all__ = ["ConceptSums", "sums_from_index", "sums_from_store"]

MEMORY = "512MiB"
RUN_BYTES = 8 * 2**20
"""Most bytes of an index that are read in one piece."""
AT_ONCE = 256
"""Number of pieces that are read before progress is reported."""
PARTS = 4
"""Number of parts in which rows are added."""


@dataclass(frozen=True, eq=False)
class ConceptSums:
    """Sums over the words of a concept, from which all measures follow.

    Attributes:
        deviations: (neurons,), sum of the deviations from the neuron's mean.
        ranks: (neurons,), sum of 2 r - (n + 1), r the middle rank from 1 among all n words.
        shared: (signs, quantiles, neurons), number of the words among those with the highest and lowest values.
        std: (neurons,), standard deviation over all words.
        ties: (neurons,), sum(t^3 - t) over groups of t equal values.
        extreme: (signs, quantiles, neurons), number of all words with the highest and lowest values.
    """

    deviations: Float64[np.ndarray, " neurons"]
    ranks: Int64[np.ndarray, " neurons"]
    shared: Int64[np.ndarray, "signs quantiles neurons"]
    std: Float64[np.ndarray, " neurons"]
    ties: Float64[np.ndarray, " neurons"]
    extreme: Int64[np.ndarray, "signs quantiles neurons"]

    @classmethod
    def none(cls, neurons: int) -> ConceptSums:
        """Return sums of 0 for some neurons, to be filled."""
        shape = (2, len(QUANTILES), neurons)
        integers = [np.zeros(part, dtype=np.int64) for part in ((neurons,), shape, shape)]
        return cls(
            np.zeros(neurons), integers[0], integers[1], np.zeros(neurons), np.zeros(neurons), integers[2]
        )


def sums_from_index(
    index: NeuronIndex,
    inside: Bool[np.ndarray, " words"],
    label: int | None,
    progress: Progress,
) -> ConceptSums:
    """Return the sums of a concept that consists of word types, or of a label, from an index.

    The sums of its types are added, or, if the other types have fewer, theirs are taken from the sums of all
    words; of deviations and centred ranks, those are 0.

    Args:
        index: the index.
        inside: the words of the concept, among those that have an activation.
        label: the number of the label among those that the index keeps; None for word types.
        progress: shows how many word types are done.
    """
    sums = ConceptSums.none(len(index))
    sums.std[:], sums.ties[:] = index.columns["std"], index.columns["ties"]
    for sign, name in enumerate(("high", "low")):
        for number, quantile in enumerate(QUANTILES):
            sums.extreme[sign, number] = index.columns[f"{name}:{quantile}"]
    if label is None:
        pieces = np.unique(index.types.pieces[inside])
        file, turned = index.groups, 2 * len(pieces) > index.rows.pieces
        if turned:
            pieces = np.setdiff1d(np.arange(index.rows.pieces), pieces)
    else:
        file, pieces, turned = index.label_rows, np.array([label]), False
    _add_rows(sums, index.rows, file, pieces, progress)
    if turned:
        np.negative(sums.deviations, out=sums.deviations)
        np.negative(sums.ranks, out=sums.ranks)
        np.subtract(sums.extreme, sums.shared, out=sums.shared)
    return sums


def _add_rows(sums: ConceptSums, rows: Rows, file: SignedFile, pieces: np.ndarray, progress: Progress) -> None:
    """Add the rows of some pieces, or of a label, to the sums of all neurons.

    They are added in a fixed number of parts, so that rounding does not depend on the number of threads.
    """
    shape = (rows.tiles, rows.tile)
    parts = [
        (
            np.zeros(shape),
            np.zeros(shape, dtype=np.int64),
            np.zeros((2, len(QUANTILES), *shape), dtype=np.int64),
        )
        for _ in range(PARTS)
    ]
    most = max(1, RUN_BYTES // (rows.tiles * file.row.itemsize))

    def add(part: int, chosen: list[tuple[int, int]]) -> None:
        for first, count in chosen[part::PARTS]:
            block = file.read(first * rows.tiles, count * rows.tiles).reshape(count, rows.tiles)
            add_rows(block["sums"], block["ranks"], block["extremes"], *parts[part])

    runs = _runs(pieces, most)
    with pool_of_threads() as pool, progress("search", len(pieces), "word types") as advance:
        for start in range(0, len(runs), AT_ONCE):
            chosen, following = runs[start : start + AT_ONCE], runs[start + AT_ONCE : start + 2 * AT_ONCE]
            for first, count in following if start else runs[: 2 * AT_ONCE]:
                file.expect(first * rows.tiles, count * rows.tiles)
            pool(partial(add, chosen=chosen), range(PARTS))
            advance(sum(count for _, count in chosen))
    neurons = sums.ranks.shape[0]
    for deviations, ranks, shared in parts:
        sums.deviations[:] += deviations.reshape(-1)[:neurons]
        sums.ranks[:] += ranks.reshape(-1)[:neurons]
        sums.shared[:] += shared.reshape(2, len(QUANTILES), -1)[..., :neurons]


def _runs(numbers: np.ndarray, most: int) -> list[tuple[int, int]]:
    """Return the first number and the length of each run of consecutive numbers, at most ``most`` long."""
    if not len(numbers):
        return []
    ends = np.flatnonzero(np.diff(numbers) != 1) + 1
    runs = pairwise([0, *ends.tolist(), len(numbers)])
    return [
        (int(numbers[start]), min(most, stop - start))
        for begin, stop in runs
        for start in range(begin, stop, most)
    ]


def sums_from_store(
    activations: Activations, inside: Bool[np.ndarray, " words"], progress: Progress
) -> ConceptSums:
    """Return the sums of any concept from the store itself, one tile of neurons after the other.

    Args:
        activations: the store, or activations in memory.
        inside: the words of the concept, among those that have an activation.
        progress: shows how many neurons are done.

    Raises:
        ParameterError: a value is not finite.
    """
    sums = ConceptSums.none(activations.n_neurons)
    groups = inside.astype(np.int32)
    least = np.array([least_words(len(inside), quantile) for quantile in QUANTILES], dtype=np.int64)
    width = tile_width(activations, 4 * activations.n_words, read_size(MEMORY))
    reader = TileReader(activations, width)

    def add(tile: np.ndarray, first: int, number: int) -> None:
        values, neuron = tile[number], first + number
        mean, sums.std[neuron], *_ = moments(values)
        order, ordered = sort_values(values)
        ranks, sums.ties[neuron] = centred_ranks(ordered)
        bounds = extreme_bounds(ordered, least)
        deviations, by_group = np.empty(2), np.empty(2, dtype=np.int64)
        deviation_sums(values, mean, groups, deviations)
        rank_sums(order, ranks, groups, by_group)
        counts = np.empty((2, len(QUANTILES), 2), dtype=np.int64)
        count_extremes(order, bounds, groups, counts)
        sums.deviations[neuron], sums.ranks[neuron] = deviations[1], by_group[1]
        sums.shared[..., neuron], sums.extreme[..., neuron] = counts[..., 1], counts.sum(axis=-1)

    with pool_of_threads() as pool, progress("search", activations.n_neurons, "neurons") as advance:
        for first in range(0, activations.n_neurons, width):
            values = reader.read(slice(first, min(first + width, activations.n_neurons)), pool)
            pool(partial(add, values, first), range(len(values)))
            advance(len(values))
    return sums
