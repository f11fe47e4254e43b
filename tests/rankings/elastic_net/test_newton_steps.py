"""Newton steps on many weights: by label and by conjugate gradients in turn, within a limit on their work."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from onegrain.rankings.elastic_net import conjugate, joint_steps, newton, refinement
from onegrain.rankings.elastic_net import label_steps as by_label
from onegrain.rankings.elastic_net.conjugate import _Hessian, newton_direction
from onegrain.rankings.elastic_net.label_steps import label_steps
from onegrain.rankings.elastic_net.newton import NewtonState
from onegrain.rankings.elastic_net.problem import Penalties, ProbeData, Words
from onegrain.rankings.elastic_net.refinement import refine
from onegrain.rankings.elastic_net.solver import SolverOptions, is_wide, solve
from onegrain.rankings.elastic_net.subsets import solve_subsets

LABELS, NEURONS = 4, 40
PAIR = 1e-3, 1e-3


def problem(words: int = 300, dtype: type = np.float64) -> ProbeData:
    """Words whose neurons are correlated, so that the diagonal alone is a poor preconditioner."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(words, 5)) @ rng.normal(size=(5, NEURONS))
    values = shared + 0.3 * rng.normal(size=(words, NEURONS))
    codes = np.argmax(values[:, :LABELS] + rng.normal(size=(words, LABELS)), axis=1)
    return ProbeData(values.astype(dtype), codes, LABELS)


def zero_probe(data: ProbeData) -> tuple[torch.Tensor, torch.Tensor]:
    return data.zeros(data.n_neurons, LABELS, dtype=data.dtype), data.label_shares.log().to(data.dtype)


def after_label_steps(data: ProbeData) -> NewtonState:
    state = NewtonState(data, PAIR, *zero_probe(data))
    assert label_steps(state, state.live.expand_as(state.weights))
    return state


def test_the_hessians_of_labels_are_those_of_their_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    data = problem().reweigh(np.random.default_rng(1).uniform(0.1, 2.0, size=300))
    monkeypatch.setattr(by_label, "STRIP", 7)
    monkeypatch.setattr(by_label, "ROUGH", 0.0)
    monkeypatch.setattr(newton, "LEFT_OUT", 0.0)
    chances = NewtonState(data, PAIR, *zero_probe(data)).points.probabilities
    x, omega = data.block(slice(0, data.n_words)), data.omega
    for block in after_label_steps(data).blocks:
        p = chances[:, block.label]
        curvature = (omega * p * (1.0 - p))[:, None]
        inputs = x[:, block.neurons]
        assert torch.allclose(block.hessian, inputs.T @ (curvature * inputs) / data.n_words)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_selected_neurons_of_a_block_are_scaled_as_those_of_the_whole_block(dtype: type) -> None:
    data, neurons, rows = problem(dtype=dtype), torch.tensor([0, 3, 17]), slice(20, 90)
    assert torch.equal(data.selected(rows, neurons), data.block(rows)[:, neurons])


