"""Newton steps on many weights: by label and by conjugate gradients in turn, within a limit on their work."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onegrain.rankings.elastic_net import conjugate, newton, quadratic, refinement
from onegrain.rankings.elastic_net import label_steps as by_label
from onegrain.rankings.elastic_net.conjugate import _Hessian, newton_direction
from onegrain.rankings.elastic_net.label_steps import label_steps
from onegrain.rankings.elastic_net.newton import NewtonState
from onegrain.rankings.elastic_net.problem import Penalties, ProbeData
from onegrain.rankings.elastic_net.quadratic import Quadratic
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


def test_accelerated_steps_on_entries_that_matter_reach_the_minimum(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generator = torch.Generator().manual_seed(0)
    inputs, gradient, origin = (
        torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in ((200, 60), (60,), (60,))
    )
    origin *= torch.arange(60) % 3 == 0
    l1, l2 = torch.full((60,), 0.8, dtype=torch.float64), torch.full((60,), 0.1, dtype=torch.float64)
    model = Quadratic(inputs.T @ inputs / 200, gradient, origin, l1, l2)
    best = model.newton(model.fista(300), 20)
    monkeypatch.setattr(quadratic, "SCREENED", 1)
    sizes = []
    descend = Quadratic._descend
    monkeypatch.setattr(
        Quadratic, "_descend", lambda part, *args: sizes.append(len(part.origin)) or descend(part, *args)
    )
    solution = model.fista(1000, 1e-12)
    assert sizes[0] == 60
    assert 0 < min(sizes) < 60
    assert torch.allclose(solution, best, atol=1e-8)
    assert torch.equal(solution == 0.0, best == 0.0)


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
    assert counts[0] < 0.7 * counts[1]
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
