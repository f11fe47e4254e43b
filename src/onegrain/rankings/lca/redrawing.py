"""LCA on draws of its training sentences: the ranking's probe solved again for every draw together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from onegrain.errors import ParameterError
from onegrain.rankings.data.memory import Memory
from onegrain.rankings.elastic_net.draws import solve_draws
from onegrain.rankings.elastic_net.problem import Penalties, ProbeData
from onegrain.rankings.elastic_net.solver import Solution, SolverOptions, solve
from onegrain.rankings.elastic_net.stochastic import Schedule
from onegrain.rankings.lca.options import LcaOptions
from onegrain.rankings.lca.ordering import order_neurons
from onegrain.rankings.lca.source_words import training_words
from onegrain.rankings.redrawing import CountedWords, Order, Redrawing, options_of

__all__ = ["TOLERANCE", "ProbeRedrawer"]

TOLERANCE = 1e-2
"""Relative duality gap of the probes by default."""


class ProbeRedrawer:
    """Solves a ranking's probe again on draws of its training sentences, and with other seeds.

    Every probe has the ranking's penalties. A draw is a weight for each word, and the probes of all draws start
    from the ranking's weights and are solved together (elastic_net/draws.py). Penalties are not chosen again,
    and standardised neurons keep the scale of all training words.

    Attributes:
        words: the training words.
        changing: bool (neurons,), False for neurons that are constant over the training words.
        random: True: other seeds solve from scratch with another order of the words, and what the tolerance
            leaves open varies. A small probe, which the solver solves without random steps, does not vary.
        data: the training words as the probe sees them.
        pair: lambda1 and lambda2.
        start: weights and biases of the ranking's probe, for centred activations.
        options: options of the solver.

    Raises:
        ParameterError: the record has no probe, or the tolerance is impossible.
        MismatchError: the activations are not those of the ranking; see :func:`training_words`.
    """

    random = True

    def __init__(self, request: Redrawing) -> None:
        tolerance = TOLERANCE if request.tolerance is None else request.tolerance
        if not 0.0 < tolerance <= 1.0:
            raise ParameterError(f"tolerance must be above 0 and at most 1, got {tolerance}")
        self._request, ranking = request, request.ranking
        memory = Memory(request.memory, device=request.device or "cpu")
        words = training_words(ranking, request.activations, memory)
        self.words = CountedWords(words.sentences, words.codes, words.labels)
        self.data = ProbeData(words.values, words.codes, len(words.labels), memory=memory)
        self.changing = self.data.spread > 0.0
        options = options_of(ranking, LcaOptions)
        self.options = SolverOptions(tolerance, options.max_steps, options.max_free_steps)
        self.pair = ranking.details["lambda1"], ranking.details["lambda2"]
        weights = np.asarray(ranking.weights, dtype=np.float64)
        self.start = weights, np.array(ranking.details["biases"]) + weights @ self.data.mean

    def orders(self, often: np.ndarray) -> list[Order]:
        """Return the order of each draw; int64 (draws, sentences), how often each sentence occurs."""
        weights = often[:, self.words.number].astype(np.float64)
        with self._request.progress("fit probes to draws", len(often), "probes") as advance:
            solution = solve_draws(self.data, self.pair, weights, self.start, self.options, advance)
        return self._orders(solution)

    def reseeded(self, seeds: Sequence[int]) -> list[Order]:
        """Return the order of all words for other seeds of the solver."""
        orders = []
        with self._request.progress("fit probes with other seeds", len(seeds), "probes") as advance:
            for seed in seeds:
                options = replace(self.options, schedule=Schedule(seed=seed))
                orders += self._orders(solve(self.data, Penalties.of(self.pair), options))
                advance(1)
        return orders

    def _orders(self, solution: Solution) -> list[Order]:
        orders = []
        for weights, gap, converged in zip(solution.weights, solution.gap, solution.converged, strict=True):
            ordering = order_neurons(weights, seed=self._request.seed)
            known = None if np.isnan(gap) else float(gap)
            orders.append(
                Order(
                    ordering.order, ordering.n_ranked, ordering.scores, np.abs(weights), known, bool(converged)
                )
            )
        return orders
