"""Sparse probes in units of the activations, and how well they tell their labels on words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from onegrain.rankings.data.labelled import LabelledWords
from onegrain.rankings.sparse.correlations import Correlations, blocks_of
from onegrain.rankings.sparse.fit import Fit

__all__ = ["SparseProbes"]


@dataclass(frozen=True, eq=False)
class SparseProbes:
    """One linear probe a label: a word has it where the output, weights . activations + bias, is high enough.

    Attributes:
        weights: float64 (labels, neurons), 0 for neurons that are not chosen.
        biases: float64 (labels,); outputs are then the regression of 0 and 1.
        thresholds: float64 (labels,), from which output on a word is told to have the label: that of the
            highest F1 on the training words, half way to the next lower output of one.
    """

    weights: Float64[np.ndarray, "labels neurons"]
    biases: Float64[np.ndarray, " labels"]
    thresholds: Float64[np.ndarray, " labels"]

    @classmethod
    def of(cls, fits: Sequence[Fit], known: Correlations, train: LabelledWords) -> SparseProbes:
        """The probes of fits to the training words."""
        weights = np.zeros((len(fits), known.n_neurons))
        deviations = np.sqrt(known.shares * (1.0 - known.shares))
        for row, fit, deviation in zip(weights, fits, deviations, strict=True):
            chosen = list(fit.chosen)
            row[chosen] = fit.weights * deviation * known.inverse[chosen] if chosen else 0.0
        biases = known.shares - weights @ known.center
        probes = cls(weights, biases, np.zeros(len(fits)))
        outputs = probes.outputs(train)
        found = [_best_threshold(one, train.codes == at) for at, one in enumerate(outputs.T)]
        return cls(weights, biases, np.array(found))

    def outputs(self, words: LabelledWords) -> Float64[np.ndarray, "words labels"]:
        """The output of every probe at every word."""
        used = np.flatnonzero(self.weights.any(axis=0))
        found = np.empty((len(words), len(self.weights)))
        for rows, block in blocks_of(words):
            found[rows] = block[:, used] @ self.weights[:, used].T + self.biases
        return found

    def scores(self, words: LabelledWords) -> list[dict[str, float | int | None]]:
        """For every label ``words``, ``f1`` (None where no word has it or is told to) and ``accuracy``."""
        told = self.outputs(words) >= self.thresholds
        found: list[dict[str, float | int | None]] = []
        for at, said in enumerate(told.T):
            has = words.codes == at
            both, either = int((said & has).sum()), int(said.sum() + has.sum())
            found.append(
                {
                    "words": int(has.sum()),
                    "f1": 2.0 * both / either if either else None,
                    "accuracy": float((said == has).mean()),
                }
            )
        return found


def _best_threshold(outputs: Float64[np.ndarray, " words"], has: Bool[np.ndarray, " words"]) -> float:
    """From which output on F1 is highest; of equals the highest."""
    order = np.argsort(-outputs, kind="stable")
    falling = outputs[order]
    f1 = 2.0 * np.cumsum(has[order]) / (np.arange(1, len(has) + 1) + has.sum())
    last = np.append(falling[1:] < falling[:-1], True)
    at = int(np.where(last, f1, -1.0).argmax())
    lower = falling[min(at + 1, len(falling) - 1)]
    return float(lower + (falling[at] - lower) / 2.0) if lower < falling[at] else float(falling[at])
