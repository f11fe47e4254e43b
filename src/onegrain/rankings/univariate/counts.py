"""One pass over the words: what every univariate ranking asks of a neuron's values under each label."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int32, Int64, UInt8

from onegrain.rankings.univariate.cells import CELLS, Cells
from onegrain.rankings.univariate.spread import Spread
from onegrain.rankings.univariate.words import CountedWords

__all__ = ["Counts", "Needs", "count"]

Needs = Literal["histogram", "positive", "range"]
"""What is counted beside means and deviations where a method asks for it."""

TABLE_BYTES = 2**29
"""Of the histograms that are held at once; more neurons are taken in turns, each a pass over the words."""
WAITING_BYTES = 2**26
"""Of the cells (uint8) that wait to be counted together."""
STRIPE = 512
"""Neurons that a thread measures at once: their words of a label stay in its cache."""
ROWS = 32
"""Words whose extremes or cells a thread finds at once: so do they."""
STRIP = 16
"""Neurons that are counted at once: so does their histogram."""


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
    """One pass for some neurons: stripes of neurons are measured by threads side by side."""

    def __init__(
        self, words: CountedWords, neurons: slice, needs: Collection[Needs], cells: Cells | None
    ) -> None:
        size, n_labels = neurons.stop - neurons.start, len(words.labels)
        self._words, self._neurons, self._needs, self._cells = words, neurons, needs, cells
        self._stripes = [slice(at, min(at + STRIPE, size)) for at in range(0, size, STRIPE)]
        self._spreads = [[Spread.none(one.stop - one.start)] * n_labels for one in self._stripes]
        self._positive = np.zeros((n_labels, size), dtype=np.int64) if "positive" in needs else None
        self._least = np.full(size, np.inf, dtype=np.float32)
        self._greatest = np.full(size, -np.inf, dtype=np.float32)
        self._histogram = None if cells is None else np.zeros((size, n_labels, CELLS), dtype=np.int32)
        room = max(1, WAITING_BYTES // size) if cells is not None else 0
        self._waiting: UInt8[np.ndarray, "words neurons"] = np.empty((room, size), dtype=np.uint8)
        self._codes = np.empty(room, dtype=np.int32)
        self._held = 0

    def run(self) -> Counts:
        with ThreadPoolExecutor(torch.get_num_threads(), thread_name_prefix="onegrain-counts") as pool:
            for rows, block in self._words.blocks("counts", self._neurons):
                codes = self._words.codes[rows]
                order = np.argsort(codes, kind="stable")
                edges = np.searchsorted(codes[order], np.arange(len(self._words.labels) + 1))
                jobs = [pool.submit(self._extremes, block)] if "range" in self._needs else []
                for at in range(len(self._stripes)):
                    jobs.append(pool.submit(self._measure, at, block, order, edges))
                for job in jobs:
                    job.result()
                if self._cells is not None:
                    self._wait(pool, block, codes)
            self._count(pool)
        spreads = [
            Spread.joined([stripe[code] for stripe in self._spreads]) for code in range(len(self._words.labels))
        ]
        return Counts(
            self._neurons,
            self._words.counts(),
            tuple(spreads),
            self._positive,
            self._least,
            self._greatest,
            self._cells,
            self._histogram,
        )

    def _extremes(self, block: np.ndarray) -> None:
        """Take in the least and greatest values of a block."""
        for start in range(0, len(block), ROWS):
            some = block[start : start + ROWS]
            np.minimum(self._least, some.min(axis=0), out=self._least)
            np.maximum(self._greatest, some.max(axis=0), out=self._greatest)

    def _measure(self, number: int, block: np.ndarray, order: np.ndarray, edges: np.ndarray) -> None:
        """Take in the moments of a stripe of neurons at the words of a block."""
        stripe, spreads = self._stripes[number], self._spreads[number]
        values = block[:, stripe]
        for code in np.flatnonzero(np.diff(edges)).tolist():
            own = values[order[edges[code] : edges[code + 1]]]
            spreads[code] = spreads[code].merged(Spread.of(own))
            if self._positive is not None:
                self._positive[code, stripe] += np.count_nonzero(own > 0, axis=0)

    def _wait(self, pool: ThreadPoolExecutor, block: np.ndarray, codes: np.ndarray) -> None:
        """Lay the cells of a block beside those that wait; count them whenever there is no more room."""
        done = 0
        while done < len(block):
            take = min(len(block) - done, len(self._codes) - self._held)
            self._codes[self._held : self._held + take] = codes[done : done + take]
            starts = range(0, take, ROWS)
            list(pool.map(lambda at, done=done, end=take: self._lay(block, done, at, end), starts))
            self._held, done = self._held + take, done + take
            if self._held == len(self._codes):
                self._count(pool)

    def _lay(self, block: np.ndarray, done: int, start: int, end: int) -> None:
        """The cells of some words of a block, of those from ``done`` on that find room."""
        assert self._cells is not None
        stop = min(start + ROWS, end)
        self._waiting[self._held + start : self._held + stop] = self._cells.of_values(
            block[done + start : done + stop]
        )

    def _count(self, pool: ThreadPoolExecutor) -> None:
        """Count the cells that wait."""
        if self._held:
            labels = (self._codes[: self._held] * np.int32(CELLS))[:, None]
            strips = range(0, self._waiting.shape[1], STRIP)
            list(pool.map(lambda at: self._count_strip(slice(at, at + STRIP), labels), strips))
            self._held = 0

    def _count_strip(self, strip: slice, labels: np.ndarray) -> None:
        assert self._histogram is not None
        table = self._histogram[strip]
        keys = np.add(self._waiting[: self._held, strip], labels, dtype=np.int32)
        keys += np.arange(len(table), dtype=np.int32) * np.int32(table[0].size)
        counted = torch.bincount(torch.from_numpy(keys.reshape(-1)), minlength=table.size)
        table += counted.numpy().reshape(table.shape)
