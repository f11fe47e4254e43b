"""Solve one pair of penalties for many sets of neurons of the same words together.

Sets that share most of their neurons, such as the first 10, 15 and 20 % of one order, are one group: their
problems have the same words and the same columns, and differ in the weights that must stay zero. A group is
read once, and stochastic steps (stochastic.py) cost two products a minibatch for all of its problems. Each
starts from the weights that a larger probe has on its neurons, or from zero where that is better. After a few
epochs, rounds of epochs and conjugate gradients (rounds.py) follow until every problem is within the tolerance.
Problems that are still open then, and small ones, are solved by Newton steps, one by one (refinement.py). Those
of a group with more than a quarter as many neurons as words take epochs alone. Without a memory budget, groups
are solved side by side, each in a share of torch's threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from onegrain.rankings.data.side_by_side import side_by_side
from onegrain.rankings.elastic_net.draws import descend
from onegrain.rankings.elastic_net.duality import Certificate, certify, evaluate_probes
from onegrain.rankings.elastic_net.problem import Penalties, ProbeData, Words
from onegrain.rankings.elastic_net.refinement import Refined
from onegrain.rankings.elastic_net.rounds import Rounds
from onegrain.rankings.elastic_net.solver import (
    Solution,
    SolverOptions,
    gather,
    is_wide,
    refine_within,
    working_bytes,
)
from onegrain.rankings.elastic_net.stochastic import Descent, ShuffledWords, pace

__all__ = ["SIDE_BY_SIDE", "grouped", "solve_subsets"]

COLUMNS = 512
"""Most weights of a neuron that are solved together: one for each label of each problem."""
SIDE_BY_SIDE = 2
"""Most weights of a group, as a multiple of those of a probe of all neurons."""
WASTE = 2.5
"""A set joins a group if the products of the group then cost at most this multiple of the set's alone."""
NEWTON = 1e9
"""Stochastic steps go before Newton steps whose products are more: words times the square of the weights."""
FIRST_EPOCHS, EPOCHS = 6, 3
"""Epochs before the first round, and of each round; or between certificates, of a wide problem."""
ROUNDS, STALLS = 16, 2
"""Most rounds of a set of neurons, and most that bring it forward by little; the next one has slower epochs."""
AIM = 0.9
"""Rounds end at this share of the tolerance, since their certificates are less exact than the last one."""
STALLED, FALL = 0.9, 1e-4
"""A round brings a set forward by little if its gap stays above the first share of itself and J falls by less
than the second."""
WIDE_ROUNDS = 8
"""Most certificates of sets of neurons of a wide problem."""
WIDE_WORK = 0.1
"""Share of the limit on Newton steps that each set of neurons of a wide problem may take."""


def solve_subsets(
    data: ProbeData,
    pair: tuple[float, float],
    subsets: Sequence[np.ndarray],
    start: tuple[np.ndarray, np.ndarray],
    options: SolverOptions,
    advance: Callable[[int], None] = lambda count: None,
) -> list[Solution]:
    """Minimise J over the weights of each set of neurons alone.

    Args:
        data: the words, with all neurons.
        pair: lambda1 and lambda2.
        subsets: int64 (k,) each, the neurons of each set, ascending.
        start: float64 (labels, neurons), weights on the penalised scale, and (labels,), biases for centred
            activations; each problem starts from the weights of its neurons.
        options: tolerance and limits.
        advance: is called with the number of sets that were solved since the last call.

    Returns:
        One solution of one probe per set, whose neurons are those of the set; biases are for the activations
        minus their means.
    """
    solutions: dict[int, Solution] = {}
    options = replace(options, most_work=WIDE_WORK * options.most_work)
    shape = data.n_words, data.n_neurons, data.n_labels
    data.memory.reserve(working_bytes(shape, SIDE_BY_SIDE), "a group of probes")
    groups = sorted(
        grouped(subsets, data.n_neurons, data.n_labels),
        key=lambda numbers: -sum(len(subsets[number]) for number in numbers),
    )
    parts = [
        partial(_solve_group, data, pair, [subsets[number] for number in numbers], start, options)
        for numbers in groups
    ]
    alone = data.memory.limit is not None or data.device.type != "cpu"
    results = side_by_side(parts, threads=1 if alone else None)
    with closing(results):
        for numbers, group_solutions in zip(groups, results, strict=True):
            for number, solution in zip(numbers, group_solutions, strict=True):
                solutions[number] = solution
                advance(1)
    return [solutions[number] for number in range(len(subsets))]


def grouped(subsets: Sequence[np.ndarray], neurons: int, labels: int) -> list[list[int]]:
    """Divide sets of neurons, by number, into groups that are solved together.

    Products of a group cost the neurons of all its sets, times the number of sets. A set joins the group whose
    cost it raises least, if it raises it by at most ``WASTE`` times its cost alone.

    Args:
        subsets: int64 (k,) each, the neurons of each set.
        neurons: number of all neurons.
        labels: number of labels.
    """
    groups: list[tuple[np.ndarray, list[int]]] = []
    for number in sorted(range(len(subsets)), key=lambda number: -len(subsets[number])):
        best, least = None, WASTE * len(subsets[number])
        for place, (union, members) in enumerate(groups):
            larger, more = len(np.union1d(union, subsets[number])), len(members) + 1
            rise = larger * more - len(union) * len(members)
            if rise <= least and more * labels <= COLUMNS and larger * more <= SIDE_BY_SIDE * neurons:
                best, least = place, rise
        if best is None:
            groups.append((subsets[number], [number]))
        else:
            union, members = groups[best]
            groups[best] = np.union1d(union, subsets[number]), [*members, number]
    return [members for _, members in groups]


