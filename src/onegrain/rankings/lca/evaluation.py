"""Evaluate an ordering by masking, by retraining, and by the smallest set of neurons that suffices."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from onegrain.core.bootstrap import bootstrap_ratio
from onegrain.rankings.data.labelled import LabelledWords
from onegrain.rankings.elastic_net.probe import FittedProbe, ProbeSolver, predict
from onegrain.rankings.elastic_net.problem import Penalties
from onegrain.rankings.lca.options import LcaOptions
from onegrain.rankings.lca.search import count_of

__all__ = ["OrderingEvaluation", "accuracy", "label_scores"]


def accuracy(predicted: np.ndarray, codes: np.ndarray) -> float:
    """Return the share of the words whose label is predicted."""
    return float((predicted == codes).mean())


def label_scores(predicted: np.ndarray, codes: np.ndarray, n_labels: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the F1 of every label, float64 (labels,), NaN where it does not occur, and each label's count."""
    right = np.bincount(codes[predicted == codes], minlength=n_labels)
    counts = np.bincount(codes, minlength=n_labels)
    predictions = np.bincount(predicted, minlength=n_labels)
    with np.errstate(invalid="ignore", divide="ignore"):
        scores = 2.0 * right / (counts + predictions)
    return np.where(counts > 0, scores, np.nan), counts


@dataclass(eq=False)
class OrderingEvaluation:
    """An evaluation of an ordering on held-out words: accuracies with intervals over sentences.

    Attributes:
        train: a solver on the words on which new probes are trained.
        test: the words on which accuracies are measured.
        order: int64 (neurons,), the ordering.
        pair: (lambda1, lambda2) of the chosen probe; new probes use them too.
        options: shares, delta, tolerance, resamples.
        seed: random seed of the random order and the bootstrap.
    """

    train: ProbeSolver
    test: LabelledWords
    order: np.ndarray
    pair: tuple[float, float]
    options: LcaOptions
    seed: int
    _right: list[np.ndarray] = field(default_factory=list)
    _entries: list[dict[str, Any]] = field(default_factory=list)

    def run(self, probe: FittedProbe) -> dict[str, Any]:
        """Return all results except the control task, JSON-able; accuracies are from 0 to 1."""
        majority = int(np.bincount(self.train.codes).argmax())
        orders = self._orders()
        masks = [
            ({"keep": keep, "share": share, "neurons": count_of(share, len(order))}, order)
            for share in self.options.masking_shares
            for keep, order in orders.items()
        ]
        jobs = [(probe, None), *((probe, order[: entry["neurons"]]) for entry, order in masks)]
        predicted, *masked = predict(self.test.values, jobs)
        full = self._record({}, predicted)
        masking = [
            self._record(entry, predictions) for (entry, _), predictions in zip(masks, masked, strict=True)
        ]
        retraining = [
            self._retrain(keep, order, share)
            for share in self.options.retraining_shares
            for keep, order in orders.items()
        ]
        minimal = self._minimal_set(full["accuracy"], retraining)
        self._add_intervals()
        scores, counts = label_scores(predicted, self.test.codes, len(self.test.labels))
        full["labels"] = {
            name: {"words": int(n), "f1": None if np.isnan(score) else float(score)}
            for name, n, score in zip(self.test.labels, counts, scores, strict=True)
        }
        return {
            "majority": accuracy(np.full(len(self.test), majority), self.test.codes),
            "full": full,
            "masking": masking,
            "retraining": retraining,
            "minimal_set": minimal,
            "test_words": len(self.test),
            "test_sentences": len(np.unique(self.test.sentences)),
            "left_out": dict(self.test.left_out),
        }

    def _orders(self) -> dict[str, np.ndarray]:
        """Return the neurons from the top, from the bottom, and in random order."""
        shuffled = np.random.default_rng(self.seed).permutation(len(self.order))
        return {"top": self.order, "bottom": self.order[::-1], "random": shuffled}

    def _retrain(self, keep: str, order: np.ndarray, share: float) -> dict[str, Any]:
        """Train a probe on the first neurons of an order, and return how it does."""
        count = count_of(share, len(order))
        kept = np.sort(order[:count])
        (probe,), solution = self.train.restrict(kept).solve(Penalties.of(self.pair), self.options.tolerance)
        entry = {"keep": keep, "share": share, "neurons": count, "converged": bool(solution.converged[0])}
        return self._record(entry, predict(self.test.values, [(probe, None)], kept)[0])

    def _minimal_set(self, full: float, retraining: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the smallest share tried whose retrained probe is within delta of the full one [Durrani20]."""
        known = {entry["neurons"]: entry for entry in retraining if entry["keep"] == "top"}
        tried = []
        minimal = {"share": 1.0, "neurons": len(self.order), "accuracy": full}
        for share in sorted(self.options.minimal_shares):
            count = count_of(share, len(self.order))
            entry = known.get(count) or self._retrain("top", self.order, share)
            known[count] = entry
            tried.append({"share": share, "neurons": count, "accuracy": entry["accuracy"]})
            if entry["accuracy"] >= full - self.options.delta:
                minimal = tried[-1]
                break
        return {"delta": self.options.delta, **minimal, "tried": tried}

    def _record(self, entry: dict[str, Any], predicted: np.ndarray) -> dict[str, Any]:
        right = predicted == self.test.codes
        entry["accuracy"] = float(right.mean())
        scores, _ = label_scores(predicted, self.test.codes, len(self.test.labels))
        entry["macro_f1"] = float(np.nanmean(scores))
        self._right.append(right)
        self._entries.append(entry)
        return entry

    def _add_intervals(self) -> None:
        """Add a 95 % interval to every accuracy; all intervals share the draws."""
        _, sentence_index, words = np.unique(self.test.sentences, return_inverse=True, return_counts=True)
        totals = np.zeros((len(words), len(self._right)))
        np.add.at(totals, sentence_index, np.stack(self._right, axis=1).astype(np.float64))
        low, high = bootstrap_ratio(totals, words, resamples=self.options.resamples, seed=self.seed)
        for entry, lower, upper in zip(self._entries, low.tolist(), high.tolist(), strict=True):
            entry["low"], entry["high"] = lower, upper
