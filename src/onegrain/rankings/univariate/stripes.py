"""A stripe of neurons: what is counted of them at one block of words after another.

Python runs one thread at a time between array operations, so each of these is over all words of a block, long
enough for another thread to work meanwhile, and over few neurons, so that a block of them stays in the caches.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int16, Int32, Int64, UInt8
from scipy import sparse

from onegrain.rankings.univariate.cells import CELLS, Cells
from onegrain.rankings.univariate.spread import Spread

__all__ = ["Grouped", "Histogram", "Scratch", "Stripe"]

STRIP = 128
"""Neurons that are counted together, under one label: each of their cells has a number in int16."""
LEAST_SHARE = 2.0**-10
"""Of the squares about 0 those about the mean: sums of the values lose ten of the 53 binary digits."""


class Grouped:
    """The words of a block and their labels.

    Args:
        codes: int64 (words,), the labels.
        n_labels: how many labels there are.

    Attributes:
        codes: as given.
        first: int64 (labels,), the first word of each label in the block; any word where there is none.
        counts: int64 (labels,), how many there are.
        members: float64 (labels, words), sparse: 1 where a word has a label, so that a product sums.
    """

    def __init__(self, codes: Int64[np.ndarray, " words"], n_labels: int) -> None:
        order, edges = _by_label(codes, n_labels)
        self.codes = codes
        self.counts = np.diff(edges)
        self.first = order[np.minimum(edges[:-1], len(codes) - 1)]
        self.members = sparse.csr_array((np.ones(len(codes)), order, edges), shape=(n_labels, len(codes)))

    @cached_property
    def single(self) -> sparse.csr_array:
        """``members`` in float32, which counts the words of a block exactly."""
        return self.members.astype(np.float32)


@dataclass(frozen=True, eq=False)
class Scratch:
    """Memory that one thread works in: new memory for every block would cost time.

    Attributes:
        values: float32 (words of a block x neurons of a stripe,).
        other: likewise.
        double: likewise, float64.
        cells: uint8 (words that wait x neurons of a stripe,).
        keys: int16 (words that wait x neurons that are counted together,).
    """

    values: Float32[np.ndarray, " values"]
    other: Float32[np.ndarray, " values"]
    double: Float64[np.ndarray, " values"]
    cells: UInt8[np.ndarray, " cells"]
    keys: Int16[np.ndarray, " keys"]

    @classmethod
    def of(cls, words: int, neurons: int, waiting: int) -> Scratch:
        """For blocks of no more words, stripes of no more neurons, and no more words that wait."""
        size = words * neurons
        return cls(
            np.empty(size, np.float32),
            np.empty(size, np.float32),
            np.empty(size, np.float64),
            np.empty(waiting * neurons, np.uint8),
            np.empty(waiting * min(STRIP, neurons), np.int16),
        )


class Histogram:
    """Counts cells under each label; cells wait until there are many to be counted together.

    Args:
        cells: of the neurons.
        table: int32 (neurons, labels, cells), zeros; the counts, once :meth:`finish` was called.
        room: how many words may wait, at least those of a block.
    """

    def __init__(self, cells: Cells, table: Int32[np.ndarray, "neurons labels cells"], room: int) -> None:
        self._cells, self._table = cells, table
        self._waiting = np.empty((room, len(table)), dtype=np.uint8)
        self._codes = np.empty(room, dtype=np.int64)
        self._held = 0

    def take_in(
        self,
        values: Float32[np.ndarray, "words neurons"],
        codes: Int64[np.ndarray, " words"],
        scratch: Scratch,
    ) -> None:
        """Take in a block and its labels; the values are written to."""
        if self._held + len(values) > len(self._waiting):
            self.finish(scratch)
        here = slice(self._held, self._held + len(values))
        self._cells.lay(values, _shaped(scratch.other, *values.shape), self._waiting[here])
        self._codes[here] = codes
        self._held = here.stop

    def finish(self, scratch: Scratch) -> None:
        """Count what waits, label by label."""
        if not self._held:
            return
        codes = self._codes[: self._held]
        order, edges = _by_label(codes, self._table.shape[1])
        cells = _shaped(scratch.cells, self._held, len(self._table))
        np.take(self._waiting[: self._held], order, axis=0, out=cells, mode="clip")
        for label in np.flatnonzero(np.diff(edges)).tolist():
            self._count(self._table[:, label], cells[edges[label] : edges[label + 1]], scratch)
        self._held = 0

    def _count(self, table: np.ndarray, cells: np.ndarray, scratch: Scratch) -> None:
        for start in range(0, len(table), STRIP):
            some = table[start : start + STRIP]
            keys = _shaped(scratch.keys, len(cells), len(some))
            np.copyto(keys, cells[:, start : start + STRIP])
            keys += np.arange(len(some), dtype=np.int16) * np.int16(CELLS)
            counted = torch.bincount(torch.from_numpy(keys.reshape(-1)), minlength=some.size)
            some += counted.numpy().reshape(some.shape)


class Stripe:
    """A range of neurons, and what is known of them.

    Args:
        neurons: where in a block they are.
        n_labels: how many labels there are.
        extremes: float32 (neurons,) twice, the least and greatest value so far; None where not asked for.
        positive: int64 (labels, neurons), how often a neuron is above 0; None where not asked for.
        histogram: None where not asked for.

    Attributes:
        spread: of each label.
    """

    def __init__(
        self,
        neurons: slice,
        n_labels: int,
        *,
        extremes: tuple[np.ndarray, np.ndarray] | None,
        positive: np.ndarray | None,
        histogram: Histogram | None,
    ) -> None:
        self.spread = Spread.none(neurons.stop - neurons.start, n_labels)
        self._neurons, self._extremes, self._positive, self._histogram = neurons, extremes, positive, histogram

    def take_in(self, block: Float32[np.ndarray, "words neurons"], words: Grouped, scratch: Scratch) -> bool:
        """Take in a block, of all neurons; False where a value is not finite."""
        given = block[:, self._neurons]
        with np.errstate(invalid="ignore"):
            spread = _spread(given, words, scratch)
        if not np.isfinite(spread.mean).all():
            return False
        self.spread = self.spread.merged(spread)
        if any(one is not None for one in (self._extremes, self._positive, self._histogram)):
            values = _shaped(scratch.values, *given.shape)
            np.copyto(values, given)
            self._count(values, words, scratch)
        return True

    def _count(self, values: Float32[np.ndarray, "words neurons"], words: Grouped, scratch: Scratch) -> None:
        """What is asked for beside the spread; the values are written to."""
        if self._extremes is not None:
            least, greatest = self._extremes
            np.minimum(least, values.min(axis=0), out=least)
            np.maximum(greatest, values.max(axis=0), out=greatest)
        if self._positive is not None:
            above = np.greater(values, 0, out=_shaped(scratch.other, *values.shape))
            self._positive += (words.single @ above).astype(np.int64)
        if self._histogram is not None:
            self._histogram.take_in(values, words.codes, scratch)

    def finish(self, scratch: Scratch) -> None:
        """Nothing more will come."""
        if self._histogram is not None:
            self._histogram.finish(scratch)


def _spread(values: np.ndarray, words: Grouped, scratch: Scratch) -> Spread:
    """Of each label, as of one block (see :meth:`Spread.of`).

    Sums of the values themselves are quickest, and lose as many digits as the squares about the mean are fewer
    than those about 0; where they lose too many, deviations from the label's first word are summed.
    """
    counts = words.counts[:, None]
    double = _shaped(scratch.double, *values.shape)
    np.copyto(double, values)
    sums, squares = _sums(double, words)
    spread = Spread.shifted(counts, np.zeros(values.shape[1]), sums, squares)
    lost = (spread.squares < LEAST_SHARE * squares) & (counts > 1)
    again = np.flatnonzero(lost.any(axis=0))
    if len(again):
        some = _shifted(values[:, again], words, scratch)
        spread.mean[:, again], spread.squares[:, again] = some.mean, some.squares
    return spread


def _shifted(values: np.ndarray, words: Grouped, scratch: Scratch) -> Spread:
    other, double = _shaped(scratch.other, *values.shape), _shaped(scratch.double, *values.shape)
    near = values[words.first]
    np.take(near, words.codes, axis=0, out=other, mode="clip")
    np.subtract(values, other, out=double, dtype=np.float64)
    return Spread.shifted(words.counts[:, None], near, *_sums(double, words))


def _sums(double: np.ndarray, words: Grouped) -> tuple[np.ndarray, np.ndarray]:
    """float64 (labels, neurons): of each label's values, which are overwritten, and of their squares."""
    sums = words.members @ double
    np.multiply(double, double, out=double)
    return sums, words.members @ double


def _by_label(codes: Int64[np.ndarray, " words"], n_labels: int) -> tuple[np.ndarray, np.ndarray]:
    """The words label by label, in order within each; and where each label begins, and the last one ends."""
    edges = np.append(0, np.cumsum(np.bincount(codes, minlength=n_labels)))
    return np.argsort(codes, kind="stable"), edges


def _shaped(room: np.ndarray, words: int, neurons: int) -> np.ndarray:
    return room[: words * neurons].reshape(words, neurons)
