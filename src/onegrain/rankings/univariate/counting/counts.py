"""One pass over the words, which counts all that univariate rankings need of each neuron under each label."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, pairwise
from threading import Event, Lock
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int32, Int64

from onegrain.core.constant import FLOAT32_ROUNDING, constant_neurons, rounding_of
from onegrain.core.moments import Spread
from onegrain.core.progress import silent
from onegrain.rankings.univariate.counting.cells import Cells
from onegrain.rankings.univariate.counting.grouped_words import GroupedWords
from onegrain.rankings.univariate.counting.kernels import CELLS
from onegrain.rankings.univariate.counting.stripes import Histogram, Stripe

__all__ = ["Counts", "Needs", "count"]

Needs = Literal["histogram", "positive", "range"]
"""The counts that a method may need besides means and deviations. Extremes (``range``) are always counted."""

TABLE_BYTES = 2**29
"""Most bytes of histograms held at once; further neurons are counted in turns, each a pass over the words."""
STRIPE = 512
"""Most neurons that a thread counts at once."""


@dataclass(frozen=True, eq=False)
class Counts:
    """The counts of a range of neurons under each label.

    Attributes:
        neurons: range of flat indices.
        words: int64 (labels,), number of words of each label.
        spreads: mean and squared deviations of the neurons under each label.
        positive: int64 (labels, neurons), number of words at which the neuron is above 0; None if not needed.
        extremes: float32 (2, neurons), the least and greatest value over all words.
        cells: the intervals of the histogram; None if not needed.
        histogram: int32 (neurons, labels, cells), number of words in each cell; None if not needed.
        rounding: relative rounding of the values (see core/constant.py).
    """

    neurons: slice
    words: Int64[np.ndarray, " labels"]
    spreads: tuple[Spread, ...]
    positive: Int64[np.ndarray, "labels neurons"] | None
    extremes: Float32[np.ndarray, "2 neurons"]
    cells: Cells | None
    histogram: Int32[np.ndarray, "neurons labels cells"] | None
    rounding: float = FLOAT32_ROUNDING

    @property
    def constant(self) -> Bool[np.ndarray, " neurons"]:
        """bool (neurons,): True for neurons that do not change by more than rounding."""
        return constant_neurons(self.extremes[0], self.extremes[1], self.rounding)

    @cached_property
    def seen(self) -> Int64[np.ndarray, "neurons cells"]:
        """int64 (neurons, cells): number of words in each cell, over all labels; needs a histogram."""
        assert self.histogram is not None, "the method asked for no histogram"
        return self.histogram.sum(axis=1, dtype=np.int64)

    def everything(self) -> Spread:
        """Return the spread over the words of all labels."""
        return list(accumulate(self.spreads, Spread.merged))[-1]

    def against_the_rest(self) -> list[tuple[Spread, Spread]]:
        """Return for each label the spread of its words and of all other words.

        The other words are merged from the labels before and behind it, never subtracted from the total, so a
        neuron that is constant on them has squares of exactly 0.
        """
        nothing = Spread.none(self.neurons.stop - self.neurons.start)
        before = list(accumulate(self.spreads[:-1], Spread.merged, initial=nothing))
        behind = list(accumulate(self.spreads[:0:-1], Spread.merged, initial=nothing))[::-1]
        return [
            (spread, lower.merged(upper))
            for spread, lower, upper in zip(self.spreads, before, behind, strict=True)
        ]


def count(words: GroupedWords, needs: Collection[Needs] = ()) -> Iterator[Counts]:
    """Yield the counts of all neurons from one pass, or in turns if their histograms take more than 512 MiB.

    Memory grows with labels x neurons, never with the words. A count does not depend on what else is counted.

    Raises:
        ParameterError: an activation is not finite.
    """
    size = words.activations.n_neurons
    step = max(1, TABLE_BYTES // (4 * words.n_groups * CELLS)) if "histogram" in needs else size
    step = -(-size // -(-size // step))  # turns of equal size
    for start in range(0, size, step):
        yield _Turn(words, slice(start, min(start + step, size)), needs).counts()


class _Turn:
    """One pass over the words for a range of neurons.

    If a range of neurons can be read without the others, each stripe of neurons goes through all words before
    the next stripe, so its values and counts stay in the caches, and threads count stripes in parallel.
    Otherwise (a running model, or a store behind a network) all neurons are one stripe.
    """

    def __init__(self, words: GroupedWords, neurons: slice, needs: Collection[Needs]) -> None:
        size = neurons.stop - neurons.start
        self._words, self._neurons, self._needs = words, neurons, needs
        self._table = np.zeros((size, words.n_groups, CELLS), dtype=np.int32) if "histogram" in needs else None
        self._lock, self._first_bad = Lock(), words.activations.n_words
        self._stopped = Event()

    def counts(self) -> Counts:
        """Return the counts of the neurons; ParameterError if an activation is not finite."""
        step = self._words.activations.column_step
        if step is None:
            stripes = [self._stripe(self._words, self._neurons, ahead=True)]
        else:
            stripes = self._in_parallel(_stripes(self._neurons, step, torch.get_num_threads()))
        if self._first_bad < self._words.activations.n_words:
            self._words.require_finite(self._first_bad)
        mean, squares, positive, extremes = (
            np.concatenate([getattr(stripe, name) for stripe in stripes], axis=1)
            for name in ("mean", "squares", "positive", "extremes")
        )
        words, cells = self._words.counts(), [stripe.cells for stripe in stripes if stripe.cells is not None]
        return Counts(
            self._neurons,
            words,
            tuple(map(Spread, words.tolist(), mean, squares)),
            positive if len(positive) else None,
            extremes,
            Cells.joined(cells) if cells else None,
            self._table,
            rounding_of(self._words.activations.array),
        )

    def _in_parallel(self, stripes: Sequence[slice]) -> list[Stripe]:
        """Count stripes in threads; after an error the other threads stop."""
        words, threads = replace(self._words, progress=silent), torch.get_num_threads()
        size = self._neurons.stop - self._neurons.start
        with (
            self._words.progress("counts", size, "neurons") as advance,
            ThreadPoolExecutor(threads, thread_name_prefix="onegrain-counts") as pool,
        ):
            futures = [pool.submit(self._stripe, words, stripe, ahead=False) for stripe in stripes]
            try:
                for stripe, future in zip(stripes, futures, strict=True):
                    future.result()
                    advance(stripe.stop - stripe.start)
            except BaseException:
                self._stopped.set()
                pool.shutdown(cancel_futures=True)
                raise
        return [future.result() for future in futures]

    def _stripe(self, words: GroupedWords, neurons: slice, *, ahead: bool) -> Stripe:
        """Count a range of neurons, up to the first block in which a value is not finite."""
        columns = slice(neurons.start - self._neurons.start, neurons.stop - self._neurons.start)
        histogram = None
        if self._table is not None:
            histogram = Histogram(Cells.of(words, neurons, ahead=ahead), self._table[columns])
        stripe = Stripe(columns.stop - columns.start, words.n_groups, self._needs, histogram)
        for rows, block in words.blocks("counts", neurons, checked=False, ahead=ahead):
            if rows[0] > self._first_bad or self._stopped.is_set():
                break
            if not stripe.accumulate(block, words.codes[rows]):
                with self._lock:
                    self._first_bad = min(self._first_bad, int(rows[0]))
        stripe.finish()
        return stripe


def _stripes(neurons: slice, step: int, threads: int) -> list[slice]:
    """Return ranges of neurons that can be read without the others, equally many for every thread."""
    first, last = neurons.start // step, -(-neurons.stop // step)
    n = -(-(neurons.stop - neurons.start) // STRIPE)
    n = min(last - first, -(-n // threads) * threads)
    edges = [(first + (last - first) * index // n) * step for index in range(n + 1)]
    return [slice(max(start, neurons.start), min(stop, neurons.stop)) for start, stop in pairwise(edges)]
