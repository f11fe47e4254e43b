"""Pairs of penalties are solved until no other could be chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import onegrain
from onegrain.rankings import rank
from onegrain.rankings.elastic_net.probe import FittedProbe
from onegrain.rankings.elastic_net.problem import Penalties
from onegrain.rankings.elastic_net.solver import Solution
from onegrain.rankings.lca.finalists import (
    FEW_FINALISTS,
    LEAST_RATE,
    MANY_WEIGHTS,
    Candidate,
    Finals,
    finalists_limit,
)
from onegrain.records.choice import describe_choice

WORTH = 0.002


def solved_to(gap: float, steps: int = 1, *, converged: bool = True) -> Solution:
    one = np.ones(1)
    return Solution(
        weights=np.zeros((1, 2, 3)),
        biases=np.zeros((1, 2)),
        objective=one,
        gap=gap * one,
        gradient=one,
        converged=np.array([converged]),
        steps=np.array([steps]),
    )


class Solver:
    """Gives each pair the score that it is said to have once its gap is small."""

    def __init__(
        self, scores: dict[tuple[float, float], float], stuck: tuple[float, float] | None = None
    ) -> None:
        self.scores, self.stuck = scores, stuck
        self.asked: list[tuple[tuple[float, float], float]] = []

    def solve(self, penalties: Penalties, tolerance: float, *, start: Any = None) -> tuple[list, Solution]:
        (pair,) = penalties.pairs
        self.asked.append((pair, tolerance))
        score = np.array([[self.scores[pair]]])
        gap = 0.3 if pair == self.stuck else tolerance / 2
        return [FittedProbe(score, score, score, score)], solved_to(gap, converged=pair != self.stuck)


def finals(solver: Solver, first: dict[tuple[float, float], tuple[float, float]], **given: Any) -> Finals:
    """The pairs with their first score and gap."""
    probe = FittedProbe(*(np.zeros((1, 1)) for _ in range(4)))
    candidates = [Candidate(pair, probe, solved_to(gap), score) for pair, (score, gap) in first.items()]
    score = lambda probe: float(probe.weights[0, 0])  # noqa: E731
    return Finals(solver, candidates, score, WORTH, (1e-2, 1e-4), **given)


A, B, C, D = (1e-3, 1e-2), (1e-4, 1e-3), (1e-5, 1e-4), (1e-5, 0.0)


def test_a_pair_that_rises_as_it_is_solved_is_chosen_and_one_out_of_reach_is_not_solved() -> None:
    solver = Solver({A: 0.30, B: 0.33})
    chosen = finals(solver, {A: (0.30, 0.01), B: (0.28, 0.25), D: (0.05, 0.25)})
    assert chosen.run() == 1
    facts = chosen.facts(1)
    assert facts["certified"]
    assert [one["pair"] for one in facts["finalists"]] == [list(A), list(B)]
    assert [one["settled"] for one in facts["finalists"]] == [True, True]
    assert solver.asked == [(A, 1e-4), (B, 1e-2), (B, 1e-4)]
    assert facts["largest_change"] == pytest.approx(0.05)
    assert facts["margin"] == pytest.approx(0.33 - (0.05 + LEAST_RATE * np.sqrt(0.25) + WORTH))


def test_a_score_that_moved_faster_than_the_rule_widens_the_reach_of_the_others() -> None:
    first = {A: (0.50, 1e-5), B: (0.40, 0.25), C: (0.20, 0.25)}
    assert [n for n in range(3) if finals(Solver({}), first).reach(n) >= 0.50] == [0, 1]
    solver = Solver({B: 0.02, C: 0.51})
    chosen = finals(solver, first)
    assert chosen.run() == 2
    assert chosen.rate == pytest.approx((0.38 - WORTH) / 0.5)
    assert {pair for pair, _ in solver.asked} == {B, C}


def test_without_finalists_or_where_steps_ran_out_the_record_says_so() -> None:
    first = {A: (0.30, 0.01), B: (0.28, 0.25)}
    chosen = finals(Solver({}), first, limit=0)
    assert chosen.run() == 0
    assert not chosen.facts(0)["certified"]
    assert chosen.facts(0)["margin"] < 0
    assert chosen.facts(0)["in_reach"] == 1
    assert "0 pairs of penalties were solved, and 1 more could" in describe_choice(chosen.facts(0))
    stuck = finals(Solver({A: 0.30, B: 0.33}, stuck=B), first)
    assert stuck.run() == 1
    assert stuck.facts(1)["finalists"][1]["gap"] == 0.3
    assert not stuck.facts(1)["certified"]


def test_a_gap_that_was_measured_roughly_settles_nothing() -> None:
    first = {A: (0.50, 1e-6), B: (0.20, 1e-6)}
    solver = Solver({A: 0.50})
    rough = finals(solver, first, exact=False)
    number = rough.run()
    assert number == 0
    assert solver.asked == [(A, 1e-4)]
    assert rough.facts(number)["certified"]
    assert rough.facts(number)["margin"] == pytest.approx(0.30 - LEAST_RATE * 1e-3 - WORTH)
    exact = Solver({})
    assert finals(exact, first).run() == 0
    assert exact.asked == []


def test_scores_level_with_the_chosen_one_are_named() -> None:
    chosen = finals(Solver({A: 0.30, B: 0.301}), {A: (0.30, 0.01), B: (0.30, 0.01)})
    number = chosen.run()
    assert number == 1
    assert chosen.facts(number)["level"] == [list(A)]


def test_probes_of_many_weights_have_few_finalists_unless_more_are_asked_for() -> None:
    assert finalists_limit(MANY_WEIGHTS, None) is None
    assert finalists_limit(MANY_WEIGHTS + 1, None) == FEW_FINALISTS
    assert finalists_limit(MANY_WEIGHTS + 1, 25) == 25
    first = {A: (0.30, 0.01), B: (0.28, 0.25), C: (0.27, 0.25), D: (0.05, 0.25)}
    chosen = finals(Solver({A: 0.30, B: 0.31, C: 0.29}), first, limit=2)
    number = chosen.run()
    assert [one["pair"] for one in chosen.facts(number)["finalists"]] == [list(A), list(B)]
    assert number == 1
    assert describe_choice(chosen.facts(number))
    assert describe_choice(None) == ""


@pytest.fixture(scope="module")
def large() -> onegrain.Activations:
    """So many neurons that the grid is left to the stochastic phase, and few words."""
    made = onegrain.planted(60, length=8, strength=1.0, words_seed=3).activations
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(made.n_words, 400)) @ rng.normal(size=(400, 400)) / 20
    values = np.concatenate([made.values(), noise], axis=1).astype(np.float32)
    return onegrain.Activations.from_array(values, made.corpus)


def test_the_choice_is_that_of_a_grid_that_is_solved_before(large: onegrain.Activations) -> None:
    given: dict[str, Any] = {"lambda1": (1e-4, 1e-3, 1e-2), "lambda2": (1e-4, 1e-3), "evaluate": False}
    found = rank("lca", large, label="upos", **given).details
    whole = rank("lca", large, label="upos", grid_steps=50, tolerance=1e-4, **given).details
    first = rank("lca", large, label="upos", finalists=0, **given).details
    assert (found["lambda1"], found["lambda2"]) == (whole["lambda1"], whole["lambda2"])
    assert found["choice"]["certified"]
    assert describe_choice(found["choice"]) == ""
    assert whole["choice"]["certified"]
    assert not first["choice"]["certified"]
    assert max(row["gap"] for row in first["grid"]) > 0.1
    for one in found["choice"]["finalists"]:
        row = next(row for row in found["grid"] if [row["lambda1"], row["lambda2"]] == one["pair"])
        assert (row["score"], row["gap"]) == (one["score"], one["gap"])
    reached = {tuple(one["pair"]) for one in found["choice"]["finalists"] if one["settled"]}
    assert (found["lambda1"], found["lambda2"]) in reached
    assert found["solution"]["gap"] <= 1e-4
