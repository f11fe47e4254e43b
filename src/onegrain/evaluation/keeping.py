"""The sets of neurons that an evaluation keeps, each measured once, and the table of their accuracies."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from onegrain.core.bootstrap import bootstrap_ratios, quantile_interval
from onegrain.core.progress import Progress
from onegrain.evaluation.options import EvaluationOptions
from onegrain.evaluation.probes import EvaluationProbe
from onegrain.rankings.data.labelled import LabelledWords
from onegrain.records.ranking import Ranking

__all__ = ["Measurer", "orders_kept", "points_of"]

LEVEL = 0.95
"""Confidence level of the intervals."""

Line = tuple[str | None, str, int]
"""Name of a ranking (None for random orders), which neurons are kept, and the number of the random order."""

Measured = dict[tuple[str, Line, int], np.ndarray]
"""Kind, line and number of neurons -> bool (tested words,), True if correct. The full probe is last."""


def orders_kept(
    rankings: Mapping[str, Ranking], options: EvaluationOptions, neurons: int, seed: int
) -> dict[Line, np.ndarray]:
    """Return the orders (int64 flat indices) whose first neurons are kept; random orders as in ablation."""
    orders: dict[Line, np.ndarray] = {}
    for name, ranking in rankings.items():
        orders |= {(name, "top", 0): ranking.order, (name, "bottom", 0): ranking.order[::-1]}
    rng = np.random.default_rng(seed)
    orders |= {(None, "random", number): rng.permutation(neurons) for number in range(options.random_orders)}
    return {line: order for line, order in orders.items() if line[1] in options.keep}


class Measurer:
    """Measures the accuracy on sets of neurons; equal sets are measured once.

    Attributes:
        counted: number of sets measured, by kind.
    """

    def __init__(self, probe: EvaluationProbe, test: LabelledWords, neurons: int, progress: Progress) -> None:
        self._probe, self._test, self._neurons, self._progress = probe, test, neurons, progress
        self.counted: dict[str, int] = {}

    def measure(self, kinds: tuple[str, ...], orders: dict[Line, np.ndarray], grid: list[int]) -> Measured:
        """Measure the first neurons of every order, for every number of the grid."""
        sets = {(line, count): np.sort(order[:count]) for line, order in orders.items() for count in grid}
        different = {kept.tobytes(): kept for kept in sets.values()}
        all_neurons = np.arange(self._neurons)
        full = self._is_correct(self._probe.masked([all_neurons])[0])
        measured: Measured = {}
        for kind in kinds:
            known = {all_neurons.tobytes(): full}
            wanted = {key: kept for key, kept in different.items() if key not in known}
            self.counted[kind] = len(wanted)
            known |= self._mask(wanted) if kind == "masking" else self._retrain(wanted)
            measured |= {(kind, line, count): known[kept.tobytes()] for (line, count), kept in sets.items()}
        measured["full", (None, "all", 0), self._neurons] = full
        return measured

    def _mask(self, wanted: dict[bytes, np.ndarray]) -> dict[bytes, np.ndarray]:
        if not wanted:
            return {}
        predicted = self._probe.masked(list(wanted.values()))
        return {key: self._is_correct(labels) for key, labels in zip(wanted, predicted, strict=True)}

    def _retrain(self, wanted: dict[bytes, np.ndarray]) -> dict[bytes, np.ndarray]:
        if not wanted:
            return {}
        with self._progress("retraining", len(wanted), "probes") as advance:
            predicted = self._probe.alone(list(wanted.values()), advance)
        return {key: self._is_correct(labels) for key, labels in zip(wanted, predicted, strict=True)}

    def _is_correct(self, predicted: np.ndarray) -> np.ndarray:
        return predicted == self._test.codes


def points_of(
    measured: Measured, test: LabelledWords, options: EvaluationOptions, seed: int
) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the table of points, the full probe last, and their draws, float64 (points, resamples)."""
    distinct = {id(correct): correct for correct in measured.values()}
    column = {key: position for position, key in enumerate(distinct)}
    _, place, words = np.unique(test.sentences, return_inverse=True, return_counts=True)
    totals = np.stack(
        [np.bincount(place, weights=correct, minlength=len(words)) for correct in distinct.values()], axis=1
    )
    draws = bootstrap_ratios(totals, words, resamples=options.resamples, seed=seed)
    low, high = quantile_interval(draws, LEVEL)
    accuracies = totals.sum(axis=0) / words.sum()
    position = np.array([column[id(correct)] for correct in measured.values()])
    rows = [(kind, name, keep, order, count) for kind, (name, keep, order), count in measured]
    frame = pd.DataFrame(rows, columns=["kind", "ranking", "keep", "order", "neurons"])
    frame = frame.assign(accuracy=accuracies[position], low=low[position], high=high[position])
    return frame, np.ascontiguousarray(draws.T[position])
