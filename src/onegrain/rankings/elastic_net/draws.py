"""Solve one pair of penalties for many weightings of the same words together.

A resample of the words is a weight for each word, so that draws differ only in the factor of a word's
residual. Stochastic steps (stochastic.py) for a group of draws cost two products a minibatch, as for a grid of
penalties; all start from the probe of all words, which is near. After every few epochs the draws are certified
together, and those within the tolerance stop. A draw whose gap and objective no longer fall continues at a
lower rate, which reduces the noise of its steps. Draws that are still open then, and small problems, are solved
by Newton steps, one by one (refinement.py).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from onegrain.rankings.elastic_net.duality import certify, evaluate_probes
from onegrain.rankings.elastic_net.problem import Penalties, ProbeData
from onegrain.rankings.elastic_net.refinement import Refined
from onegrain.rankings.elastic_net.solver import (
    Solution,
    SolverOptions,
    gather,
    is_large,
    refine_within,
    working_bytes,
)
from onegrain.rankings.elastic_net.stochastic import Descent, ShuffledWords, pace

__all__ = ["descend", "draws_bytes", "solve_draws"]

COLUMNS = 512
WEIGHED_BYTES = 32
DRAWN_BYTES = 16
ROUND = 5
ROUNDS = 24
STALLED = 0.8
SLOWER = 0.6
SLOWEST = 0.1
FALL = 0.002
CAUTION = 0.9


def solve_draws(
    data: ProbeData,
    pair: tuple[float, float],
    draws: np.ndarray,
    start: tuple[np.ndarray, np.ndarray],
    options: SolverOptions,
    advance: Callable[[int], None] = lambda count: None,
) -> Solution:
    """Minimise J for every weighting of the words.

    Args:
        data: the words.
        pair: lambda1 and lambda2.
        draws: float64 (draws, words), the weights of the words; every label has words of a weight above zero.
        start: float64 (labels, neurons), weights of all draws to begin with, and (labels,), biases for centred
            activations.
        options: tolerance and limits.
        advance: is called with the number of draws that were solved since the last call.

    Returns:
        One probe per draw; biases are for the activations minus ``data.mean``.
    """
    shape = data.n_words, data.n_neurons, data.n_labels
    data.memory.reserve(draws_bytes(shape, len(draws)), "a group of draws")
    group = _group(data.n_labels)
    start_point = data.to_scaled(np.ascontiguousarray(start[0].T)), data.tensor(start[1], data.dtype)
    refined: list[Refined] = []
    for first in range(0, len(draws), group):
        group_draws = draws[first : first + group]
        penalties = Penalties.of(*[pair] * len(group_draws))
        together = data.reweigh(group_draws.T)
        weights, biases = (
            start_point[0][:, None].expand(-1, len(group_draws), -1),
            start_point[1].expand(len(group_draws), -1),
        )
        if is_large(data):
            words = ShuffledWords(together, options.schedule.seed)
            weights, biases = descend(words, penalties, (weights, biases), options.tolerance)
        certificates = certify(together, penalties, weights, evaluate_probes(together, weights, biases))
        for number, certificate in enumerate(certificates):
            probe = Refined(weights[:, number], biases[number], certificate, 0)
            if options.leaves_open(certificate, pair):
                weighted = data.reweigh(draws[first + number])
                probe = refine_within(weighted, pair, (probe.weights, probe.biases), options)
            refined.append(probe)
            advance(1)
    return gather(data, refined, options.tolerance)


def draws_bytes(shape: tuple[int, int, int], draws: int) -> int:
    """Return the most bytes held besides tables, for (words, neurons, labels) and a number of draws."""
    group = min(_group(shape[2]), draws)
    return working_bytes(shape, group) + shape[0] * (WEIGHED_BYTES * group + DRAWN_BYTES * draws)


def _group(labels: int) -> int:
    """Return how many draws are solved together."""
    return max(1, COLUMNS // labels)


def descend(
    words: ShuffledWords,
    penalties: Penalties,
    start: tuple[Tensor, Tensor],
    tolerance: float,
    *,
    epochs: int = ROUND,
    rounds: int | None = None,
    in_stages: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return weights and biases after epochs, each problem until it reaches the tolerance or stalls.

    Args:
        words: the words of all problems.
        penalties: penalties of the G problems.
        start: weights (neurons, G, labels) of the scaled neurons and biases (G, labels), whose dtype is kept.
        tolerance: relative duality gap to reach, as measured with the products of the words.
        epochs: number of epochs between certificates, more with few words (stochastic.pace).
        rounds: most certificates; by default ``ROUNDS``.
        in_stages: True to use growing parts of the words first, for starts that are far from the minimum.
    """
    descent = Descent(words, penalties, start)
    if in_stages:
        descent.grow_in_stages()
    else:
        descent.grow(words.n_words)
    weights, biases = (part.clone() for part in start)
    numbers, best = np.arange(len(penalties)), [np.full(len(penalties), np.inf) for _ in range(2)]
    for _ in range(ROUNDS if rounds is None else rounds):
        descent.run(epochs * pace(words))
        reached = descent.result()
        weights[:, numbers], biases[numbers] = (part.to(weights.dtype) for part in reached)
        certificates = certify(
            descent.words, descent.penalties, reached[0], evaluate_probes(descent.words, *reached)
        )
        gaps = np.array([certificate.measure() for certificate in certificates])
        objectives = np.array([certificate.objective for certificate in certificates])
        stalled = (gaps > STALLED * best[0]) & (objectives > (1.0 - FALL) * best[1])
        descent.caution[torch.from_numpy(stalled)] *= SLOWER
        best = [np.minimum(best[0], gaps), np.minimum(best[1], objectives)]
        slow = descent.caution.cpu().numpy() < SLOWEST
        kept = ((gaps > CAUTION * tolerance) & ~slow).nonzero()[0]
        if not len(kept):
            break
        if len(kept) < len(numbers):
            numbers, best = numbers[kept], [lowest[kept] for lowest in best]
            descent = descent.take(kept, descent.penalties.take(kept))
    return weights, biases
