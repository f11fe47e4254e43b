"""Working sets of neurons: few of many neurons matter, and the gap is still that of all."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onegrain.rankings.data.memory import Memory
from onegrain.rankings.elastic_net import refinement, screening
from onegrain.rankings.elastic_net.curvature import curved_words
from onegrain.rankings.elastic_net.duality import certify, evaluate_probes
from onegrain.rankings.elastic_net.joint_steps import _Columns, _hessian
from onegrain.rankings.elastic_net.newton import NewtonState
from onegrain.rankings.elastic_net.problem import Penalties, ProbeData
from onegrain.rankings.elastic_net.screening import SelectedNeurons, working_neurons
from onegrain.rankings.elastic_net.solver import SolverOptions, solve

LABELS = 3
INFORMATIVE = 8


def wide(dtype: type = np.float32, *, memory: Memory | None = None, weighted: bool = False) -> ProbeData:
    """160 words and 600 correlated neurons; the first eight carry the labels."""
    rng = np.random.default_rng(0)
    codes = np.arange(160) % LABELS
    values = rng.normal(size=(160, 600)) + rng.normal(size=(160, 20)) @ rng.normal(size=(20, 600)) * 0.3
    values[:, :INFORMATIVE] += 1.5 * rng.normal(size=(LABELS, INFORMATIVE))[codes]
    weights = rng.integers(0, 3, 160).astype(float) + 0.5 if weighted else None
    return ProbeData(values.astype(dtype), codes, LABELS, weights, memory=memory)


def zero_probe(data: ProbeData) -> tuple[torch.Tensor, torch.Tensor]:
    return data.zeros(data.n_neurons, LABELS, dtype=data.dtype), data.label_shares.log().to(data.dtype)


def screened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Use working sets for these few neurons too; return the list of their sizes, filled as they are made."""
    sizes: list[int] = []
    monkeypatch.setattr(screening, "LEAST_NEURONS", 100)
    monkeypatch.setattr(screening, "START", 10)
    initialise = SelectedNeurons.__init__

    def recording(selected: SelectedNeurons, words: ProbeData, neurons: torch.Tensor) -> None:
        initialise(selected, words, neurons)
        sizes.append(len(neurons))

    monkeypatch.setattr(SelectedNeurons, "__init__", recording)
    return sizes


