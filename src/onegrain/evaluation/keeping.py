"""Which sets of neurons are measured, each different one once, and what comes of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from onegrain.core.bootstrap import bootstrap_ratios, quantile_interval
from onegrain.core.progress import Progress
from onegrain.evaluation.options import EvaluationOptions
from onegrain.evaluation.probes import Probe
from onegrain.rankings.data.labelled import LabelledWords
from onegrain.records.ranking import Ranking

__all__ = ["Run", "orders_kept", "points_of"]

LEVEL = 0.95

Line = tuple[str | None, str, int]
"""Name of a ranking (None: of none), which neurons are kept, and the number of the random order."""

Measured = dict[tuple[str, Line, int], np.ndarray]
"""Kind, line and number of neurons -> bool (tested words,), whether each was right. Last the full probe."""


def orders_kept(
    rankings: Mapping[str, Ranking], options: EvaluationOptions, neurons: int, seed: int
) -> dict[Line, np.ndarray]:
    """The orders (int64 flat indices) whose first neurons are kept; random ones as in ablation."""
    found: dict[Line, np.ndarray] = {}
    for name, ranking in rankings.items():
        found |= {(name, "top", 0): ranking.order, (name, "bottom", 0): ranking.order[::-1]}
    rng = np.random.default_rng(seed)
    found |= {(None, "random", at): rng.permutation(neurons) for at in range(options.random_orders)}
    return {line: order for line, order in found.items() if line[1] in options.keep}


class Run:
    """Measures sets of neurons, each different one once."""

    def __init__(self, probe: Probe, test: LabelledWords, neurons: int, progress: Progress) -> None:
        self._probe, self._test, self._neurons, self._progress = probe, test, neurons, progress
        self.counted: dict[str, int] = {}

    def measure(self, kinds: tuple[str, ...], orders: dict[Line, np.ndarray], grid: list[int]) -> Measured:
        """Measure the first neurons of every order, at every number of the grid."""
        sets = {(line, count): np.sort(order[:count]) for line, order in orders.items() for count in grid}
        different = {kept.tobytes(): kept for kept in sets.values()}
        everything = np.arange(self._neurons)
        full = self._right(self._probe.masked([everything])[0])
        found: Measured = {}
        for kind in kinds:
            known = {everything.tobytes(): full}
            wanted = {key: kept for key, kept in different.items() if key not in known}
            self.counted[kind] = len(wanted)
            known |= self._mask(wanted) if kind == "masking" else self._retrain(wanted)
            found |= {(kind, line, count): known[kept.tobytes()] for (line, count), kept in sets.items()}
        found["full", (None, "all", 0), self._neurons] = full
        return found

    def _mask(self, wanted: dict[bytes, np.ndarray]) -> dict[bytes, np.ndarray]:
        if not wanted:
            return {}
        predicted = self._probe.masked(list(wanted.values()))
        return {key: self._right(one) for key, one in zip(wanted, predicted, strict=True)}

    def _retrain(self, wanted: dict[bytes, np.ndarray]) -> dict[bytes, np.ndarray]:
        found = {}
        with self._progress("retrain", len(wanted), "probes") as advance:
            for key, kept in wanted.items():
                found[key] = self._right(self._probe.alone(kept))
                advance(1)
        return found

    def _right(self, predicted: np.ndarray) -> np.ndarray:
        return predicted == self._test.codes


def points_of(
    measured: Measured, test: LabelledWords, options: EvaluationOptions, seed: int
) -> tuple[pd.DataFrame, np.ndarray]:
    """The table of points, the full probe last, and float64 (points, resamples), their draws."""
    different = {id(right): right for right in measured.values()}
    column = {key: at for at, key in enumerate(different)}
    _, place, words = np.unique(test.sentences, return_inverse=True, return_counts=True)
    totals = np.stack(
        [np.bincount(place, weights=right, minlength=len(words)) for right in different.values()], axis=1
    )
    every = bootstrap_ratios(totals, words, resamples=options.resamples, seed=seed)
    low, high = quantile_interval(every, LEVEL)
    accuracies = totals.sum(axis=0) / words.sum()
    at = np.array([column[id(right)] for right in measured.values()])
    rows = [(kind, name, keep, order, count) for kind, (name, keep, order), count in measured]
    frame = pd.DataFrame(rows, columns=["kind", "ranking", "keep", "order", "neurons"])
    frame = frame.assign(accuracy=accuracies[at], low=low[at], high=high[at])
    return frame, np.ascontiguousarray(every.T[at])
