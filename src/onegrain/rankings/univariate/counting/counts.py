"""One pass over the words: what every univariate ranking asks of a neuron's values under each label."""

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
from onegrain.rankings.univariate.counting.grouped_words import CountedWords
from onegrain.rankings.univariate.counting.kernels import CELLS
from onegrain.rankings.univariate.counting.stripes import Histogram, Stripe

__all__ = ["Counts", "Needs", "count"]

Needs = Literal["histogram", "positive", "range"]
"""What is counted beside means, deviations and extremes where a method asks for it; ``range`` adds nothing."""

TABLE_BYTES = 2**29
"""Of the histograms that are held at once; more neurons are taken in turns, each a pass over the words."""
STRIPE = 512
"""Neurons that a thread takes at once, at most."""


@dataclass(frozen=True, eq=False)
class Counts:
    """What is known of some neurons under each label.

    Attributes:
        neurons: which, by flat index.
        words: int64 (labels,), words of each label.
        spreads: mean and squared deviations of the neurons, a label each.
        positive: int64 (labels, neurons), how many of them the neuron is above 0 at; None where not asked for.
        extremes: float32 (2, neurons), the least and greatest value over all words.
        cells: what the histogram's intervals are; None where it was not asked for.
        histogram: int32 (neurons, labels, cells); None where it was not asked for.
        rounding: of the values, relative (constant.py of core).
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
        """bool (neurons,): the neurons that do not change by more than rounding."""
        return constant_neurons(self.extremes[0], self.extremes[1], self.rounding)

    @cached_property
    def seen(self) -> Int64[np.ndarray, "neurons cells"]:
        """int64 (neurons, cells): the words in each cell, of whatever label; with a histogram only."""
        assert self.histogram is not None, "the method asked for no histogram"
        return self.histogram.sum(axis=1, dtype=np.int64)

    def everything(self) -> Spread:
        """The spread over the words of all labels."""
        return list(accumulate(self.spreads, Spread.merged))[-1]

    def against_the_rest(self) -> list[tuple[Spread, Spread]]:
        """For each label its words, and all others merged: those of the labels before it and behind it.

        Nothing is subtracted, so that a neuron without deviation has none.
        """
        nothing = Spread.none(self.neurons.stop - self.neurons.start)
        before = list(accumulate(self.spreads[:-1], Spread.merged, initial=nothing))
        behind = list(accumulate(self.spreads[:0:-1], Spread.merged, initial=nothing))[::-1]
        return [(own, one.merged(two)) for own, one, two in zip(self.spreads, before, behind, strict=True)]


def count(words: CountedWords, needs: Collection[Needs] = ()) -> Iterator[Counts]:
    """The counts of all neurons, in one pass; in turns where their histograms take more than 512 MiB.

    Memory grows with labels x neurons, never with the words. What is counted does not depend on what else is.

    Raises:
        ParameterError: an activation is not finite.
    """
    size = words.activations.n_neurons
    step = max(1, TABLE_BYTES // (4 * words.n_groups * CELLS)) if "histogram" in needs else size
    step = -(-size // -(-size // step))  # turns of one size
    for start in range(0, size, step):
        yield _Turn(words, slice(start, min(start + step, size)), needs).counts()


class _Turn:
    """One pass for some neurons.

    Where neurons are read without the others, a stripe of them goes through all words before the next, so that
    what is read and counted of it stays in the caches, and threads take stripes side by side. Elsewhere, as of
    a model that runs or a store behind a network, all neurons are one stripe.
    """

    def __init__(self, words: CountedWords, neurons: slice, needs: Collection[Needs]) -> None:
        size = neurons.stop - neurons.start
        self._words, self._neurons, self._needs = words, neurons, needs
        self._table = np.zeros((size, words.n_groups, CELLS), dtype=np.int32) if "histogram" in needs else None
        self._lock, self._bad = Lock(), words.activations.n_words
        self._given_up = Event()

    def counts(self) -> Counts:
        step = self._words.activations.column_step
        if step is None:
            stripes = [self._stripe(self._words, self._neurons, ahead=True)]
        else:
            stripes = self._side_by_side(_stripes(self._neurons, step, torch.get_num_threads()))
        if self._bad < self._words.activations.n_words:
            self._words.require_finite(self._bad)
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

    def _side_by_side(self, stripes: Sequence[slice]) -> list[Stripe]:
        words, threads = replace(self._words, progress=silent), torch.get_num_threads()
        size = self._neurons.stop - self._neurons.start
        with (
            self._words.progress("counts", size, "neurons") as advance,
            ThreadPoolExecutor(threads, thread_name_prefix="onegrain-counts") as pool,
        ):
            coming = [pool.submit(self._stripe, words, stripe, ahead=False) for stripe in stripes]
            try:
                for stripe, one in zip(stripes, coming, strict=True):
                    one.result()
                    advance(stripe.stop - stripe.start)
            except BaseException:
                self._given_up.set()
                pool.shutdown(cancel_futures=True)
                raise
        return [one.result() for one in coming]

    def _stripe(self, words: CountedWords, neurons: slice, *, ahead: bool) -> Stripe:
        """What is counted of a range of neurons, up to the first block in which some value is not finite."""
        here = slice(neurons.start - self._neurons.start, neurons.stop - self._neurons.start)
        histogram = None
        if self._table is not None:
            histogram = Histogram(Cells.of(words, neurons, ahead=ahead), self._table[here])
        stripe = Stripe(here.stop - here.start, words.n_groups, self._needs, histogram)
        for rows, block in words.blocks("counts", neurons, checked=False, ahead=ahead):
            if rows[0] > self._bad or self._given_up.is_set():
                break
            if not stripe.take_in(block, words.codes[rows]):
                with self._lock:
                    self._bad = min(self._bad, int(rows[0]))
        stripe.finish()
        return stripe


def _stripes(neurons: slice, step: int, threads: int) -> list[slice]:
    """Ranges of neurons that are read without others, as many for every thread."""
    first, last = neurons.start // step, -(-neurons.stop // step)
    n = -(-(neurons.stop - neurons.start) // STRIPE)
    n = min(last - first, -(-n // threads) * threads)
    edges = [(first + (last - first) * at // n) * step for at in range(n + 1)]
    return [slice(max(start, neurons.start), min(stop, neurons.stop)) for start, stop in pairwise(edges)]
