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
from onegrain.rankings.lca import finalists
from onegrain.rankings.lca.finalists import (
    BEHIND,
    CLOSE,
    EXCESS_RATE,
    FAR_RATE,
    FIRST_RATE,
    LEVEL,
    MOST_ROUNDS,
    NOISE,
    Candidate,
    Finals,
)
from onegrain.rankings.lca.scores import Score, paired_error, sentence_sums, sentence_words
from onegrain.records.choice import describe_choice

WORTH = 0.002
WORDS = np.array([10.0, 20.0, 30.0, 40.0])
UNEVEN = np.array([1.0, -1.0, 1.0, -1.0])
Pair = tuple[float, float]


def solved_to(gap: float, objective: float = 1.0, *, converged: bool = True) -> Solution:
    unit = np.ones(1)
    return Solution(
        weights=np.zeros((1, 2, 3)),
        biases=np.zeros((1, 2)),
        objective=objective * unit,
        gap=gap * unit,
        gradient=unit,
        converged=np.array([converged]),
        steps=np.array([1]),
    )


def probe_of(score: float) -> FittedProbe:
    return FittedProbe(*(np.full((1, 1), score) for _ in range(4)))


def score_of(value: float, unevenness: float = 0.0) -> Score:
    """Every word of every sentence scores alike, but for what the first and third sentence have more."""
    return Score(value, value * WORDS + unevenness * UNEVEN)


class Solver:
    """A solver that gives each pair a score that is known before, once its gap is small."""

    def __init__(self, scores: dict[Pair, float], stuck: Pair | None = None) -> None:
        self.scores, self.stuck = scores, stuck
        self.asked: list[tuple[Pair, float]] = []

    def solve(self, penalties: Penalties, tolerance: float, *, start: Any = None) -> tuple[list, Solution]:
        (pair,) = penalties.pairs
        self.asked.append((pair, tolerance))
        gap = 0.3 if pair == self.stuck else tolerance / 2
        return [probe_of(self.scores[pair])], solved_to(gap, converged=pair != self.stuck)


class Rounds:
    """Rounds that bring each problem to the next of its scores and gaps; the objective falls, or it stalls."""

    round_work = 1.0
    polish_keeps_neurons = False

    def __init__(
        self, coming: list[list[tuple[float, float]]], fall: float = 0.1, excess: float | None = None
    ) -> None:
        self.coming, self.fall, self.every_excess = coming, fall, excess
        self.ran: list[list[int]] = []
        self.taken = [0] * len(coming)

    def run(self, numbers: list[int]) -> int:
        self.ran.append(sorted(numbers))
        for number in numbers:
            self.taken[number] += 1
        return len(numbers)

    def excess(self, number: int) -> float:
        if self.every_excess is not None:
            return self.every_excess
        return self.coming[number][min(self.taken[number], len(self.coming[number])) - 1][1]

    def probe(self, number: int) -> tuple[FittedProbe, Solution]:
        taken = self.taken[number]
        score, gap = self.coming[number][min(taken, len(self.coming[number])) - 1]
        return probe_of(score), solved_to(gap, (1.0 - self.fall) ** taken)


def finals(solver: Solver, first: dict[Pair, tuple[float, float]], **options: Any) -> Finals:
    """The pairs with their first score and gap."""
    unevenness = options.pop("unevenness", {})
    candidates = [
        Candidate(pair, probe_of(score), solved_to(gap), score_of(score, unevenness.get(pair, 0.0)))
        for pair, (score, gap) in first.items()
    ]
    score = lambda probe: score_of(float(probe.weights[0, 0]))  # noqa: E731
    return Finals(solver, candidates, score, WORDS, WORTH, (1e-2, 1e-4), **options)


A, B, C, D = (1e-3, 1e-2), (1e-4, 1e-3), (1e-5, 1e-4), (1e-5, 0.0)


def test_the_error_of_a_difference_is_that_of_a_ratio_over_sentences() -> None:
    rng = np.random.default_rng(0)
    sentences = np.repeat(np.arange(40), rng.integers(3, 30, 40))
    right = rng.random((2, len(sentences))) < np.array([[0.8], [0.7]])
    words = sentence_words(sentences)
    first, second = (Score(float(each.mean()), sentence_sums(sentences, each)) for each in right)
    differences = (first.sums - second.sums)[:, None]
    assert differences.sum() / words.sum() == pytest.approx(first.value - second.value)
    drawn = rng.integers(0, 40, (4000, 40))
    ratios = (first.sums - second.sums)[drawn].sum(1) / words[drawn].sum(1)
    assert paired_error(first, second, words) == pytest.approx(ratios.std(), rel=0.1)
    assert paired_error(first, first, words) == 0.0
    assert paired_error(Score(1.0, np.ones(1)), Score(0.0, np.zeros(1)), np.ones(1)) == 0.0


