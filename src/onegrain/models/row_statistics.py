"""Rows that a model reads in batches, and the statistics of each row."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from onegrain.core.progress import Progress
from onegrain.models.batching import by_length

__all__ = ["RowStatistics"]


@dataclass(frozen=True, eq=False)
class RowStatistics:
    """The rows of a corpus that a model reads, and a function that runs a batch of them.

    Attributes:
        sizes: the number of subwords of each row, by which rows are put into batches.
        units: int64 (rows,), the sentence, pair or document whose statistics a row adds to.
        n_units: number of sentences, pairs or documents.
        columns: the name of each statistic.
        score: returns float64 (n, statistics) for n row numbers (int64), from one forward pass over them. The
            edits in place when it is called apply, and the words that the rows hold are known to them.
        alike: a key for each row; only rows with equal keys may share a batch. None if all may.
        most_subwords: the largest number of subwords in a batch of several rows; None for no limit.
        settings: what the statistics depend on besides corpus and options, as fields of a metric's signature.
    """

    sizes: Sequence[int]
    units: np.ndarray
    n_units: int
    columns: tuple[str, ...]
    score: Callable[[np.ndarray], np.ndarray]
    alike: Sequence[Hashable] | None = None
    most_subwords: int | None = None
    settings: tuple[str, ...] = ()

    def batches(self, batch_size: int) -> Iterator[np.ndarray]:
        """Yield the row numbers (int64) of each batch, longest rows first."""
        if self.most_subwords is not None:
            batch_size = max(1, min(batch_size, self.most_subwords // max(self.sizes, default=1)))
        return by_length(self.sizes, batch_size, alike=self.alike)

    @torch.no_grad()
    def totals(self, batch_size: int, progress: Progress) -> np.ndarray:
        """Return the statistics of each unit, float64 (units, statistics): the sums over its rows."""
        totals = np.zeros((self.n_units, len(self.columns)))
        with progress("measure", len(self.sizes), "rows") as advance:
            for batch in self.batches(batch_size):
                np.add.at(totals, self.units[batch], self.score(batch))
                advance(len(batch))
        return totals
