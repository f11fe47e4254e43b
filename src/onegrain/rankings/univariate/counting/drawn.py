"""Counts of many draws of the sentences, from one pass over the words.

A draw is how often each sentence occurs. Its sums are products of that with the values, so those of all draws
are one matrix product per block and label; its extremes are those of the sentences that occur in it; and its
histogram counts cells that are assigned once. The centres of the sums and the cells are those of all words.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64, Int64

from onegrain.core.moments import Spread
from onegrain.rankings.univariate.counting.cells import Cells
from onegrain.rankings.univariate.counting.counts import TABLE_BYTES, Counts, Needs
from onegrain.rankings.univariate.counting.drawn_kernel import count_drawn
from onegrain.rankings.univariate.counting.grouped_words import GroupedWords
from onegrain.rankings.univariate.counting.kernels import CELLS

__all__ = ["KnownCounts", "count_draws", "ranges_of"]

NEURONS = 512
"""Most neurons counted at once, if neurons can be read separately."""
NOTHING = 1e-12
"""Squared deviations below this share of the squared distances from the centre are rounding."""


@dataclass(frozen=True, eq=False)
class KnownCounts:
    """Statistics of all neurons over all words.

    Attributes:
        mean: float64 (labels, neurons), the centres of the sums.
        cells: the cells of the histograms, or None.
        rounding: relative rounding of the values.
    """

    mean: Float64[np.ndarray, "labels neurons"]
    cells: Cells | None
    rounding: float

    def cells_in(self, neurons: slice) -> Cells | None:
        """Return the cells of a range of neurons."""
        cells = self.cells
        if cells is None:
            return None
        return Cells(cells.middle[neurons], cells.unit[neurons], cells.exponent[neurons])


def ranges_of(words: GroupedWords) -> list[slice]:
    """Return the ranges of neurons that are counted one after another, each from a pass over its values.

    If neurons cannot be read separately, one range has them all, as far as their histograms of one draw fit in
    512 MiB.
    """
    size, step = words.activations.n_neurons, words.activations.column_step
    most = max(1, TABLE_BYTES // (4 * words.n_groups * CELLS))
    if step is not None:
        most = min(most, max(1, NEURONS // step) * step)
    return [slice(start, min(start + most, size)) for start in range(0, size, most)]


def count_draws(
    words: GroupedWords,
    often: Int64[np.ndarray, "draws words"],
    known: KnownCounts,
    neurons: slice,
    needs: Collection[Needs] = (),
) -> Iterator[Counts]:
    """Yield the counts of a range of neurons in every draw, from one pass over their values.

    The counts of a draw are those of a corpus in which its sentences really occur that often, up to the
    rounding of sums in float64, with the cells of all words. Memory grows with draws x labels x neurons, and
    for histograms by one byte per value.

    Args:
        words: the words that count.
        often: number of times that each word of the corpus occurs in each draw; used only where it counts.
        known: statistics of all words.
        neurons: range of flat indices.
        needs: statistics to count besides means and deviations.

    Raises:
        ParameterError: an activation is not finite.
    """
    sums = _Sums(words, often, known, neurons, needs)
    for rows, block in words.blocks("draws", neurons):
        sums.add(rows, block)
    yield from (sums.counts(draw) for draw in range(len(often)))


class _Sums:
    """Running sums of all draws for a range of neurons."""

    def __init__(
        self,
        words: GroupedWords,
        often: np.ndarray,
        known: KnownCounts,
        neurons: slice,
        needs: Collection[Needs],
    ) -> None:
        self._words, self._often, self._known, self._neurons = words, often, known, neurons
        draws, labels, size = len(often), words.n_groups, neurons.stop - neurons.start
        self._totals, self._squares = np.zeros((2, labels, draws, size))
        self._positive = np.zeros((labels, draws, size)) if "positive" in needs else None
        self._extremes = np.empty((2, draws, size), dtype=np.float32)
        self._extremes[0], self._extremes[1] = np.inf, -np.inf
        counted = np.flatnonzero(words.among)
        by_label = counted[np.argsort(words.codes[counted], kind="stable")]
        self._codes, self._by_label = words.codes[by_label], by_label
        self._n_words = np.stack(
            [
                np.bincount(self._codes, weights=row[by_label], minlength=labels).astype(np.int64)
                for row in often
            ]
        )
        self._cells: np.ndarray | None = None
        if "histogram" in needs:
            self._place = np.empty(len(words.among), dtype=np.int64)
            self._place[by_label] = np.arange(len(by_label))
            self._cells = np.empty((size, len(by_label)), dtype=np.uint8)

    def add(self, rows: np.ndarray, block: np.ndarray) -> None:
        """Add a block of words to the sums of every draw."""
        codes, centres = self._words.codes[rows], self._known.mean[:, self._neurons]
        for label in np.unique(codes):
            of_label = codes == label
            weights = self._often[:, rows[of_label]].astype(np.float64)
            values = block[of_label]
            deviations = values - centres[label]
            self._totals[label] += weights @ deviations
            self._squares[label] += weights @ np.square(deviations, out=deviations)
            if self._positive is not None:
                self._positive[label] += weights @ (values > 0.0).astype(np.float64)
        self._widen(rows, block)
        cells = self._known.cells_in(self._neurons)
        if self._cells is not None:
            assert cells is not None, "no cells are known"
            self._cells[:, self._place[rows]] = cells.of_values(block).T

    def _widen(self, rows: np.ndarray, block: np.ndarray) -> None:
        """Widen the extremes of every draw by those of the sentences of a block that occur in it."""
        sentences = self._words.activations.corpus.sentence_of_word[rows]
        starts = np.flatnonzero(np.append(True, sentences[1:] != sentences[:-1]))
        occurs = self._often[:, rows[starts]] > 0
        least, greatest = np.minimum.reduceat(block, starts), np.maximum.reduceat(block, starts)
        for draw, chosen in enumerate(occurs):
            if chosen.any():
                low, high = self._extremes[:, draw]
                np.minimum(low, least[chosen].min(axis=0), out=low)
                np.maximum(high, greatest[chosen].max(axis=0), out=high)

    def counts(self, draw: int) -> Counts:
        """Return the counts of one draw."""
        words = self._n_words[draw]
        return Counts(
            self._neurons,
            words,
            tuple(self._spread(draw, label, int(count)) for label, count in enumerate(words)),
            None if self._positive is None else np.rint(self._positive[:, draw]).astype(np.int64),
            self._extremes[:, draw],
            self._known.cells_in(self._neurons),
            self._histogram(draw),
            self._known.rounding,
        )

    def _spread(self, draw: int, label: int, words: int) -> Spread:
        if not words:
            return Spread.none(self._totals.shape[2])
        total, squares = self._totals[label, draw], self._squares[label, draw]
        centred = squares - total * (total / words)
        centred = np.where(centred > NOTHING * squares, centred, 0.0)
        return Spread(words, self._known.mean[label, self._neurons] + total / words, centred)

    def _histogram(self, draw: int) -> np.ndarray | None:
        """Count the cells of one draw in parallel threads."""
        cells = self._cells
        if cells is None:
            return None
        often = self._often[draw, self._by_label]
        chosen = np.flatnonzero(often)
        often = often[chosen].astype(np.int32)
        table = np.zeros((len(cells), self._words.n_groups, CELLS), dtype=np.int32)
        threads = torch.get_num_threads()
        edges = np.linspace(0, len(cells), threads + 1).astype(int)
        with ThreadPoolExecutor(threads, thread_name_prefix="onegrain-draws") as pool:
            list(
                pool.map(
                    lambda start, stop: count_drawn(
                        cells[start:stop], self._codes, chosen, often, table[start:stop]
                    ),
                    edges[:-1],
                    edges[1:],
                )
            )
        return table
