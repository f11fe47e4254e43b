"""The convex solver: optimality conditions, scikit-learn, duality, and invariances."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onegrain.rankings.elastic_net import label_steps
from onegrain.rankings.elastic_net.duality import Certificate, certify, evaluate_probes
from onegrain.rankings.elastic_net.problem import Penalties, ProbeData
from onegrain.rankings.elastic_net.solver import Solution, SolverOptions, solve
from onegrain.rankings.elastic_net.stochastic import (
    STRETCHES,
    Descent,
    Schedule,
    ShuffledWords,
    stochastic_phase,
)

EXACT = SolverOptions(tolerance=1e-10, max_steps=300, max_free_steps=300)
GRID = Penalties(np.array([0.0, 1e-3, 2e-2]), np.array([1e-2, 2e-2, 0.0]))


def problem(seed: int = 0, words: int = 100, neurons: int = 6, labels: int = 3) -> ProbeData:
    """Correlated neurons of different scales; labels from a noisy linear teacher, every one occurring."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(words, neurons)) @ rng.normal(size=(neurons, neurons))
    values *= np.exp(rng.normal(0.0, 0.7, size=neurons))
    codes = (values @ rng.normal(size=(neurons, labels)) + rng.gumbel(size=(words, labels))).argmax(axis=1)
    codes[:labels] = np.arange(labels)
    return ProbeData(values - values.mean(axis=0), codes, labels)


def certificates(data: ProbeData, weights: np.ndarray, biases: np.ndarray) -> list[Certificate]:
    """Of GRID's problems at weights (neurons, G, labels)."""
    scaled = data.to_scaled(weights)
    return certify(data, GRID, scaled, evaluate_probes(data, scaled, torch.from_numpy(biases)))


def objective(data: ProbeData, weights: np.ndarray, biases: np.ndarray, l1: float, l2: float) -> float:
    """J by its definition, word by word; weights (labels, neurons)."""
    total = 0.0
    for row, code in zip(data.values.astype(np.float64), data.codes, strict=True):
        logits = weights @ row + biases
        total += np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[code]
    return total / data.n_words + l1 * np.abs(weights).sum() + l2 * np.square(weights).sum()


def subgradient_distance(data: ProbeData, solution: Solution, pair: int, l1: float, l2: float) -> float:
    """Largest distance of zero from the subdifferential of J, over weights and biases."""
    weights = solution.weights[pair]
    logits = data.values @ weights.T + solution.biases[pair]
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    probabilities[np.arange(data.n_words), data.codes] -= 1.0
    slope = probabilities.T @ data.values / data.n_words + 2.0 * l2 * weights
    at_zero = np.maximum(np.abs(slope) - l1, 0.0)
    away = np.abs(slope + l1 * np.sign(weights))
    return max(np.where(weights == 0.0, at_zero, away).max(), np.abs(probabilities.mean(axis=0)).max())


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    l1=st.sampled_from([0.0, 1e-3, 1e-2, 5e-2]),
    l2=st.sampled_from([1e-2, 1e-1]),
    labels=st.integers(2, 5),
)
def test_solutions_satisfy_the_optimality_conditions(seed: int, l1: float, l2: float, labels: int) -> None:
    data = problem(seed, words=60, neurons=5, labels=labels)
    solution = solve(data, Penalties(np.array([l1]), np.array([l2])), EXACT)
    assert solution.converged[0]
    assert subgradient_distance(data, solution, 0, l1, l2) < 1e-5


@pytest.mark.parametrize(("l1", "l2"), [(0.0, 1e-2), (1e-2, 0.0), (3e-3, 1e-3)])
def test_reaches_the_objective_of_scikit_learn(l1: float, l2: float) -> None:
    from sklearn.linear_model import LogisticRegression

    data = problem(3, words=150, neurons=8, labels=4)
    solution = solve(data, Penalties(np.array([l1]), np.array([l2])), EXACT)
    strength = l1 + 2.0 * l2
    other = LogisticRegression(
        C=1.0 / (data.n_words * strength), l1_ratio=l1 / strength, solver="saga", tol=1e-10, max_iter=100_000
    ).fit(data.values, data.codes)
    theirs = objective(data, other.coef_, other.intercept_, l1, l2)
    ours = objective(data, solution.weights[0], solution.biases[0], l1, l2)
    assert ours == pytest.approx(solution.objective[0], rel=1e-9)
    assert ours == pytest.approx(theirs, rel=1e-6)
    assert ours <= theirs * (1 + 1e-9)


