"""Evaluate an ordering by masking, by retraining, and by the smallest set of neurons that suffices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from onegrain.core.bisection import Bisection
from onegrain.core.bootstrap import bootstrap_ratio
from onegrain.core.progress import Progress, automatic
from onegrain.rankings.data.labelled import LabelledWords
from onegrain.rankings.elastic_net.predictions import predict
from onegrain.rankings.elastic_net.probe import FittedProbe, ProbeSolver
from onegrain.rankings.elastic_net.solver import Solution
from onegrain.rankings.lca.options import LcaOptions
from onegrain.rankings.lca.search import count_of

__all__ = ["OrderingEvaluation", "accuracy", "label_scores"]

GUESSES = 3
"""Guesses of the smallest set that may be worse than bisection."""
APART = 1.1
"""Least ratio of two numbers of neurons whose accuracies tell how accuracy grows."""


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


def _facts(solution: Solution) -> dict[str, Any]:
    """Return whether a new probe reached the tolerance, and its relative gap; None without any penalty."""
    gap = float(solution.gap[0])
    return {"converged": bool(solution.converged[0]), "gap": None if np.isnan(gap) else gap}


@dataclass(eq=False)
class _Tops:
    """The probes of the first neurons of an order that were solved so far, and their entries.

    Attributes:
        order: int64 (neurons,), the order.
        full: the probe of all neurons.
        entries: number of neurons -> what was measured of their probe.
    """

    order: np.ndarray
    full: FittedProbe
    entries: dict[int, dict[str, Any]] = field(default_factory=dict)
    _probes: dict[int, FittedProbe] = field(default_factory=dict)

    def add(self, probe: FittedProbe, entry: dict[str, Any]) -> None:
        """Add the probe of the first ``entry["neurons"]`` neurons."""
        self.entries[entry["neurons"]], self._probes[entry["neurons"]] = entry, probe

    def guess(self, search: Bisection, least: float, full: float) -> float | None:
        """Return at how many neurons accuracy reaches ``least``, by a line through two known accuracies.

        Accuracy is taken to be linear in the logarithm of the number. Below the smallest number that is known,
        the guess is at least half of it.

        Args:
            search: the search so far.
            least: the accuracy to reach.
            full: the accuracy of the probe of all neurons.

        Returns:
            None if nothing is known, or accuracy does not grow.
        """
        if not self.entries:
            return None
        lower, upper = search.lower, search.upper
        if lower not in self.entries:
            apart = [count for count in self.entries if count >= APART * upper]
            if upper not in self.entries or not apart:
                return upper / 2.0
            lower, upper = upper, min(apart)
        at_lower = self.entries[lower]["accuracy"]
        at_upper = self.entries[upper]["accuracy"] if upper in self.entries else full
        if at_upper <= at_lower:
            return search.upper / 2.0 if search.lower == 0 else None
        place = (least - at_lower) / (at_upper - at_lower)
        return max(lower * (upper / lower) ** place, search.upper / 2.0 if search.lower == 0 else 0.0)

    def start(self, count: int) -> tuple[FittedProbe, np.ndarray]:
        """Return the smallest known probe of at least ``count`` neurons, and its neurons."""
        known = min((size for size in self._probes if size >= count), default=None)
        if known is None:
            return self.full, np.arange(len(self.order))
        return self._probes[known], np.sort(self.order[:known])


@dataclass(eq=False)
class OrderingEvaluation:
    """An evaluation of an ordering on held-out words: accuracies with intervals over sentences.

    Attributes:
        train: a solver on the words on which new probes are trained.
        test: the words on which accuracies are measured.
        order: int64 (neurons,), the ordering.
        pair: (lambda1, lambda2) of the chosen probe; new probes use them too.
        options: parts, shares, delta, tolerance, resamples.
        seed: random seed of the random order and the bootstrap.
        progress: receives the progress of each part.
    """

    train: ProbeSolver
    test: LabelledWords
    order: np.ndarray
    pair: tuple[float, float]
    options: LcaOptions
    seed: int
    progress: Progress = automatic
    _right: list[np.ndarray] = field(default_factory=list)
    _entries: list[dict[str, Any]] = field(default_factory=list)

    def run(self, probe: FittedProbe) -> dict[str, Any]:
        """Return the results of the parts that the options name, JSON-able; accuracies are from 0 to 1.

        Without a part, its entry (``masking``, ``retraining`` or ``minimal_set``) is missing.
        """
        majority = int(np.bincount(self.train.codes).argmax())
        parts = self.options.evaluate
        results: dict[str, Any] = {}
        predicted, masked = self._predict_full(probe, self._kept(self.options.masking_shares))
        full = self._record({}, predicted)
        tops = _Tops(self.order, probe)
        if "masking" in parts:
            results["masking"] = [self._record(entry, labels) for entry, labels in masked]
        if "retraining" in parts:
            results["retraining"] = self._retrain(tops)
        if "minimal" in parts:
            results["minimal_set"] = self._minimal_set(full["accuracy"], tops)
        self._add_intervals()
        scores, counts = label_scores(predicted, self.test.codes, len(self.test.labels))
        full["labels"] = {
            name: {"words": int(n), "f1": None if np.isnan(score) else float(score)}
            for name, n, score in zip(self.test.labels, counts, scores, strict=True)
        }
        return {
            "majority": accuracy(np.full(len(self.test), majority), self.test.codes),
            "full": full,
            **results,
            "test_words": len(self.test),
            "test_sentences": len(np.unique(self.test.sentences)),
            "left_out": dict(self.test.left_out),
        }

    def _kept(self, shares: Sequence[float]) -> list[tuple[dict[str, Any], np.ndarray]]:
        """Return each entry of the record, and the neurons that it keeps: first, last, and random ones."""
        shuffled = np.random.default_rng(self.seed).permutation(len(self.order))
        orders = {"top": self.order, "bottom": self.order[::-1], "random": shuffled}
        counts = [(share, count_of(share, len(self.order))) for share in shares]
        return [
            ({"keep": keep, "share": share, "neurons": count}, np.sort(order[:count]))
            for share, count in counts
            for keep, order in orders.items()
        ]

    def _predict_full(
        self, probe: FittedProbe, sets: Sequence[tuple[dict[str, Any], np.ndarray]]
    ) -> tuple[np.ndarray, list[tuple[dict[str, Any], np.ndarray]]]:
        """Return the labels that the full probe predicts, and each entry with those of the masked probe.

        A masked probe keeps some of its neurons; all others are at zero. The test words are read once.
        """
        if "masking" not in self.options.evaluate:
            return predict(self.test.values, [(probe, None)])[0], []
        with self.progress("masking", len(self.test), "words") as advance:
            probes = [(probe, None), *((probe, kept) for _, kept in sets)]
            predicted, *masked = predict(self.test.values, probes, advance=advance)
        return predicted, [(entry, labels) for (entry, _), labels in zip(sets, masked, strict=True)]

    def _retrain(self, tops: _Tops) -> list[dict[str, Any]]:
        """Return the accuracy of new probes of some of the neurons alone."""
        sets = self._kept(self.options.retraining_shares)
        with self.progress("retraining", len(sets), "probes") as advance:
            probes = self.train.solve_subsets(
                [kept for _, kept in sets],
                self.pair,
                self.options.tolerance,
                start=tops.start(len(self.order)),
                advance=advance,
            )
        predictions = predict(
            self.test.values, [(probe, None) for probe, _ in probes], [kept for _, kept in sets]
        )
        entries = []
        for (entry, _), (probe, solution), predicted in zip(sets, probes, predictions, strict=True):
            entry |= _facts(solution)
            entries.append(self._record(entry, predicted))
            if entry["keep"] == "top":
                tops.add(probe, entry)
        return entries

    def _minimal_set(self, full: float, tops: _Tops) -> dict[str, Any]:
        """Return the smallest first part of the order whose new probe is within delta of ``full`` [Durrani20].

        It is found by bisection, which assumes that accuracy grows with the number of neurons. Numbers at which
        the accuracies known so far would reach it are tried first.
        """
        neurons = len(self.order)
        least = full - self.options.delta
        known = {count: entry["accuracy"] >= least for count, entry in tops.entries.items()}
        search, spare = Bisection(neurons, known), GUESSES
        with self.progress("minimal set", search.most_left() + spare, "probes") as advance:
            while (count := search.next(tops.guess(search, least, full) if spare else None)) is not None:
                kept = np.sort(self.order[:count])
                ((probe, solution),) = self.train.solve_subsets(
                    [kept], self.pair, self.options.tolerance, start=tops.start(count)
                )
                entry = {"share": count / neurons, "neurons": count, **_facts(solution)}
                self._record(entry, predict(self.test.values, [(probe, None)], [kept])[0])
                tops.add(probe, entry)
                left = search.most_left()
                search.add(count, entry["accuracy"] >= least)
                fall = left - search.most_left()
                if fall == 0 and spare:  # the guess was worse than bisection
                    spare, fall = spare - 1, 1
                advance(fall)
            advance(spare)
        tried = [
            {name: entry[name] for name in ("share", "neurons", "accuracy")}
            for _, entry in sorted(tops.entries.items())
        ]
        everything = {"share": 1.0, "neurons": neurons, "accuracy": full}
        minimal = next((entry for entry in tried if entry["neurons"] == search.upper), everything)
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