PAIRS = [(2e-2, 0.0), (2e-2, 1e-3), (5e-3, 1e-2)]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("pair", PAIRS)
def test_working_sets_reach_the_minimum_of_all_neurons(
    pair: tuple[float, float], weighted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, options = wide(np.float64, weighted=weighted), SolverOptions(tolerance=1e-8, max_steps=300)
    monkeypatch.setattr(screening, "LEAST_NEURONS", 10**9)
    plain = solve(data, Penalties.of(pair), options)
    sizes = screened(monkeypatch)
    working = solve(data, Penalties.of(pair), options)
    assert sizes, "working sets were used"
    assert max(sizes) <= 300
    assert working.converged[0]
    assert working.objective == pytest.approx(plain.objective, rel=2e-8)
    assert working.weights == pytest.approx(plain.weights, abs=1e-3)


def test_weights_that_a_safe_rule_proves_zero_are_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    """The optimum's slopes are within a multiple of the root of the gap [Ndiaye et al. 2017]."""
    pair, data = (2e-2, 1e-3), wide(np.float64)
    screened(monkeypatch)
    rough = refinement.refine(data, pair, zero_probe(data), tolerance=1e-4, max_steps=100)
    state = NewtonState(data, pair, rough.weights, rough.biases)
    radius = 2.0 * (rough.certificate.gap * rough.certificate.objective) ** 0.5
    proven = state.points.gradient[:, 0].abs() + radius < state.l1
    assert proven.double().mean() > 0.3
    exact = solve(data, Penalties.of(pair), SolverOptions(tolerance=1e-9, max_steps=300))
    assert (exact.weights[0].T[proven.numpy()] == 0.0).all()
    assert (rough.weights[proven] == 0.0).all()


def test_a_neuron_that_is_missed_at_first_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start whose largest weights are at neurons that do not matter."""
    pair, data = (1e-2, 1e-3), wide()
    sizes = screened(monkeypatch)
    weights, biases = zero_probe(data)
    weights[-40:] = 0.5
    weights[:40] = 1e-3
    refined = refinement.refine(data, pair, (weights, biases), tolerance=1e-4, max_steps=100)
    assert sizes[0] == 10
    best = refinement.refine(data, pair, zero_probe(data), tolerance=1e-6, max_steps=100)
    needed = best.weights[:INFORMATIVE].abs() > 0.1
    assert needed.any(1).sum() >= INFORMATIVE / 2
    assert (refined.weights[:INFORMATIVE][needed] != 0.0).all()
    assert refined.certificate.gap <= 1e-4
    (certificate,) = certify(
        data, Penalties.of(pair), refined.weights[:, None],
        evaluate_probes(data, refined.weights[:, None], refined.biases[None]),
    )  # fmt: skip
    assert certificate.objective == pytest.approx(refined.certificate.objective, rel=1e-5)
    assert refined.certificate.lower >= certificate.lower * (1.0 - 1e-9)


def test_a_truncated_start_that_gets_no_time_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    pair, data = (1e-2, 1e-3), wide()
    best = refinement.refine(data, pair, zero_probe(data), tolerance=1e-5, max_steps=100)
    screened(monkeypatch)
    monkeypatch.setattr(screening, "START", 1)
    monkeypatch.setattr(screening, "ROUGH", -1.0)
    start = best.weights, best.biases
    refined = refinement.refine(data, pair, start, tolerance=-1.0, max_steps=1)
    assert refined.certificate.objective <= best.certificate.objective * (1.0 + 1e-6)


def test_few_neurons_no_lambda1_and_weights_at_most_neurons_need_no_working_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = wide()
    zero = zero_probe(data)
    assert working_neurons(NewtonState(data, (1e-2, 0.0), *zero), truncate=False) is None
    monkeypatch.setattr(screening, "LEAST_NEURONS", 100)
    assert working_neurons(NewtonState(data, (0.0, 1e-2), *zero), truncate=False) is None
    dense = NewtonState(data, (1e-2, 0.0), zero[0] + 1e-3, zero[1])
    assert working_neurons(dense, truncate=False) is None
    neurons = working_neurons(NewtonState(data, (1e-2, 0.0), *zero), truncate=False)
    assert neurons is not None
    assert set(range(INFORMATIVE)) - set(neurons.tolist()) == set()


def test_selected_neurons_are_the_same_problem_as_restricted_activations() -> None:
    data, kept = wide(np.float64, weighted=True), np.arange(0, 600, 7)
    selected, restricted = SelectedNeurons(data, torch.from_numpy(kept)), data.restrict(kept)
    rows = slice(5, 40)
    assert torch.allclose(selected.block(rows), restricted.block(rows))
    assert torch.allclose(selected.label_products, restricted.label_products)
    assert torch.allclose(selected.unit, restricted.unit)
    assert torch.equal(selected.columns(torch.tensor([2, 4]))[rows], selected.block(rows)[:, [2, 4]])


def test_working_sets_in_scratch_files_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = screened(monkeypatch)
    spilling = Memory(2**50)
    spilling.reserve(0, "a test")
    spilling._room = 0.0
    options, pair = SolverOptions(tolerance=1e-5), Penalties.of((1e-2, 1e-3))
    inside, outside = solve(wide(), pair, options), solve(wide(memory=spilling), pair, options)
    assert sizes
    assert spilling.spilled > 0
    np.testing.assert_array_equal(inside.weights, outside.weights)


def test_the_model_leaves_out_words_without_curvature() -> None:
    data = wide(np.float64, weighted=True)
    chances = torch.full((160, LABELS), 1.0 / LABELS, dtype=torch.float64)
    assert curved_words(data, chances, 1e-3).all()
    sure = torch.nn.functional.one_hot(data.targets, LABELS).double() * (1 - 3e-9) + 1e-9
    chances[40:] = sure[40:]
    curved = curved_words(data, chances, 1e-3)
    assert curved[:40].all()
    assert not curved[40:].any()
    assert curved_words(data, chances, 0.0).all()


def test_the_joint_hessian_is_that_of_its_definition() -> None:
    data = wide(np.float64, weighted=True)
    rng = np.random.default_rng(1)
    chances = torch.from_numpy(rng.dirichlet(np.ones(LABELS), size=160))
    working = torch.zeros(data.n_neurons, LABELS, dtype=torch.bool)
    working[[3, 9, 9, 0, 500], [0, 0, 1, 2, 2]] = True
    columns = _Columns.of(working)
    inputs = torch.ones(160, 8, dtype=torch.float64)
    inputs[:, [0, 1, 3, 5, 6]] = data.block(slice(0, 160))[:, [3, 9, 9, 0, 500]]
    owners = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2])
    expected = torch.zeros(8, 8, dtype=torch.float64)
    for x, p, omega in zip(inputs, chances, data.omega, strict=True):
        spread = torch.diag(p) - torch.outer(p, p)
        expected += omega * torch.outer(x, x) * spread[owners][:, owners] / 160
    hessian = _hessian(data, chances, columns)
    assert torch.equal(hessian, hessian.T)
    assert torch.allclose(hessian, expected, rtol=1e-12, atol=1e-14)
    assert float(torch.linalg.eigvalsh(hessian)[0]) > -1e-10
    rough = _hessian(data, chances, columns, rough=True)
    assert rough.dtype == torch.float32
    assert torch.allclose(rough.double(), expected, atol=0.01 * float(expected.abs().max()))
    sure = torch.nn.functional.one_hot(data.targets, LABELS).double() * (1 - 3e-6) + 1e-6
    near, exact = (_hessian(data, sure, columns, rough=rough) for rough in (True, False))
    assert torch.allclose(near.double(), exact, atol=0.01 * float(exact.abs().max()))