def test_the_gap_bounds_the_distance_to_the_minimum() -> None:
    data = problem(1)
    best = solve(data, GRID, EXACT).objective
    rough = solve(data, GRID, SolverOptions(tolerance=1e-12, max_steps=1))
    assert not rough.converged.any()
    assert (rough.objective * (1.0 - rough.gap) <= best * (1 + 1e-9)).all()
    assert (rough.objective >= best * (1 - 1e-9)).all()


def test_the_bound_holds_at_any_weights() -> None:
    data = problem(2)
    best = solve(data, GRID, EXACT).objective
    rng = np.random.default_rng(0)
    for scale in (0.01, 0.1, 1.0):
        weights = scale * rng.normal(size=(data.n_neurons, len(GRID), data.n_labels))
        bounds = certificates(data, weights, scale * rng.normal(size=(len(GRID), data.n_labels)))
        for number, certificate in enumerate(bounds):
            assert certificate.lower <= best[number] * (1 + 1e-9)
            assert certificate.objective >= best[number] * (1 - 1e-9)


def test_the_bound_is_tight_at_the_solution_and_holds_close_to_it() -> None:
    data = problem(2)
    solved = solve(data, GRID, EXACT)
    rng = np.random.default_rng(0)
    for scale, widest in ((0.0, 1e-8), (1e-4, 1e-1)):
        weights = solved.weights.transpose(2, 0, 1)
        weights = weights + scale * (weights != 0.0) * rng.normal(size=weights.shape)
        for number, certificate in enumerate(certificates(data, weights, solved.biases)):
            assert certificate.lower <= solved.objective[number] * (1 + 1e-9)
            assert certificate.gap <= widest


def test_lambda1_above_its_largest_useful_value_gives_exact_zeros() -> None:
    data = problem(4)
    largest = np.abs(data.label_products.numpy() * data.spread[:, None]).max()
    solution = solve(data, Penalties(np.array([1.01, 0.97]) * largest, np.zeros(2)), EXACT)
    assert (solution.weights[0] == 0.0).all()
    assert (solution.weights[1] != 0.0).any()
    assert np.exp(solution.biases[0] - solution.biases[0].max()) == pytest.approx(
        data.label_shares / data.label_shares[solution.biases[0].argmax()], rel=1e-6
    )


def test_float32_reaches_the_tolerance_too() -> None:
    data = problem(5)
    single = ProbeData(data.values.astype(np.float32), data.codes, data.n_labels)
    solution = solve(single, GRID, SolverOptions(tolerance=1e-4))
    assert solution.converged.all()
    assert solution.objective == pytest.approx(solve(data, GRID, EXACT).objective, rel=2e-4)


def test_batching_the_grid_and_the_blocks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    data = problem(6)
    together = solve(data, GRID, EXACT)
    for number in range(len(GRID)):
        alone = solve(data, GRID.take(np.array([number])), EXACT)
        assert alone.weights[0] == pytest.approx(together.weights[number], abs=3e-4)
    monkeypatch.setattr("onegrain.rankings.elastic_net.problem.BLOCK", 7)
    blocks = solve(problem(6), GRID, EXACT)
    assert blocks.weights == pytest.approx(together.weights, abs=3e-4)


def test_permuting_words_neurons_and_labels_permutes_the_solution() -> None:
    data = problem(7)
    rng = np.random.default_rng(1)
    words, neurons = rng.permutation(data.n_words), rng.permutation(data.n_neurons)
    labels = rng.permutation(data.n_labels)
    renamed = np.argsort(labels)[data.codes]
    moved = ProbeData(data.values[words][:, neurons], renamed[words], data.n_labels)
    first, second = solve(data, GRID, EXACT), solve(moved, GRID, EXACT)
    assert second.weights == pytest.approx(first.weights[:, labels][:, :, neurons], abs=3e-4)


def test_the_same_input_gives_the_same_bytes_and_a_warm_start_the_same_solution() -> None:
    data = problem(8)
    first, again = solve(data, GRID, EXACT), solve(data, GRID, EXACT)
    assert first.weights.tobytes() == again.weights.tobytes()
    warm = solve(data, GRID, EXACT, start=first)
    assert (warm.steps == 0).all()
    assert warm.weights == pytest.approx(first.weights, abs=1e-12)