def test_a_pair_that_rises_as_it_is_solved_is_chosen_and_one_out_of_reach_is_not_solved() -> None:
    solver = Solver({A: 0.30, B: 0.33})
    chosen = finals(solver, {A: (0.30, 0.01), B: (0.28, 0.25), D: (0.13, 0.25)})
    assert chosen.run() == 1
    facts = chosen.facts(1)
    assert facts["certified"]
    assert [finalist["pair"] for finalist in facts["finalists"]] == [list(A), list(B)]
    assert [finalist["settled"] for finalist in facts["finalists"]] == [True, True]
    assert solver.asked == [(A, 1e-4), (B, 1e-2), (B, 1e-4)]
    assert facts["largest_change"] == pytest.approx(0.05)
    assert facts["margin"] == pytest.approx(0.33 + WORTH - (0.13 + FIRST_RATE * np.sqrt(0.25)))
    assert facts["second"]["pair"] == list(A)
    assert facts["second"]["margin"] == pytest.approx(0.03)
    assert facts["within"] == 0.0


def test_a_score_that_moved_faster_than_the_rule_widens_the_reach_of_the_others() -> None:
    first = {A: (0.50, 1e-5), B: (0.40, 0.25), C: (0.20, 0.25)}
    solver = Solver({B: 0.02, C: 0.51})
    chosen = finals(solver, first)
    assert chosen.run() == 2
    assert chosen.rates[0] == pytest.approx((0.38 - WORTH) / 0.5)
    assert {pair for pair, _ in solver.asked} == {B, C}


def test_pairs_go_through_rounds_together_until_they_are_out_and_the_best_is_solved_alone() -> None:
    solver = Solver({A: 0.31, B: 0.35})
    rounds = Rounds([[(0.31, 1e-3)], [(0.30, 0.3), (0.345, 1e-3)], [(0.05, 0.5)], [(0.06, 1.0)]])
    first = {A: (0.30, 0.01), B: (0.20, 0.9), C: (0.05, 0.9), D: (0.06, 1.0)}
    chosen = finals(solver, first, rounds=rounds)
    assert chosen.run() == 1
    # the best two go first; one round then rules out the others, however large their gaps are
    assert rounds.ran == [[0, 1], [1], [2, 3]]
    assert solver.asked == [(B, 1e-4)]
    facts = chosen.facts(1)
    assert facts["certified"]
    assert [finalist["settled"] for finalist in facts["finalists"] if finalist["pair"] == list(B)] == [True]
    assert all(finalist["rounds"] <= MOST_ROUNDS for finalist in facts["finalists"])


def test_rounds_end_where_the_objective_falls_no_more_or_there_were_enough() -> None:
    for fall, most in ((0.0, 1), (0.1, MOST_ROUNDS)):
        rounds = Rounds([[(0.30, 0.2)], [(0.30, 0.2)]], fall)
        solver = Solver({A: 0.30, B: 0.31})
        assert finals(solver, {A: (0.30, 0.3), B: (0.30, 0.3)}, rounds=rounds).run() == 1
        assert len(rounds.ran) == most
        assert [tolerance for pair, tolerance in solver.asked if pair == B] == [1e-4]


def test_rounds_end_at_a_limit_on_their_work_unless_the_number_of_finalists_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = {A: (0.30, 0.3), B: (0.29, 0.3)}
    monkeypatch.setattr(finalists, "MOST_WORK", 4.0)
    for limit, most in ((None, 2), (2, MOST_ROUNDS)):
        rounds, solver = Rounds([[(0.30, 0.2)], [(0.31, 0.2)]]), Solver({A: 0.30, B: 0.31})
        chosen = finals(solver, first, rounds=rounds, limit=limit)
        assert chosen.run() == 1
        assert len(rounds.ran) == most
        assert chosen.facts(1)["certified"] == (limit is not None) == bool(solver.asked)


