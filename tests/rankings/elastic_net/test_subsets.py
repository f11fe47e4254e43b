"""Sets of neurons that are solved together give the probes that each alone would give."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onegrain.rankings.data.memory import Memory
from onegrain.rankings.elastic_net import subsets
from onegrain.rankings.elastic_net.problem import Penalties, ProbeData
from onegrain.rankings.elastic_net.solver import Solution, SolverOptions, solve
from onegrain.rankings.elastic_net.subsets import grouped, solve_subsets

WORDS, NEURONS, LABELS = 3000, 24, 4


def problem(memory: Memory | None = None) -> ProbeData:
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(WORDS, NEURONS)).astype(np.float32)
    codes = np.argmax(hidden[:, :LABELS] + 0.7 * rng.normal(size=(WORDS, LABELS)), axis=1)
    values = 3.0 + hidden * np.linspace(0.1, 4.0, NEURONS, dtype=np.float32)
    values[:, 5] = 2.0
    return ProbeData(values, codes, LABELS, memory=memory)


def sets() -> list[np.ndarray]:
    """Nested first parts of an order, its last neurons, and a random set with a constant neuron."""
    rng = np.random.default_rng(1)
    chosen = [np.arange(count) for count in (12, 8, 3)]
    return [*chosen, np.arange(12, NEURONS), np.sort(np.append(rng.permutation(np.arange(6, NEURONS))[:9], 5))]


def together(
    data: ProbeData, tolerance: float, pair: tuple[float, float], parts: list[np.ndarray] | None = None
) -> list[Solution]:
    full = solve(data, Penalties.of(pair), SolverOptions())
    start = full.weights[0], full.biases[0]
    return solve_subsets(data, pair, parts or sets(), start, SolverOptions(tolerance=tolerance))


@pytest.mark.parametrize("pair", [(1e-2, 1e-2), (1e-2, 0.0), (0.0, 1e-2)])
@pytest.mark.parametrize("large", [False, True])
def test_together_as_alone(large: bool, pair: tuple[float, float], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each problem reaches the least objective of its neurons, to the gap, and its weights are those."""
    monkeypatch.setattr(subsets, "NEWTON", 0.0 if large else np.inf)
    data = problem()
    solutions = together(data, 1e-3, pair)
    for neurons, solution in zip(sets(), solutions, strict=True):
        alone = solve(data.restrict(neurons), Penalties.of(pair), SolverOptions(tolerance=1e-8))
        assert solution.converged.all()
        assert solution.gap[0] <= 1e-3
        assert solution.weights.shape == (1, LABELS, len(neurons))
        assert alone.objective[0] * (1.0 - 1e-5) <= solution.objective[0] <= alone.objective[0] / (1.0 - 1e-3)
        assert solution.weights[0] == pytest.approx(alone.weights[0], abs=0.05)
        biases, expected = solution.biases[0], alone.biases[0]
        assert biases - biases.mean() == pytest.approx(expected - expected.mean(), abs=0.05)
    assert not solutions[-1].weights[0][:, sets()[-1] == 5].any()


def test_stochastic_steps_are_enough_at_an_ordinary_tolerance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subsets, "NEWTON", 0.0)
    assert [int(solution.steps[0]) for solution in together(problem(), 1e-2, (1e-2, 1e-2))] == [0] * len(sets())


def test_what_stochastic_steps_leave_open_newton_steps_finish(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subsets, "NEWTON", 0.0)
    monkeypatch.setattr(subsets, "ROUNDS", 0)
    monkeypatch.setattr(subsets, "FIRST_EPOCHS", 0)
    solutions = together(problem(), 1e-6, (1e-2, 1e-2))
    assert all(solution.converged.all() for solution in solutions)
    assert max(int(solution.steps[0]) for solution in solutions) > 0
    free = together(problem(), 1e-2, (0.0, 0.0))
    assert all(np.isnan(solution.gap[0]) and solution.gradient[0] <= 1e-2 for solution in free)


def test_a_lower_bound_may_come_from_another_probe_of_the_problem() -> None:
    """A probe far from the minimum is certified by the bound of the solution, and never by a lower one."""
    data, kept = problem(), torch.ones(NEURONS, 1, dtype=torch.bool)
    data, penalties = data.with_kept(kept), Penalties.of((1e-2, 1e-2))
    weights, biases = subsets._starts(data, penalties, torch.zeros(NEURONS, LABELS), torch.zeros(LABELS))
    solution = solve(problem(), penalties, SolverOptions(tolerance=1e-6))
    best = data.to_scaled(solution.weights.transpose(2, 0, 1).copy()), torch.from_numpy(solution.biases).float()
    (alone,) = subsets._certified(data, penalties, (weights, biases), None, 1e-2)
    (bounded,) = subsets._certified(data, penalties, (weights, biases), best, 1e-2)
    assert bounded.objective == alone.objective
    assert alone.lower < bounded.lower == pytest.approx(solution.objective[0], rel=1e-5)
    (unchanged,) = subsets._certified(data, penalties, best, (weights, biases), -1.0)
    assert unchanged.gap < 1e-5


@pytest.mark.parametrize("large", [False, True])
def test_a_budget_changes_no_byte(large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subsets, "NEWTON", 0.0 if large else np.inf)
    inside = together(problem(), 1e-3, (1e-2, 1e-2))
    memory = Memory(1)
    memory._room = 0
    outside = together(problem(memory), 1e-3, (1e-2, 1e-2))
    assert memory.spilled
    for first, second in zip(inside, outside, strict=True):
        assert np.array_equal(first.weights, second.weights)


@pytest.mark.parametrize("standardize", [False, True])
def test_some_neurons_of_the_words_are_scaled_as_if_they_were_all(standardize: bool) -> None:
    rng = np.random.default_rng(2)
    values = (rng.normal(size=(700, 6)) * [1.0, 1e-30, 1e-14, 3.0, 0.0, 1e-14]).astype(np.float32)
    codes = np.arange(700) % 3
    data = ProbeData(values, codes, 3, standardize=standardize)
    for neurons in (np.array([0, 3]), np.array([1, 2, 5]), np.array([2, 4, 5])):
        part, expected = (
            data.restrict(neurons),
            ProbeData(values[:, neurons], codes, 3, standardize=standardize),
        )
        assert np.array_equal(part.spread, expected.spread)
        assert np.array_equal(part.mean, expected.mean)
        assert part.unit.tolist() == expected.unit.tolist()
        rows = slice(100, 300)
        assert part.block(rows).tolist() == expected.block(rows).tolist()


def test_sets_share_a_group_where_that_saves_products() -> None:
    order = np.random.default_rng(0).permutation(1000)
    nested = [np.sort(order[:count]) for count in (100, 150, 200)]
    last = [np.sort(order[::-1][:count]) for count in (100, 150, 200)]
    assert sorted(map(sorted, grouped([*nested, *last], 1000, 17))) == [[0, 1, 2], [3, 4, 5]]
    # a set of ten neurons is cheaper alone than as one of two hundred
    assert sorted(map(sorted, grouped([nested[2], np.sort(order[:10])], 1000, 17))) == [[0], [1]]
    # no more than two probes of all neurons side by side
    assert sorted(map(len, grouped([np.arange(10)] * 5, 10, 3))) == [1, 2, 2]
    # no more than 512 columns
    assert sorted(map(len, grouped([np.arange(10)] * 5, 1000, 200))) == [1, 2, 2]