def _solve_group(
    data: ProbeData,
    pair: tuple[float, float],
    subsets: list[np.ndarray],
    start: tuple[np.ndarray, np.ndarray],
    options: SolverOptions,
) -> list[Solution]:
    """Return the solution of each set of a group."""
    union = np.unique(np.concatenate(subsets))
    kept = np.stack([np.isin(union, neurons) for neurons in subsets], axis=1)
    penalties = Penalties.of(*[pair] * len(subsets))
    together = data.restrict(union)
    weights = together.to_scaled(np.ascontiguousarray(start[0][:, union].T))
    biases = together.tensor(start[1], together.dtype)
    masked = together.with_kept(together.tensor(kept, torch.bool))
    bounds = None
    if data.n_words * (max(map(len, subsets)) * data.n_labels) ** 2 > NEWTON:
        words = ShuffledWords(masked, options.schedule.seed)
        probes = _starts(words, penalties, weights, biases)
        if is_wide(together):
            probes = descend(
                words, penalties, probes, options.tolerance, epochs=EPOCHS, rounds=WIDE_ROUNDS, in_stages=True
            )
        else:
            probes, bounds = _run_rounds(words, penalties, probes, options.tolerance)
    else:
        probes = _starts(masked, penalties, weights, biases)
    certificates = _certified(masked, penalties, probes, bounds, options.tolerance)
    solutions = []
    for number, certificate in enumerate(certificates):
        columns = kept[:, number].nonzero()[0]
        probe = Refined(probes[0][:, number], probes[1][number], certificate, 0)
        if options.leaves_open(certificate, pair):
            alone = together.restrict(columns)
            start_point = probe.weights[columns], probe.biases
            probe = refine_within(alone, pair, start_point, options, wide=is_wide(data))
            solutions.append(gather(alone, [probe], options.tolerance))
        else:
            solution = gather(together, [probe], options.tolerance)
            solutions.append(replace(solution, weights=np.ascontiguousarray(solution.weights[:, :, columns])))
    return solutions


def _run_rounds(
    words: ShuffledWords, penalties: Penalties, start: tuple[Tensor, Tensor], tolerance: float
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Take epochs and rounds for each problem until it reaches the tolerance or stalls.

    Returns:
        Weights and biases of the lowest J, and those that gave the highest lower bound.
    """
    descent = Descent(words, penalties, start)
    descent.grow_in_stages()
    descent.run(FIRST_EPOCHS * pace(words))
    rounds = Rounds(words.with_exact_weights(), penalties, descent.result(), EPOCHS, keep_bounds=True)
    assert rounds.bounds is not None
    numbers, stalls = np.arange(len(penalties)), np.zeros(len(penalties), dtype=np.int64)
    for _ in range(ROUNDS):
        before = [rounds.certificates[number] for number in numbers.tolist()]
        moving = [certificate.measure() > AIM * tolerance for certificate in before]
        numbers, before = numbers[moving], [first for first, kept in zip(before, moving, strict=True) if kept]
        if not len(numbers):
            break
        rounds.run(numbers)
        after = [rounds.certificates[number] for number in numbers.tolist()]
        stalls[numbers] += [_stalled(*pair) for pair in zip(before, after, strict=True)]
        numbers = numbers[stalls[numbers] < STALLS]
    return (rounds.weights, rounds.biases), rounds.bounds


def _certified(
    data: ProbeData,
    penalties: Penalties,
    probes: tuple[Tensor, Tensor],
    bounds: tuple[Tensor, Tensor] | None,
    tolerance: float,
) -> list[Certificate]:
    """Return the certificates of some probes.

    The lower bound of a problem may come from any probe of it. Where the gap is above the tolerance, that of
    its probe in ``bounds`` is measured too.
    """
    certificates = certify(data, penalties, probes[0], evaluate_probes(data, *probes))
    far = np.array([number for number, first in enumerate(certificates) if first.measure() > tolerance])
    if bounds is None or not len(far):
        return certificates
    weights, biases = bounds[0][:, far], bounds[1][far]
    assert data.kept is not None
    some, their_penalties = data.with_kept(data.kept[:, far]), penalties.take(far)
    others = certify(some, their_penalties, weights, evaluate_probes(some, weights, biases))
    for number, other in zip(far.tolist(), others, strict=True):
        lower = float(np.fmax(certificates[number].lower, other.lower))
        certificates[number] = replace(certificates[number], lower=lower)
    return certificates


def _stalled(before: Certificate, after: Certificate) -> bool:
    """Return whether a round brought a problem forward by little."""
    falls = after.objective <= (1.0 - FALL) * before.objective
    return not falls and after.measure() > STALLED * before.measure()


def _starts(words: Words, penalties: Penalties, weights: Tensor, biases: Tensor) -> tuple[Tensor, Tensor]:
    """Return weights (neurons, G, labels) and biases (G, labels): for each problem the given ones, or zero.

    Zero is better if J is above the labels' entropy, which is J at zero.
    """
    assert words.kept is not None
    restricted = weights[:, None] * words.kept[:, :, None]
    spread = biases.expand(len(penalties), -1).clone()
    loss = evaluate_probes(words, restricted, spread).loss
    theta = restricted.double() * words.unit[:, None, None]
    l1, l2 = (words.tensor(part, torch.float64) for part in (penalties.l1, penalties.l2))
    objective = loss + l1 * theta.abs().sum((0, 2)) + l2 * theta.square().sum((0, 2))
    useless = ~(objective < torch.special.entr(words.label_shares).sum())
    restricted[:, useless] = 0.0
    spread[useless] = words.label_shares.log().to(spread.dtype)
    return restricted, spread