def test_the_last_round_takes_the_best_pairs_that_the_limit_on_work_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(finalists, "MOST_WORK", 3.0)
    rounds = Rounds([[(0.30, 0.2)], [(0.31, 0.2)]])
    assert finals(Solver({}), {A: (0.30, 0.3), B: (0.29, 0.3)}, rounds=rounds).run() == 1
    assert rounds.ran == [[0, 1], [1]]


@pytest.mark.parametrize(("keeps", "excess", "more"), [(True, 0.2, 4), (True, 0.01, 0), (False, 0.2, 0)])
def test_after_the_limit_on_work_a_far_pair_takes_more_rounds_alone(
    keeps: bool, excess: float, more: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finalists, "MOST_WORK", 4.0)
    monkeypatch.setattr(Rounds, "polish_keeps_neurons", keeps)
    monkeypatch.setattr(finalists, "CLOSE", 0.0)
    rounds = Rounds([[(0.30, 0.2)], [(0.31, 0.2)]], excess=excess)
    chosen = finals(Solver({}), {A: (0.30, 0.3), B: (0.29, 0.3)}, rounds=rounds)
    assert chosen.run() == 1
    assert rounds.ran == [[0, 1], [0, 1], *[[1]] * more]
    assert chosen.candidates[1].rounds == 2 + more <= MOST_ROUNDS


def test_a_pair_that_can_exceed_the_best_by_less_than_the_standard_error_is_not_solved() -> None:
    reach = FIRST_RATE * np.sqrt(0.25)
    first = {A: (0.50, 1e-5), B: (0.50 - 0.5 * reach, 0.25)}
    level = finals(Solver({}), first, unevenness={B: 5.0})
    error = paired_error(level.candidates[0].score, level.candidates[1].score, WORDS)
    assert 0.5 * reach < error
    assert level.run() == 0
    facts = level.facts(0)
    assert facts["certified"]
    assert facts["within"] == pytest.approx(0.5 * reach)
    assert facts["second"]["standard_error"] == pytest.approx(error)
    solver = Solver({B: 0.51})
    assert finals(solver, first).run() == 1
    assert [pair for pair, _ in solver.asked] == [B]


@pytest.mark.parametrize("strong", [False, True])
@pytest.mark.parametrize(("score", "solved"), [(0.49, False), (0.51, False), (0.58, True), (0.70, True)])
def test_pairs_close_to_their_minima_are_compared_by_their_scores_now(
    score: float, solved: bool, strong: bool
) -> None:
    solver = Solver({B: score})
    first = {A: (0.50, 1e-5), B: (score, CLOSE)}
    chosen = finals(solver, first, unevenness={B: 5.0}, prefer_strong=strong)
    error = paired_error(chosen.candidates[0].score, chosen.candidates[1].score, WORDS)
    # the reach alone would let B exceed A by more than the error
    assert score + FIRST_RATE * np.sqrt(CLOSE) - 0.50 > error
    assert (score - 0.50 > BEHIND * error) == solved
    solved &= not strong or score - 0.50 > LEVEL * error
    number = chosen.run()
    assert number == int(solved)
    assert solver.asked == ([(B, 1e-4)] if solved else [])
    facts = chosen.facts(number)
    assert facts["certified"]
    assert facts["within"] <= error


@pytest.mark.parametrize(("excess", "solved"), [(0.16, False), (0.5, True)])
def test_the_excess_that_a_round_estimates_shortens_the_reach(excess: float, solved: bool) -> None:
    solver = Solver({A: 0.40, B: 0.19})
    rounds = Rounds([[(0.40, 1e-3)], [(0.19, 0.8)]], excess=excess)
    chosen = finals(solver, {A: (0.40, 1e-3), B: (0.20, 0.9)}, rounds=rounds)
    assert chosen.run() == 0
    assert (EXCESS_RATE * np.sqrt(excess) < FAR_RATE * np.sqrt(0.8)) != solved
    assert (B in {pair for pair, _ in solver.asked}) == solved
    assert chosen.facts(0)["certified"]


def test_the_best_third_has_rounds_before_the_others() -> None:
    pairs = [(1e-2, 1e-3 * number) for number in range(1, 7)]
    first = {pair: (0.30 - 0.01 * number, 0.9) for number, pair in enumerate(pairs)}
    rounds = Rounds([[(0.40 - 0.01 * number, 0.5)] for number in range(6)], excess=0.01)
    solver = Solver({pairs[0]: 0.40})
    chosen = finals(solver, first, rounds=rounds)
    assert chosen.run() == 0
    assert rounds.ran == [[0, 1], [0, 2, 3, 4, 5]]
    assert solver.asked == [(pairs[0], 1e-4)]
    assert chosen.reach(1) == pytest.approx(EXCESS_RATE * 0.1 + NOISE * WORTH)


