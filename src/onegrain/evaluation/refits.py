"""Refits of a ranking's probe to draws of its training sentences, and the orders that they give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from onegrain.core.ordering import order_by_score
from onegrain.core.selection import (
    mean_jaccard,
    rank_correlations,
    selection_stability,
    split_stability,
)
from onegrain.errors import ParameterError
from onegrain.evaluation.source_words import options_of
from onegrain.rankings.data.labelled import LabelledWords
from onegrain.rankings.data.memory import Memory
from onegrain.rankings.elastic_net.draws import solve_draws
from onegrain.rankings.elastic_net.problem import Penalties, ProbeData
from onegrain.rankings.elastic_net.solver import Solution, SolverOptions, solve
from onegrain.rankings.elastic_net.stochastic import Schedule
from onegrain.rankings.lca.ordering import order_neurons
from onegrain.records.ranking import Ranking
from onegrain.records.stability import KINDS

__all__ = ["DRAWERS", "Draws", "Refit", "orders_of"]

ATTEMPTS = 1000
"""Most draws of the sentences until every label has a word."""


@dataclass(frozen=True, eq=False)
class Draws:
    """The orders of one kind of draws.

    Attributes:
        ranks: float64 (draws, neurons), from 1; neurons without a weight share their middle rank.
        with_weight: bool (draws, neurons), True for neurons with a weight.
        tops: int64 (draws, labels, largest k), each label's first neurons; -1 after the last with a weight.
        changing: bool (neurons,), False for neurons that are constant over the training words.
        pairs: int64 (pairs, 2), the pairs of draws to compare; None for all pairs.
        redrawn: number of draws that lost a label.
        not_converged: number of probes that missed their tolerance.
        largest_gap: largest relative duality gap of the probes; None without penalties.
    """

    ranks: np.ndarray
    with_weight: np.ndarray
    tops: np.ndarray
    changing: np.ndarray
    pairs: np.ndarray | None
    redrawn: int
    not_converged: int
    largest_gap: float | None

    def selected(self, k: int, label: int | None = None) -> np.ndarray:
        """Return a mask, bool (draws, neurons), of the first k neurons with a weight, in all or for a label."""
        if label is None:
            return (self.ranks <= k) & self.with_weight
        chosen = np.zeros((len(self.ranks), self.ranks.shape[1] + 1), dtype=bool)
        np.put_along_axis(chosen, self.tops[:, label, :k], True, axis=1)
        return chosen[:, :-1]

    def columns(self, ks: tuple[int, ...], level: float) -> dict[str, np.ndarray]:
        """Return columns of statistics of every neuron over the draws."""
        low, median, high = np.quantile(self.ranks, [(1 - level) / 2, 0.5, (1 + level) / 2], axis=0)
        columns = {"median": median, "low": low, "high": high, "with_weight": self.with_weight.mean(axis=0)}
        return columns | {f"top:{k}": self.selected(k).mean(axis=0) for k in ks}

    def likeness(self, k: int, label: int | None, level: float) -> tuple[float, ...]:
        """Return the Jaccard index, Phi with its bounds, and the mean size of the top sets."""
        selected = self.selected(k, label)[:, self.changing]
        if self.pairs is None:
            phi = selection_stability(selected, level)
        else:
            phi = split_stability(selected, self.pairs, level)
        return mean_jaccard(selected, self.pairs), *phi, float(selected.sum(axis=1).mean())

    def correlations(self) -> dict[str, float]:
        """Return mean rank correlations between draws."""
        spearman, kendall = rank_correlations(self.ranks[:, self.changing], self.pairs)
        return {"spearman": spearman, "kendall": kendall}


class Refit:
    """Refits a ranking's probe to weighted sentences."""

    def __init__(
        self, ranking: Ranking, words: LabelledWords, memory: Memory, tolerance: float, most: int
    ) -> None:
        self.words, self.most = words, most
        sentences, self.number = np.unique(words.sentences, return_inverse=True)
        self.n_sentences, self.n_labels = len(sentences), len(words.labels)
        if self.n_sentences < 2:
            raise ParameterError("stability needs training words in two or more sentences, but all are in one")
        self.data = ProbeData(words.values, words.codes, self.n_labels, memory=memory)
        self.changing = self.data.spread > 0.0
        if not self.changing.any():
            raise ParameterError("no neuron changes over the training words, so no order can be compared")
        options = options_of(ranking)
        self.options = SolverOptions(tolerance, options.max_steps, options.max_free_steps)
        self.pair = ranking.details["lambda1"], ranking.details["lambda2"]
        self.seed = ranking.provenance.seed or 0
        weights = np.asarray(ranking.weights, dtype=np.float64)
        self.start = weights, np.array(ranking.details["biases"]) + weights @ self.data.mean

    def run(self, kind: str, rngs: Sequence[np.random.Generator], advance: Callable[[int], None]) -> Draws:
        """Fit the probes of one draw of a kind for each generator."""
        drawn = [self.draw(DRAWERS[kind], rng) for rng in rngs]
        parts = np.stack([counts for draw, _ in drawn for counts in draw])
        if kind == "seeds":
            solutions = [self.solve(int(rng.integers(2**31)), advance) for rng in rngs]
        else:
            often = parts[:, self.number].astype(np.float64)
            solutions = [solve_draws(self.data, self.pair, often, self.start, self.options, advance)]
        gaps = np.concatenate([solution.gap for solution in solutions])
        return Draws(
            *orders_of(
                np.concatenate([solution.weights for solution in solutions]),
                self.words.labels,
                self.most,
                self.seed,
            ),
            self.changing,
            pairs=None if len(parts) == len(rngs) else np.arange(len(parts)).reshape(-1, 2),
            redrawn=sum(count for _, count in drawn),
            not_converged=sum(int((~solution.converged).sum()) for solution in solutions),
            largest_gap=None if np.isnan(gaps).any() else float(gaps.max()),
        )

    def draw(self, drawer: Drawer, rng: np.random.Generator) -> tuple[tuple[np.ndarray, ...], int]:
        """Return how often each part of a draw has each sentence, and the number of draws that lost a label."""
        lost = ""
        for again in range(ATTEMPTS):
            parts = drawer(rng, self.n_sentences)
            words = [np.bincount(self.words.codes, counts[self.number], self.n_labels) for counts in parts]
            if np.all(words):
                return parts, again
            lost = self.words.labels[int(np.min(words, axis=0).argmin())]
        raise ParameterError(
            f"{ATTEMPTS} draws of the sentences each lost a label, the last one {lost!r}; its words are in too "
            "few sentences: rank with a higher min_count"
        )

    def solve(self, seed: int, advance: Callable[[int], None]) -> Solution:
        """Solve the probe of all words from scratch with another seed."""
        options = replace(self.options, schedule=Schedule(seed=seed))
        solution = solve(self.data, Penalties.of(self.pair), options)
        advance(1)
        return solution


