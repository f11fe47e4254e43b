"""One pass over the words: what every univariate ranking asks of a neuron's values under each label."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise
from queue import SimpleQueue
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int32, Int64

from onegrain.rankings import blocks
from onegrain.rankings.univariate.cells import CELLS, Cells
from onegrain.rankings.univariate.spread import Spread
from onegrain.rankings.univariate.stripes import Grouped, Histogram, Scratch, Stripe
from onegrain.rankings.univariate.words import CountedWords

__all__ = ["Counts", "Needs", "count"]

Needs = Literal["histogram", "positive", "range"]
"""What is counted beside means and deviations where a method asks for it."""

TABLE_BYTES = 2**29
"""Of the histograms that are held at once; more neurons are taken in turns, each a pass over the words."""
WAITING_BYTES = 2**26
"""Of the cells (uint8) that wait to be counted together."""
STRIPE = 256
"""Neurons that a thread takes at once, at most."""


@dataclass(frozen=True, eq=False)
class Counts:
    """What is known of some neurons under each label.

    Attributes:
        neurons: which, by flat index.
        words: int64 (labels,), words of each label.
        spreads: mean and squared deviations of the neurons, a label each.
        positive: int64 (labels, neurons), how many of them the neuron is above 0 at; None where not asked for.
        least: float32 (neurons,), over all words; infinite where the range was not asked for.
        greatest: float32 (neurons,), likewise.
        cells: what the histogram's intervals are; None where it was not asked for.
        histogram: int32 (neurons, labels, cells); None where it was not asked for.
    """

    neurons: slice
    words: Int64[np.ndarray, " labels"]
    spreads: tuple[Spread, ...]
    positive: Int64[np.ndarray, "labels neurons"] | None
    least: Float32[np.ndarray, " neurons"]
    greatest: Float32[np.ndarray, " neurons"]
    cells: Cells | None
    histogram: Int32[np.ndarray, "neurons labels cells"] | None

    @property
    def constant(self) -> Bool[np.ndarray, " neurons"]:
        """bool (neurons,): the neurons that never change."""
        return self.everything().squares == 0.0

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
    size, n_labels, histogram = words.activations.n_neurons, len(words.labels), "histogram" in needs
    step = max(1, TABLE_BYTES // (4 * n_labels * CELLS)) if histogram else size
    step = -(-size // -(-size // step))  # turns of one size
    for start in range(0, size, step):
        neurons = slice(start, min(start + step, size))
        yield _Counting(words, neurons, needs, Cells.of(words, neurons) if histogram else None).run()


class _Counting:
    """One pass for some neurons: threads take stripes of neurons side by side."""

    def __init__(
        self, words: CountedWords, neurons: slice, needs: Collection[Needs], cells: Cells | None
    ) -> None:
        size, n_labels = neurons.stop - neurons.start, len(words.labels)
        self._words, self._neurons = words, neurons
        self._positive = np.zeros((n_labels, size), dtype=np.int64) if "positive" in needs else None
        self._least = np.full(size, np.inf, dtype=np.float32)
        self._greatest = np.full(size, -np.inf, dtype=np.float32)
        self._cells = cells
        self._histogram = None if cells is None else np.zeros((size, n_labels, CELLS), dtype=np.int32)
        rows = min(blocks.BLOCK_ROWS, words.activations.n_words)
        room = 0 if cells is None else min(max(rows, WAITING_BYTES // size), words.activations.n_words)
        self._threads = torch.get_num_threads()
        self._free: SimpleQueue[Scratch] = SimpleQueue()
        for _ in range(self._threads):
            self._free.put(Scratch.of(rows, min(STRIPE, size), room))
        self._stripes = [
            Stripe(
                at,
                n_labels,
                extremes=(self._least[at], self._greatest[at]) if "range" in needs else None,
                positive=None if self._positive is None else self._positive[:, at],
                histogram=None
                if cells is None or self._histogram is None
                else Histogram(cells.part(at), self._histogram[at], room),
            )
            for at in _stripes(size, self._threads)
        ]

    def run(self) -> Counts:
        with ThreadPoolExecutor(self._threads, thread_name_prefix="onegrain-counts") as pool:
            for rows, block in self._words.blocks("counts", self._neurons, checked=False):
                words = Grouped(self._words.codes[rows], len(self._words.labels))
                if not all(list(pool.map(partial(self._take_in, block, words), self._stripes))):
                    self._words.require_finite(rows)
            list(pool.map(self._finish, self._stripes))
        spreads = Spread.joined([stripe.spread for stripe in self._stripes]).labels()
        return Counts(
            self._neurons,
            self._words.counts(),
            spreads,
            self._positive,
            self._least,
            self._greatest,
            self._cells,
            self._histogram,
        )

    def _take_in(self, block: np.ndarray, words: Grouped, stripe: Stripe) -> bool:
        with self._scratch() as scratch:
            return stripe.take_in(block, words, scratch)

    def _finish(self, stripe: Stripe) -> None:
        with self._scratch() as scratch:
            stripe.finish(scratch)

    @contextmanager
    def _scratch(self) -> Iterator[Scratch]:
        """Memory that no other thread works in."""
        scratch = self._free.get()
        try:
            yield scratch
        finally:
            self._free.put(scratch)


def _stripes(size: int, threads: int) -> list[slice]:
    """Ranges of neurons, as many for every thread."""
    n = -(-size // STRIPE)
    n = min(size, -(-n // threads) * threads)
    edges = [size * at // n for at in range(n + 1)]
    return [slice(start, stop) for start, stop in pairwise(edges)]