def test_without_finalists_or_where_steps_ran_out_the_record_says_so() -> None:
    first = {A: (0.30, 0.01), B: (0.28, 0.25)}
    chosen = finals(Solver({}), first, limit=0)
    assert chosen.run() == 0
    assert not chosen.facts(0)["certified"]
    assert chosen.facts(0)["margin"] < 0
    assert chosen.facts(0)["in_reach"] == 1
    assert "0 pairs of penalties were solved further, and 1 others could" in describe_choice(chosen.facts(0))
    stuck = finals(Solver({A: 0.30, B: 0.33}, stuck=B), first)
    assert stuck.run() == 1
    assert stuck.facts(1)["finalists"][1]["gap"] == 0.3
    assert not stuck.facts(1)["certified"]


def test_a_gap_that_was_measured_roughly_settles_nothing() -> None:
    first = {A: (0.50, 1e-6), B: (0.20, 1e-6)}
    solver = Solver({A: 0.50})
    rounds = Rounds([[(0.50, 1e-6)], [(0.20, 1e-6)]])
    rough = finals(solver, first, rounds=rounds, prefer_strong=False)
    number = rough.run()
    assert number == 0
    assert solver.asked == [(A, 1e-4)]
    assert rough.facts(number)["certified"]
    assert rough.facts(number)["margin"] == pytest.approx(0.30 + WORTH - FIRST_RATE * 1e-3)
    exact = Solver({})
    assert finals(exact, first).run() == 0
    assert exact.asked == []


def test_scores_level_with_the_chosen_one_are_named() -> None:
    chosen = finals(Solver({A: 0.30, B: 0.301}), {A: (0.30, 0.01), B: (0.30, 0.01)})
    number = chosen.run()
    assert number == 0
    assert chosen.facts(number)["level"] == [list(B)]


@pytest.mark.parametrize(("lead", "strong", "expected"), [(0.9, True, A), (0.9, False, B), (1.1, True, B)])
def test_of_level_pairs_the_strongest_penalties_are_solved_and_chosen(
    lead: float, strong: bool, expected: Pair
) -> None:
    """The lead is in standard errors; the pair of the highest score is not solved if another one is chosen."""
    error = paired_error(score_of(0.0), score_of(0.0, 5.0), WORDS)
    first = {A: (0.30, CLOSE), B: (0.30 + lead * error, CLOSE), D: (0.30 - 0.5 * error, CLOSE)}
    solver = Solver({A: 0.30, B: 0.30 + lead * error})
    chosen = finals(solver, first, unevenness={B: 5.0}, prefer_strong=strong)
    number = chosen.run()
    assert chosen.candidates[number].pair == expected
    assert {pair for pair, _ in solver.asked} == {expected}
    facts = chosen.facts(number)
    assert facts["certified"]
    assert facts["highest"]["pair"] == list(B)
    assert facts["highest"]["lead"] == pytest.approx(0.0 if expected == B else lead * error)
    assert 0.0 <= facts["highest"]["lead"] <= max(facts["highest"]["standard_error"], WORTH)


@pytest.mark.parametrize("strong", [False, True])
def test_a_pair_that_may_become_level_has_as_many_rounds_as_the_best(strong: bool) -> None:
    """After the first round A is out, behind B by up to two errors; after another one with B it is level."""
    rounds = Rounds(
        [[(0.30, CLOSE), (0.309, CLOSE)], [(0.303, CLOSE), (0.31, CLOSE)], [(0.30, 0.9), (0.05, 1e-3)]]
    )
    first = {A: (0.30, CLOSE), B: (0.303, CLOSE), C: (0.30, 0.9)}
    solver = Solver({A: 0.309, B: 0.31})
    chosen = finals(solver, first, rounds=rounds, prefer_strong=strong)
    number = chosen.run()
    assert chosen.candidates[number].pair == (A if strong else B)
    assert (chosen.candidates[0].rounds == chosen.candidates[1].rounds) == strong


