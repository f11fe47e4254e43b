"""Sparse probes in units of the activations, and their scores on words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from onegrain.rankings.data.labelled import LabelledWords
from onegrain.rankings.sparse.correlations import LabelCorrelations, blocks_of
from onegrain.rankings.sparse.fit import Fit

__all__ = ["SparseProbes"]


@dataclass(frozen=True, eq=False)
class SparseProbes:
    """One linear probe per label, which predicts it where weights . activations + bias reaches a threshold.

    Attributes:
        weights: float64 (labels, neurons), 0 for neurons that are not chosen.
        biases: float64 (labels,); with them, outputs are regressions on the indicators 0 and 1.
        thresholds: float64 (labels,), the threshold of highest F1 on the training words, half way to the next
            lower output.
    """

    weights: Float64[np.ndarray, "labels neurons"]
    biases: Float64[np.ndarray, " labels"]
    thresholds: Float64[np.ndarray, " labels"]

    @classmethod
    def of(cls, fits: Sequence[Fit], known: LabelCorrelations, train: LabelledWords) -> SparseProbes:
        """Return the probes of fits to the training words."""
        weights = np.zeros((len(fits), known.n_neurons))
        deviations = np.sqrt(known.shares * (1.0 - known.shares))
        for row, fit, deviation in zip(weights, fits, deviations, strict=True):
            chosen = list(fit.chosen)
            row[chosen] = fit.weights * deviation * known.inverse[chosen] if chosen else 0.0
        biases = known.shares - weights @ known.center
        probes = cls(weights, biases, np.zeros(len(fits)))
        outputs = probes.outputs(train)
        thresholds = [
            _best_threshold(label_outputs, train.codes == label)
            for label, label_outputs in enumerate(outputs.T)
        ]
        return cls(weights, biases, np.array(thresholds))

    def outputs(self, words: LabelledWords) -> Float64[np.ndarray, "words labels"]:
        """Return the output of every probe at every word."""
        used = np.flatnonzero(self.weights.any(axis=0))
        outputs = np.empty((len(words), len(self.weights)))
        for rows, block in blocks_of(words):
            outputs[rows] = block[:, used] @ self.weights[:, used].T + self.biases
        return outputs

    def scores(self, words: LabelledWords) -> list[dict[str, float | int | None]]:
        """Return for each label ``words``, ``f1`` (None if never true nor predicted) and ``accuracy``."""
        predictions = self.outputs(words) >= self.thresholds
        scores: list[dict[str, float | int | None]] = []
        for label, predicted in enumerate(predictions.T):
            truth = words.codes == label
            hits, either = int((predicted & truth).sum()), int(predicted.sum() + truth.sum())
            scores.append(
                {
                    "words": int(truth.sum()),
                    "f1": 2.0 * hits / either if either else None,
                    "accuracy": float((predicted == truth).mean()),
                }
            )
        return scores


def _best_threshold(outputs: Float64[np.ndarray, " words"], truth: Bool[np.ndarray, " words"]) -> float:
    """Return the threshold of highest F1; of equal thresholds the highest."""
    order = np.argsort(-outputs, kind="stable")
    falling = outputs[order]
    f1 = 2.0 * np.cumsum(truth[order]) / (np.arange(1, len(truth) + 1) + truth.sum())
    last = np.append(falling[1:] < falling[:-1], True)
    best = int(np.where(last, f1, -1.0).argmax())
    lower = falling[min(best + 1, len(falling) - 1)]
    return float(lower + (falling[best] - lower) / 2.0) if lower < falling[best] else float(falling[best])
