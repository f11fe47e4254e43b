"""The grid and its score, against a direct computation."""

from __future__ import annotations

import numpy as np
import pytest

from onegrain.rankings.data.labelled import LabelledWords, read_labelled, read_matching
from onegrain.rankings.elastic_net.classifier import ElasticNetProbe
from onegrain.rankings.elastic_net.probe import ProbeSolver
from onegrain.rankings.elastic_net.problem import Penalties
from onegrain.rankings.elastic_net.solver import SolverOptions
from onegrain.rankings.lca.options import LcaOptions
from onegrain.rankings.lca.ordering import order_neurons
from onegrain.rankings.lca.search import count_of, grid_score, search
from support.planted import plant

OPTIONS = LcaOptions(lambda1=(0, 2e-2), lambda2=(0, 2e-2), max_free_steps=20)


@pytest.fixture(scope="module")
def words() -> tuple[LabelledWords, LabelledWords]:
    acts, held = plant(60).activations, plant(40, seed=1).activations
    train = read_labelled(acts, "upos", np.ones(60, dtype=bool), 1)
    return train, read_matching(held, "upos", train.labels)


def test_the_grid_equals_masking_by_hand(words: tuple[LabelledWords, LabelledWords]) -> None:
    train, dev = words
    result = search(ProbeSolver(train, SolverOptions(max_free_steps=20)), dev, OPTIONS)
    assert [(row["lambda1"], row["lambda2"]) for row in result.grid] == OPTIONS.pairs
    free = result.grid[0]["accuracy"]
    for row in result.grid[2:]:
        probe = ElasticNetProbe(lambda1=row["lambda1"], lambda2=row["lambda2"], tolerance=1e-5)
        probe.fit(train.values, train.codes)
        assert row["accuracy"] == pytest.approx(probe.score(dev.values, dev.codes), abs=0.011)
        assert row["zero_share"] == pytest.approx((probe.coef_ == 0.0).mean(), abs=0.1)
    for row in result.grid:
        expected = 0.5 * (row["top_accuracy"] - row["bottom_accuracy"]) - 0.5 * (free - row["accuracy"])
        assert row["score"] == pytest.approx(expected, abs=1e-12)
        assert row["converged"] == (
            (row["gap"] is not None and row["gap"] <= OPTIONS.tolerance) or row["gradient"] <= OPTIONS.tolerance
        )
    best = max(row["score"] for row in result.grid)
    assert result.grid[OPTIONS.pairs.index(result.pair)]["score"] == best
    if result.pair == (0.0, 0.0):  # has no gap, and is not polished
        assert result.solution["converged"] == (result.solution["gradient"] <= OPTIONS.tolerance)
    else:
        assert result.solution["converged"] == (result.solution["gap"] <= 1e-4)
    assert result.solution["objective"] <= result.grid[OPTIONS.pairs.index(result.pair)]["objective"] * (
        1 + 1e-4
    )


def test_top_and_bottom_accuracies_equal_zeroed_activations(words: tuple[LabelledWords, LabelledWords]) -> None:
    train, dev = words
    solver = ProbeSolver(train, SolverOptions(max_free_steps=20))
    result = search(solver, dev, OPTIONS)
    penalties = Penalties(*(np.array(part) for part in zip(*OPTIONS.pairs, strict=True)))
    probes, _ = solver.solve(penalties, OPTIONS.tolerance)
    for row, probe in zip(result.grid, probes, strict=True):
        order = order_neurons(probe.weights).order
        for name, kept in (("top_accuracy", order[:6]), ("bottom_accuracy", order[-6:])):
            zeroed = np.zeros_like(dev.values)
            zeroed[:, kept] = dev.values[:, kept]
            predicted = (zeroed @ probe.weights.T + probe.biases).argmax(axis=1)
            assert row[name] == pytest.approx((predicted == dev.codes).mean(), abs=1e-9)
        assert row["top_accuracy"] > row["bottom_accuracy"] + 0.2


def test_the_free_probe_is_fitted_for_the_score_but_is_no_candidate(
    words: tuple[LabelledWords, LabelledWords],
) -> None:
    train, dev = words
    solver = ProbeSolver(train, SolverOptions(max_free_steps=20))
    result = search(solver, dev, LcaOptions(lambda1=(2e-2, 0.1), lambda2=(2e-2,), max_free_steps=20))
    expected = search(solver, dev, OPTIONS)
    assert [(row["lambda1"], row["lambda2"]) for row in result.grid] == [(2e-2, 2e-2), (0.1, 2e-2)]
    assert result.grid[0]["score"] == pytest.approx(expected.grid[3]["score"], abs=0.011)


def test_one_pair_is_taken_without_a_score(words: tuple[LabelledWords, LabelledWords]) -> None:
    train, dev = words
    result = search(ProbeSolver(train), dev, LcaOptions(lambda1=0.01, lambda2=0.01))
    assert result.pair == (0.01, 0.01)
    assert result.grid[0]["score"] is None


def test_ties_go_to_the_stronger_regularisation(words: tuple[LabelledWords, LabelledWords]) -> None:
    train, dev = words
    result = search(
        ProbeSolver(train), dev, LcaOptions(lambda1=(10.0, 20.0), lambda2=(0.0, 5.0), max_free_steps=5)
    )
    assert {row["score"] for row in result.grid} == {result.grid[0]["score"]}
    assert result.pair == (20.0, 5.0)


def test_score_and_counts() -> None:
    assert grid_score((0.9, 0.3, 0.95, 0.92), 0.5, 0.5) == pytest.approx(0.285)
    assert (count_of(0.2, 32), count_of(0.001, 32), count_of(1.0, 32)) == (6, 1, 32)