def test_blocks_of_labels_save_products_and_do_not_change_the_direction(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state = after_label_steps(problem())
    free = state.weights != 0.0
    slope = (state.slope() + state.l1 * state.weights.sign()) * free
    counts, directions = [], []
    product = _Hessian.__matmul__
    monkeypatch.setattr(conjugate, "RESIDUAL", 1e-7)
    monkeypatch.setattr(conjugate, "STEPS", 1000)
    for blocks in (state.blocks, ()):
        calls = []
        monkeypatch.setattr(_Hessian, "__matmul__", lambda h, d, calls=calls: calls.append(1) or product(h, d))
        state.blocks = blocks
        directions.append(newton_direction(state, slope, free))
        counts.append(len(calls))
    assert counts[0] < 0.75 * counts[1]
    for with_blocks, without in zip(*directions, strict=True):
        assert torch.allclose(with_blocks, without, atol=1e-4)
    assert not directions[0][0][~free].any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_steps_in_turn_reach_the_minimum_that_joint_steps_reach(
    dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, kinds = problem(dtype=dtype), []
    joint = refine(data, PAIR, zero_probe(data), tolerance=1e-5, max_steps=50)
    monkeypatch.setattr(refinement, "JOINT", 0)
    chosen = refinement._goes_by_label
    monkeypatch.setattr(refinement, "_goes_by_label", lambda state: kinds.append(chosen(state)) or kinds[-1])
    turns = refine(data, PAIR, zero_probe(data), tolerance=1e-5, max_steps=50)
    assert kinds[:2] == [True, False]
    assert turns.certificate.gap <= 1e-5
    assert turns.certificate.objective == pytest.approx(joint.certificate.objective, rel=2e-5)
    assert torch.allclose(turns.weights, joint.weights, atol=0.05)


def test_a_close_probe_begins_with_conjugate_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    data = problem()
    close = refine(data, PAIR, zero_probe(data), tolerance=1e-3, max_steps=50)
    monkeypatch.setattr(refinement, "JOINT", 0)
    assert not refinement._goes_by_label(NewtonState(data, PAIR, close.weights, close.biases))
    assert refinement._goes_by_label(NewtonState(data, PAIR, *zero_probe(data)))


def test_steps_end_at_the_limit_on_work() -> None:
    data = problem()
    full = refine(data, PAIR, zero_probe(data), tolerance=1e-10, max_steps=50)
    limited = refine(data, PAIR, zero_probe(data), tolerance=1e-10, max_steps=50, most_work=0.5 * full.work)
    assert 0 < limited.steps < full.steps
    assert 0.5 * full.work <= limited.work < full.work
    assert (
        full.certificate.objective
        < limited.certificate.objective
        < float(torch.special.entr(data.label_shares).sum())
    )


@pytest.mark.parametrize(("words", "wide"), [(100, True), (300, False)])
def test_only_wide_problems_are_limited_and_their_gap_is_reported(words: int, wide: bool) -> None:
    data, options = problem(words), SolverOptions(tolerance=1e-8, most_work=1.0)
    assert is_wide(data) == wide
    solution = solve(data, Penalties.of(PAIR), options)
    assert bool(solution.converged[0]) != wide
    assert (solution.gap[0] <= 1e-8) != wide


@pytest.mark.parametrize(("words", "wide"), [(100, True), (300, False)])
def test_small_sets_of_a_wide_problem_are_limited_too(
    words: int, wide: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, options = problem(words), SolverOptions(tolerance=1e-8, most_work=1.0)
    start = np.zeros((LABELS, NEURONS)), np.zeros(LABELS)
    (solution,) = solve_subsets(data, PAIR, [np.arange(9)], start, options)
    assert bool(solution.converged[0]) != wide
    assert (solution.gap[0] <= 1e-8) != wide
    (solution,) = solve_subsets(data, PAIR, [np.arange(9)], start, SolverOptions(tolerance=1e-8))
    assert solution.converged[0]


def rough_from_the_first_weight_on(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Let joint steps be rough at any size and on any processor; return which of their models are."""
    monkeypatch.setattr(joint_steps, "LEAST_ROUGH", 1)
    monkeypatch.setattr(newton, "native_bfloat16", lambda device: True)
    models: list[bool] = []
    hessian = joint_steps._hessian

    def record(words: Words, chances: torch.Tensor, columns: Any, **how: bool) -> torch.Tensor:
        models.append(how.get("rough", False))
        return hessian(words, chances, columns, **how)

    monkeypatch.setattr(joint_steps, "_hessian", record)
    return models


@pytest.mark.parametrize("pair", [PAIR, (1e-3, 0.0), (0.0, 1e-3)])
def test_rough_joint_steps_reach_the_minimum_of_exact_ones(
    monkeypatch: pytest.MonkeyPatch, pair: tuple[float, float]
) -> None:
    data = problem(900, np.float32)
    exact = refine(data, pair, zero_probe(data), tolerance=1e-5, max_steps=50)
    models = rough_from_the_first_weight_on(monkeypatch)
    rough = refine(data, pair, zero_probe(data), tolerance=1e-5, max_steps=50)
    assert models[0]
    assert rough.certificate.gap <= 1e-5
    assert rough.certificate.objective == pytest.approx(exact.certificate.objective, rel=2e-5)


def test_a_rough_joint_step_that_fails_gives_way_to_exact_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, size=300)
    values = np.eye(3)[codes] + 0.05 * rng.normal(size=(300, 3))
    data = ProbeData((values - values.mean(axis=0)).astype(np.float32), codes, 3)
    start = data.zeros(3, 3, dtype=data.dtype), data.label_shares.log().to(data.dtype)
    models = rough_from_the_first_weight_on(monkeypatch)
    refined = refine(data, (0.0, 1e-6), start, tolerance=1e-4, max_steps=50)
    assert models[0]
    assert not models[-1]
    assert models == sorted(models, reverse=True)  # once exact, all are
    assert refined.certificate.objective < 2e-3


def test_the_first_rough_step_takes_half_of_the_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joint_steps, "PRODUCT", 100)
    data = problem(1000, np.float32)
    chances = torch.rand(1000, LABELS).softmax(1)
    working = torch.ones(NEURONS, LABELS, dtype=torch.bool)
    columns = joint_steps._Columns.of(working)
    half = joint_steps._hessian(data, chances, columns, half=True)
    chosen = np.concatenate([np.arange(first, first + 100) for first in range(0, 1000, 200)])
    some = ProbeData(np.asarray(data.values)[chosen], data.codes[chosen], LABELS)
    scale = torch.from_numpy(some.spread / data.spread).float()
    shift = torch.from_numpy((some.mean - data.mean) / data.spread).float()
    selected = some.selected

    def rescaled(rows: slice, neurons: torch.Tensor) -> torch.Tensor:
        return selected(rows, neurons) * scale[neurons] + shift[neurons]

    monkeypatch.setattr(some, "selected", rescaled)
    expected = joint_steps._hessian(some, chances[chosen], columns)
    assert torch.allclose(half, expected, rtol=1e-3, atol=1e-4)