def test_a_pair_that_is_no_longer_level_once_it_is_solved_is_not_chosen() -> None:
    error = paired_error(score_of(0.0), score_of(0.0, 5.0), WORDS)
    first = {A: (0.30, CLOSE), B: (0.30 + 0.9 * error, CLOSE)}
    solver = Solver({A: 0.30 - 0.5 * error, B: 0.30 + 0.9 * error})
    chosen = finals(solver, first, unevenness={B: 5.0})
    assert chosen.run() == 1
    assert {pair for pair, _ in solver.asked} == {A, B}
    assert chosen.facts(1)["certified"]


def test_finalists_limits_the_pairs_to_those_of_the_highest_first_scores() -> None:
    first = {A: (0.30, 0.01), B: (0.28, 0.25), C: (0.27, 0.25), D: (0.05, 0.25)}
    chosen = finals(Solver({A: 0.30, B: 0.31, C: 0.29}), first, limit=2)
    number = chosen.run()
    assert [finalist["pair"] for finalist in chosen.facts(number)["finalists"]] == [list(A), list(B)]
    assert number == 1
    assert describe_choice(chosen.facts(number))
    assert describe_choice(None) == ""


@pytest.fixture(scope="module")
def large() -> onegrain.Activations:
    """So many neurons that the grid is left to the stochastic phase, and few words."""
    acts = onegrain.planted(60, length=8, strength=1.0, words_seed=3).activations
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(acts.n_words, 400)) @ rng.normal(size=(400, 400)) / 20
    values = np.concatenate([acts.values(), noise], axis=1).astype(np.float32)
    return onegrain.Activations.from_array(values, acts.corpus)


def test_the_choice_is_that_of_a_grid_that_is_solved_before(large: onegrain.Activations) -> None:
    options: dict[str, Any] = {"lambda1": (1e-4, 1e-3, 1e-2), "lambda2": (1e-4, 1e-3), "evaluate": False}
    details = rank("lca", large, label="upos", **options).details
    solved = rank("lca", large, label="upos", grid_steps=50, tolerance=1e-4, **options).details
    first = rank("lca", large, label="upos", finalists=0, **options).details
    assert (details["lambda1"], details["lambda2"]) == (solved["lambda1"], solved["lambda2"])
    assert details["choice"]["certified"]
    assert describe_choice(details["choice"]) == ""
    assert solved["choice"]["certified"]
    assert not first["choice"]["certified"]
    assert max(row["gap"] for row in first["grid"]) > 0.1
    for finalist in details["choice"]["finalists"]:
        row = next(row for row in details["grid"] if [row["lambda1"], row["lambda2"]] == finalist["pair"])
        assert (row["score"], row["gap"]) == (finalist["score"], finalist["gap"])
    reached = {tuple(finalist["pair"]) for finalist in details["choice"]["finalists"] if finalist["settled"]}
    assert (details["lambda1"], details["lambda2"]) in reached
    assert details["solution"]["gap"] <= 1e-4


def test_many_weights_do_not_keep_the_default_from_the_pair_that_the_first_scores_miss() -> None:
    rng = np.random.default_rng(3)
    labels, length, neurons = 12, 8, 1400
    codes = rng.integers(labels, size=150 * length)
    values = rng.normal(size=(len(codes), 200)) @ rng.normal(size=(200, neurons)) / np.sqrt(200)
    values += 0.3 * rng.normal(size=values.shape)
    values[:, : 3 * labels] += 1.5 * np.repeat(np.eye(labels)[codes], 3, axis=1)
    sentences = [[f"L{code:02d}" for code in codes[first : first + length]] for first in range(0, 1200, length)]
    corpus = onegrain.Corpus.from_sentences([["w"] * length] * 150, {"upos": sentences})
    activations = onegrain.Activations.from_array(values.astype(np.float32), corpus)
    options: dict[str, Any] = {"lambda1": (1e-3, 1e-2), "lambda2": (1e-4, 1e-2), "evaluate": False}
    first = rank("lca", activations, label="upos", finalists=0, **options).details
    default = rank("lca", activations, label="upos", **options).details
    solved = rank("lca", activations, label="upos", grid_steps=50, tolerance=1e-3, **options).details
    assert labels * neurons > 2**14
    chosen = [(details["lambda1"], details["lambda2"]) for details in (first, default, solved)]
    assert chosen == [(1e-2, 1e-2), (1e-3, 1e-4), (1e-3, 1e-4)]
    assert default["choice"]["certified"]
    assert default["choice"]["second"]["margin"] > default["choice"]["second"]["standard_error"] > 0.0
    assert default["solution"]["gap"] <= 1e-4