def test_separable_words_without_penalty_end_at_the_limit_and_say_so() -> None:
    values = np.array([[-1.0], [-2.0], [1.0], [2.0]])
    data = ProbeData(values, np.array([0, 0, 1, 1]), 2)
    options = SolverOptions(tolerance=1e-12, max_free_steps=5)
    solution = solve(data, Penalties(np.zeros(1), np.zeros(1)), options)
    assert not solution.converged[0]
    assert solution.steps[0] == 5
    assert np.isnan(solution.gap[0])
    assert np.isfinite(solution.weights).all()
    assert solution.facts(0)["gap"] is None


def test_a_constant_neuron_gets_no_weight() -> None:
    data = problem(9)
    values = np.array(data.values)
    values[:, 2] = 0.7
    data = ProbeData(values, data.codes, data.n_labels)
    solution = solve(data, GRID, EXACT)
    assert np.abs(solution.weights[:, :, 2]).max() == 0.0


def test_the_gap_of_a_zero_probe_is_zero_and_float32_adds_no_error_to_a_small_objective() -> None:
    data = problem(4)
    strong = Penalties(np.array([20.0]), np.array([5.0]))
    assert solve(data, strong, EXACT).steps[0] <= 2
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, size=300)
    values = np.eye(3)[codes] + 0.05 * rng.normal(size=(300, 3))
    single = ProbeData((values - values.mean(axis=0)).astype(np.float32), codes, 3)
    solution = solve(single, Penalties(np.zeros(1), np.array([1e-6])), SolverOptions())
    assert solution.objective[0] < 2e-3
    assert -1e-4 < solution.gap[0] <= 1e-3


def many(words: int = 3000, neurons: int = 20) -> ProbeData:
    """Words enough for the stochastic phase."""
    return problem(12, words=words, neurons=neurons, labels=4)