def orders_of(
    weights: np.ndarray, labels: Sequence[str], most: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the ranks, with_weight and tops of :class:`Draws`; equal neurons are ordered as in the ranking.

    Args:
        weights: float64 (draws, labels, neurons).
        labels: names of the labels.
        most: number of neurons of a label's top.
        seed: seed of the ranking, which decides the order of equal neurons.
    """
    draws, _, neurons = weights.shape
    ranks = np.empty((draws, neurons))
    tops = np.empty((draws, len(labels), most), dtype=np.int64)
    for draw, probe in enumerate(weights):
        ordering = order_neurons(probe, seed=seed)
        ranks[draw] = (ordering.n_ranked + 1 + neurons) / 2.0
        ranks[draw, ordering.order[: ordering.n_ranked]] = np.arange(1.0, ordering.n_ranked + 1.0)
        for top, label, sizes in zip(tops[draw], labels, np.abs(probe), strict=True):
            best = order_by_score(sizes, seed, stream=label)[:most]
            top[:] = np.where(sizes[best] > 0.0, best, -1)
    return ranks, (weights != 0.0).any(axis=1), tops


Drawer = Callable[[np.random.Generator, int], tuple[np.ndarray, ...]]
"""A function that draws sentences: for each part of the draw int64 (sentences,), how often each occurs."""


def _with_replacement(rng: np.random.Generator, sentences: int) -> tuple[np.ndarray, ...]:
    return (np.bincount(rng.integers(0, sentences, size=sentences), minlength=sentences),)


def _halves(rng: np.random.Generator, sentences: int) -> tuple[np.ndarray, ...]:
    counts = np.zeros(sentences, dtype=np.int64)
    counts[rng.permutation(sentences)[: sentences // 2]] = 1
    return counts, 1 - counts


def _as_they_are(rng: np.random.Generator, sentences: int) -> tuple[np.ndarray, ...]:
    return (np.ones(sentences, dtype=np.int64),)


DRAWERS: dict[str, Drawer] = dict(zip(KINDS, (_with_replacement, _halves, _as_they_are), strict=True))
