"""Draws of the sentences of a ranking, and how similar the orders are that they give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from onegrain.core.ordering import order_by_score
from onegrain.core.selection import (
    mean_jaccard,
    rank_correlations,
    selection_stability,
    split_stability,
)
from onegrain.errors import ParameterError
from onegrain.rankings.redrawing import CountedWords, Order
from onegrain.records.stability import KINDS

__all__ = ["DRAWERS", "Drawer", "DrawnOrders", "draw_sentences"]

ATTEMPTS = 1000
"""Most draws of the sentences until every label has a word."""


@dataclass(frozen=True, eq=False)
class DrawnOrders:
    """The orders of one kind of draws.

    Attributes:
        ranks: float64 (draws, neurons), from 1; neurons that are not ranked share their middle rank.
        ranked: bool (draws, neurons), True for neurons that the method ranks.
        tops: int64 (draws, labels, largest k), each label's first neurons; -1 after the last that is ranked.
        changing: bool (neurons,), False for neurons that are constant over the words that count.
        pairs: int64 (pairs, 2), the pairs of draws to compare; None for all pairs.
        redrawn: number of draws that lost a label.
        open: number of probes that missed their tolerance.
        largest_gap: largest relative duality gap of the probes; None without probes or without penalties.
    """

    ranks: np.ndarray
    ranked: np.ndarray
    tops: np.ndarray
    changing: np.ndarray
    pairs: np.ndarray | None
    redrawn: int = 0
    open: int = 0
    largest_gap: float | None = None

    @classmethod
    def of(
        cls,
        orders: Sequence[Order],
        labels: Sequence[str],
        most: int,
        seed: int,
        **more: Any,
    ) -> DrawnOrders:
        """Return the orders of draws as ranks and tops; equal neurons are ordered as in the ranking.

        Args:
            orders: the order of each draw.
            labels: names of the labels.
            most: number of neurons of a label's top.
            seed: seed of the ranking, which decides the order of equal neurons.
            more: the remaining attributes: ``changing``, ``pairs`` and ``redrawn``.
        """
        neurons = len(orders[0].order)
        ranks = np.empty((len(orders), neurons))
        tops = np.empty((len(orders), len(labels), most), dtype=np.int64)
        for draw, order in enumerate(orders):
            ranks[draw] = (order.n_ranked + 1 + neurons) / 2.0
            ranks[draw, order.order[: order.n_ranked]] = np.arange(1.0, order.n_ranked + 1.0)
            if labels:
                assert order.label_scores is not None, "a ranking with labels is drawn again with labels"
                for top, label, scores in zip(tops[draw], labels, order.label_scores, strict=True):
                    best = order_by_score(scores, seed, stream=label)[:most]
                    top[:] = np.where(np.nan_to_num(scores[best], nan=0.0) != 0.0, best, -1)
        ranked = np.zeros(ranks.shape, dtype=bool)
        for row, order in zip(ranked, orders, strict=True):
            row[order.order[: order.n_ranked]] = True
        gaps = [order.gap for order in orders if order.gap is not None]
        return cls(
            ranks,
            ranked,
            tops,
            open=sum(not order.converged for order in orders),
            largest_gap=max(gaps) if len(gaps) == len(orders) else None,
            **more,
        )

    def selected(self, k: int, label: int | None = None) -> np.ndarray:
        """Return a mask, bool (draws, neurons), of the first k ranked neurons, in all or for a label."""
        if label is None:
            return (self.ranks <= k) & self.ranked
        chosen = np.zeros((len(self.ranks), self.ranks.shape[1] + 1), dtype=bool)
        np.put_along_axis(chosen, self.tops[:, label, :k], True, axis=1)
        return chosen[:, :-1]

    def columns(self, ks: tuple[int, ...], level: float) -> dict[str, np.ndarray]:
        """Return columns of statistics of every neuron over the draws."""
        low, median, high = np.quantile(self.ranks, [(1 - level) / 2, 0.5, (1 + level) / 2], axis=0)
        columns = {"median": median, "low": low, "high": high, "ranked": self.ranked.mean(axis=0)}
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


Drawer = Callable[[np.random.Generator, int], tuple[np.ndarray, ...]]
"""A function that draws sentences: for each part of the draw int64 (sentences,), how often each occurs."""


def _with_replacement(rng: np.random.Generator, sentences: int) -> tuple[np.ndarray, ...]:
    return (np.bincount(rng.integers(0, sentences, size=sentences), minlength=sentences),)


def _halves(rng: np.random.Generator, sentences: int) -> tuple[np.ndarray, ...]:
    counts = np.zeros(sentences, dtype=np.int64)
    counts[rng.permutation(sentences)[: sentences // 2]] = 1
    return counts, 1 - counts


DRAWERS: dict[str, Drawer] = dict(zip(KINDS[:2], (_with_replacement, _halves), strict=True))
"""The kinds of draws that change the sentences."""


def draw_sentences(
    words: CountedWords, drawer: Drawer, rng: np.random.Generator
) -> tuple[tuple[np.ndarray, ...], int]:
    """Return how often each part of a draw has each sentence, and how many draws before it lost a label.

    Raises:
        ParameterError: 1,000 draws each lost a label.
    """
    lost = ""
    for again in range(ATTEMPTS):
        parts = drawer(rng, words.n_sentences)
        counts = [np.bincount(words.codes, part[words.number], max(1, len(words.labels))) for part in parts]
        if np.all(counts):
            return parts, again
        lost = words.labels[int(np.min(counts, axis=0).argmin())] if words.labels else ""
    raise ParameterError(
        f"{ATTEMPTS} draws of the sentences each lost a label, the last one {lost!r}; its words are in too "
        "few sentences: rank with a higher min_count"
    )
