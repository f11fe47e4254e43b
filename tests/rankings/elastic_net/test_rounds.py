"""Rounds bring a grid of probes near their minima together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from onegrain.rankings.elastic_net import rounds as module
from onegrain.rankings.elastic_net.problem import Penalties, ProbeData
from onegrain.rankings.elastic_net.solver import SolverOptions, solve, start_rounds
from onegrain.rankings.elastic_net.stochastic import ShuffledWords

GRID = Penalties.of((1e-2, 1e-3), (1e-3, 0.0), (1e-4, 1e-3), (0.0, 1e-3))


def correlated(seed: int) -> ProbeData:
    """Words whose neurons share a few directions, so that weak penalties leave flat ways to go."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(5, size=900)
    values = rng.normal(size=(900, 12)) @ rng.normal(size=(12, 60)) / 4.0 + rng.normal(size=(900, 60))
    values[:, :10] += np.repeat(np.eye(5)[codes], 2, axis=1)
    return ProbeData(values.astype(np.float32), codes, 5)


def test_rounds_lower_every_objective_to_near_its_minimum() -> None:
    data = correlated(0)
    expected = solve(data, GRID, SolverOptions(tolerance=1e-5))
    rounds = start_rounds(data, GRID, SolverOptions())
    before = np.array([certificate.objective for certificate in rounds.certificates])
    for _ in range(4):
        rounds.run(np.arange(len(GRID)))
    after = np.array([certificate.objective for certificate in rounds.certificates])
    assert (after <= before).all()
    assert after - expected.objective == pytest.approx(0.0 * after, abs=0.01)
    # a lower bound is one of the problem, by whatever probe it was found; products may be bfloat16
    lower = np.array([certificate.lower for certificate in rounds.certificates])
    assert (lower <= 1.003 * expected.objective).all()
    assert rounds.taken.tolist() == [4] * len(GRID)
    zeros = (rounds.weights == 0.0).sum((0, 2))
    assert zeros[0] > zeros[2] > 0
    assert zeros[3] == 0


def test_a_round_leaves_the_problems_alone_that_it_is_not_asked_for() -> None:
    rounds = start_rounds(correlated(1), GRID, SolverOptions())
    weights, certificates = rounds.weights.clone(), list(rounds.certificates)
    rounds.run(np.array([2, 0]))
    assert rounds.taken.tolist() == [1, 0, 1, 0]
    assert (rounds.weights[:, [1, 3]] == weights[:, [1, 3]]).all()
    assert [rounds.certificates[number] for number in (1, 3)] == [certificates[number] for number in (1, 3)]
    assert rounds.certificates[0].objective <= certificates[0].objective


def test_the_estimated_excess_is_near_the_true_one_and_falls() -> None:
    data = correlated(2)
    expected = solve(data, GRID, SolverOptions(tolerance=1e-6)).objective
    rounds = start_rounds(data, GRID, SolverOptions())
    assert np.isnan(rounds.excess).all()
    rounds.run(np.arange(len(GRID)))
    first = rounds.excess.copy()
    after = np.array([certificate.objective for certificate in rounds.certificates])
    true = (after - expected) / after
    # products may be bfloat16, whose objectives are uncertain by about 1e-3 of themselves
    assert (first >= true - 2e-3).all()
    for _ in range(4):
        rounds.run(np.arange(len(GRID)))
    assert (rounds.excess <= np.maximum(first, 2e-3)).all()
    assert rounds.excess.min() >= 1e-4


def test_a_hessian_on_a_part_of_the_words_leads_to_the_same_minimum(monkeypatch: pytest.MonkeyPatch) -> None:
    data = correlated(0)
    expected = solve(data, GRID, SolverOptions(tolerance=1e-5)).objective
    monkeypatch.setattr(module, "PART_WORDS", 200)
    rounds = start_rounds(data, GRID, SolverOptions())
    parts = [rounds._next_part() for _ in range(5)]
    assert parts[0] == parts[4] == slice(0, 225)
    assert sorted(word for part in parts[:4] for word in range(900)[part]) == list(range(900))
    for _ in range(6):
        rounds.run(np.arange(len(GRID)))
    after = np.array([certificate.objective for certificate in rounds.certificates])
    assert after - expected == pytest.approx(0.0 * after, abs=0.01)