@pytest.mark.parametrize("joint", [0, 25])
def test_label_by_label_and_conjugate_steps_reach_the_same_minimum(
    joint: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = problem(10, words=200, neurons=12, labels=4)
    grid = Penalties(np.array([0.0, 1e-3, 1e-2, 5e-2]), np.array([1e-2, 1e-3, 0.0, 1e-2]))
    best = solve(data, grid, EXACT)
    monkeypatch.setattr("onegrain.rankings.elastic_net.refinement.JOINT", joint)
    solution = solve(data, grid, SolverOptions(tolerance=1e-7, max_steps=300))
    assert solution.converged.all()
    assert solution.objective == pytest.approx(best.objective, rel=1e-6)


def test_a_label_with_more_weights_than_a_hessian_may_have_takes_its_steepest_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = problem(10, words=200, neurons=12, labels=4)
    pair = Penalties.of((1e-3, 1e-3))
    best = solve(data, pair, EXACT)
    assert (best.weights[0] != 0.0).sum(axis=1).max() > 6
    monkeypatch.setattr("onegrain.rankings.elastic_net.refinement.JOINT", 0)
    monkeypatch.setattr("onegrain.rankings.elastic_net.refinement.SETTLED", 0.0)
    monkeypatch.setattr("onegrain.rankings.elastic_net.label_steps.HESSIAN_BYTES", 6 * 6 * 8 * 4)
    sizes = []
    initialise = label_steps._LabelProblem.__init__
    monkeypatch.setattr(
        label_steps._LabelProblem,
        "__init__",
        lambda problem, *args: (initialise(problem, *args), sizes.append(len(problem.columns)))[0],
    )
    solution = solve(data, pair, SolverOptions(tolerance=1e-7, max_steps=300))
    assert max(sizes) == 6
    assert solution.objective == pytest.approx(best.objective, rel=1e-5)


def test_the_stochastic_phase_comes_near_the_minimum_of_every_problem() -> None:
    data = many()
    best = solve(data, GRID, EXACT)
    weights, biases = stochastic_phase(ShuffledWords(data, 0), GRID, Schedule())
    reached = [
        certificate.objective
        for certificate in certificates(data, data.from_scaled(weights), biases.double().numpy())
    ]
    assert np.array(reached) == pytest.approx(best.objective, rel=0.15)
    assert (weights[:, 2] == 0.0).sum() > 10, "a strong lambda1 leaves exact zeros already here"


def test_a_stretch_lowers_the_objectives_of_weak_penalties_and_leaves_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("onegrain.rankings.elastic_net.stochastic.STRETCH_EVERY", 1)
    data = many()
    penalties = Penalties.of((0.0, 0.0), (0.0, 1e-5), (2e-2, 1e-2))
    words = ShuffledWords(data, 0)
    descent = Descent(words, penalties)
    descent.grow(words.n_words)
    descent.run(2)

    def objectives() -> np.ndarray:
        weights, biases = descent.result()
        bounds = certify(words, penalties, weights, evaluate_probes(words, weights, biases))
        return np.array([certificate.objective for certificate in bounds])

    before, last, first = objectives(), descent.last.numpy().copy(), descent.result()[0].clone()
    descent.stretch()
    after, stretched = objectives(), descent.result()[0]
    assert (after[:2] < 0.97 * before[:2]).all()
    assert after[2] <= before[2]
    assert after / before == pytest.approx(descent.last.numpy() / last, rel=1e-2)
    factors = (stretched.abs().sum((0, 2)) / first.abs().sum((0, 2))).numpy()
    assert (factors[:2] > 1.1).all()
    assert factors[0] == pytest.approx(min(STRETCHES, key=lambda stretch: abs(stretch - factors[0])), rel=1e-5)


def test_the_stochastic_phase_gives_the_same_bytes_for_the_same_seed() -> None:
    first, again = (
        stochastic_phase(ShuffledWords(many(), 3), GRID, Schedule())[0].numpy().tobytes() for _ in range(2)
    )
    other = stochastic_phase(ShuffledWords(many(), 4), GRID, Schedule())[0].numpy().tobytes()
    assert first == again != other


@pytest.mark.parametrize("words", [150, 3000])
def test_a_weight_of_two_is_the_word_twice_and_of_zero_the_word_left_out(words: int) -> None:
    data = problem(13, words=words)
    counts = np.random.default_rng(0).integers(0, 3, size=words)
    counts[:10] = 1
    weighted = ProbeData(data.values, data.codes, data.n_labels, counts.astype(float))
    repeated = ProbeData(np.repeat(data.values, counts, axis=0), np.repeat(data.codes, counts), data.n_labels)
    options = SolverOptions(tolerance=1e-9, max_steps=300)
    first, second = solve(weighted, GRID, options), solve(repeated, GRID, options)
    assert first.converged.all()
    assert first.objective == pytest.approx(second.objective, rel=1e-8)
    assert first.weights == pytest.approx(second.weights, abs=1e-4)


def test_neurons_of_very_different_scales_are_no_harder() -> None:
    data = many()
    stretched = data.values * 10.0 ** np.random.default_rng(0).uniform(-4, 4, size=data.n_neurons)
    free = Penalties(np.zeros(1), np.zeros(1))
    plain = solve(data, free, EXACT)
    solution = solve(ProbeData(stretched, data.codes, data.n_labels), free, EXACT)
    assert solution.objective == pytest.approx(plain.objective, rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_labels_of_a_few_words_do_not_make_the_stochastic_phase_diverge(seed: int) -> None:
    """Three labels of three words each, which no neuron tells from the rest, beside twelve that are learned."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 12, 5000)
    values = rng.normal(size=(12, 800))[codes] * 0.35 + rng.normal(size=(5000, 800))
    values += rng.normal(size=(5000, 32)) @ rng.normal(size=(32, 800)) * 0.3
    codes[rng.choice(5000, 9, replace=False)] = np.repeat([12, 13, 14], 3)
    data = ProbeData(values - values.mean(axis=0), codes, 15)
    grid = [(l1, l2) for l1 in (0.0, 1e-5, 1e-4, 1e-3) for l2 in (0.0, 1e-5, 1e-4, 1e-3)]
    solution = solve(data, Penalties.of(*grid), SolverOptions(max_steps=0, max_free_steps=0))
    assert (solution.objective < 0.2).all()


def test_a_start_that_diverged_is_thrown_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the stochastic phase can leave of a label of a few words: no Newton step leads back from there."""
    from onegrain.rankings.elastic_net import solver

    data = problem(5, words=300, neurons=20, labels=4)
    monkeypatch.setattr(solver, "is_large", lambda data: True)
    options = SolverOptions(tolerance=1e-6)
    expected = solve(data, Penalties.of((0.0, 1e-3)), options)

    def diverged(
        words: ShuffledWords, penalties: Penalties, schedule: Schedule
    ) -> tuple[torch.Tensor, torch.Tensor]:
        weights, biases = stochastic_phase(words, penalties, schedule)
        biases[:, -1] -= 1e6
        return 1e3 * weights, biases

    monkeypatch.setattr(solver, "stochastic_phase", diverged)
    solution = solve(data, Penalties.of((0.0, 1e-3)), options)
    assert solution.converged.all()
    assert solution.objective == pytest.approx(expected.objective, rel=1e-5)