def test_sparse_problems_take_rounds_on_their_neurons_and_reach_the_same_minimum(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(3)
    codes = rng.integers(4, size=800)
    values = rng.normal(size=(800, 300))
    values[:, :8] += np.repeat(np.eye(4)[codes], 2, axis=1)
    data, penalties = ProbeData(values.astype(np.float32), codes, 4), Penalties.of((2e-2, 1e-3), (0.0, 1e-2))
    expected = solve(data, penalties, SolverOptions(tolerance=1e-5)).objective
    monkeypatch.setattr(module, "LEAST_NEURONS", 100)
    rounds = start_rounds(data, penalties, SolverOptions())
    sizes = []
    run_on = module.Rounds._run_on

    def record(self: module.Rounds, neurons: torch.Tensor, numbers: np.ndarray, part: slice) -> None:
        assert numbers.tolist() == [0]
        sizes.append(len(neurons))
        run_on(self, neurons, numbers, part)

    monkeypatch.setattr(module.Rounds, "_run_on", record)
    for _ in range(4):
        rounds.run(np.arange(2))
    assert len(sizes) >= 3
    assert 8 <= sizes[-1] <= 120
    assert rounds.taken.tolist() == [4, 4]
    objectives = np.array([certificate.objective for certificate in rounds.certificates])
    assert objectives == pytest.approx(expected, rel=5e-3)
    # the bound is one of all neurons
    assert rounds.certificates[0].lower <= 1.003 * expected[0]
    assert int((rounds.weights[:, 0] != 0.0).any(1).sum()) <= sizes[-1]


def test_problems_whose_penalties_hardly_differ_take_a_round_as_one() -> None:
    data = correlated(4)
    penalties = Penalties.of((1e-3, 1e-6), (1e-3, 0.0), (1e-3, 3e-3), (0.0, 0.0))
    rounds = start_rounds(data, penalties, SolverOptions())
    rounds.certificates = [replace(certificate, lower=0.0) for certificate in rounds.certificates]
    assert rounds.run(np.arange(4)) == 3
    assert rounds.taken.tolist() == [1, 1, 1, 1]
    assert torch.equal(rounds.weights[:, 0], rounds.weights[:, 1])
    assert not torch.equal(rounds.weights[:, 0], rounds.weights[:, 2])
    objectives = [certificate.objective for certificate in rounds.certificates]
    squared = float(rounds.weights[:, 0].double().mul(rounds.words.unit[:, None]).square().sum())
    assert objectives[0] - objectives[1] == pytest.approx(1e-6 * squared, rel=1e-2)
    assert rounds.excess[1] > rounds.excess[0]
    # near the minima they go on apart
    rounds.excess[:] = 1e-7
    assert rounds.run(np.arange(2)) == 2


def test_a_problem_keeps_its_probe_where_that_of_one_like_it_is_worse() -> None:
    data = correlated(5)
    penalties = Penalties.of((1e-3, 1e-6), (1e-3, 0.0))
    rounds = start_rounds(data, penalties, SolverOptions())
    for _ in range(3):
        rounds.run(np.arange(2))
    weights, objective = rounds.weights[:, 1].clone(), rounds.certificates[1].objective
    rounds.weights[:, 0] = 0.0
    rounds._follow({1: 0})
    assert torch.equal(rounds.weights[:, 1], weights)
    assert rounds.certificates[1].objective == objective


def test_sets_of_neurons_with_the_same_penalties_are_never_one_problem() -> None:
    data = correlated(6)
    kept = torch.ones(60, 2, dtype=torch.bool)
    kept[30:, 1] = False
    words = ShuffledWords(data.with_kept(kept), 0)
    start = words.zeros(60, 2, 5, dtype=torch.float32), words.label_shares.log().float().repeat(2, 1)
    assert module.Rounds(words, Penalties.of((1e-3, 1e-3), (1e-3, 1e-3)), start).run(np.arange(2)) == 2
