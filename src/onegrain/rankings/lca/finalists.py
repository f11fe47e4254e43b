"""Solve the pairs of penalties that could still be chosen, until the choice stands.

The stochastic phase can leave weakly penalised probes far above their minimum, and the score by which a pair
is chosen moves as a probe is solved. Two measured rules (docs/solver.md) decide how far it may still move:

- **Reach.** A probe whose objective is within a share g of its minimum has weights within some multiple of
  sqrt(g) of the best ones, and its score moves alike. So the score at the minimum is taken to lie within
  rate * sqrt(g) of the score now. Before the first round g is the relative duality gap; after a round it can
  also be the excess that the round estimates (rounds.py), with a rate for each. The rates are raised where a
  probe of this grid moved faster. Scores fall less than they rise: down, the reach is half as long.
- **Close.** If both of two probes are within a small share of their minima, their scores move alike, and the
  one that leads now is, at the minima, rarely behind by more than the standard error of their difference.

These are rules, not proofs: the score counts words of masked probes, which no gap bounds.

A pair is out as soon as it cannot exceed a better one by more than the standard error of their difference,
paired over the held-out sentences: what is left then is less than what other sentences would change. The pairs
that are not out are solved further, first together (rounds.py), those of the highest scores before the others,
because their scores decide which of the others are out. The last one is solved alone, to the final gap.

Of the pairs that are level with the best one, and close like it, the one of the strongest penalties is solved
alone and chosen, if it then still is level: the rule of one standard error [Breiman et al. 1984, section 3.4.3;
Hastie, Tibshirani and Friedman 2009, section 7.10].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from onegrain.rankings.elastic_net.probe import FittedProbe, ProbeRounds, ProbeSolver
from onegrain.rankings.elastic_net.problem import Penalties
from onegrain.rankings.elastic_net.solver import FAR, Solution
from onegrain.rankings.lca.scores import Score, paired_error

__all__ = ["FINAL_GAP", "Candidate", "Finals"]

FINAL_GAP = 1e-4
"""The relative gap to which finalists are solved if no other gap is asked for."""

FIRST_RATE = 0.36
"""The score's largest change after the stochastic phase, by the root of the gap; measured: up to 0.35."""

RATE = 0.4
"""The same once a probe had Newton steps; measured: up to 0.38."""

PLATEAU, FAR_RATE = 0.13, 0.27
"""The reach after Newton steps is no more than the larger of the first and the second times the gap's root."""

EXCESS_RATE = 0.45
"""The score's largest change after a round, by the root of the excess that the round estimates."""

DOWN = 0.5
"""The share of its reach by which a score may fall."""

CLOSE, BEHIND = 0.15, 0.25
"""Two probes that had a round or Newton steps, with at most the first as their excess, are compared by their
scores now: one is out that leads by no more than the second times the standard error of the difference."""

LEVEL = 1.0
"""A pair is level with the best if that leads by no more than this multiple of the error of the difference."""

CONTEND = 2.0
"""A pair may become level if the best leads by no more than this multiple of the error of the difference."""

NOISE = 2.0
"""The reach after a round is longer by this multiple of what two held-out words change a score by."""

MOST_ROUNDS = 6
"""Rounds of a pair, together with others, before it is solved alone."""

STALLED = 1e-3
"""A pair whose objective fell by a smaller share of itself in a round is better solved alone."""

MOST_WORK = 2e11
"""Words times weights of all rounds together, unless the number of finalists is given.

It takes two minutes on two cores with 63,360 neurons and one with 14,208, and is rarely reached with fewer.
The last round takes as many pairs as it leaves, those of the highest scores.
"""

FAR_EXCESS = 0.05
"""If rounds end at the limit, the chosen pair takes more alone until its excess is at most this."""

FRONT = 3
"""The best third of the pairs has rounds first, until these are close."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A pair of penalties, its probe so far, and how good it is.

    Attributes:
        pair: lambda1 and lambda2.
        probe: the probe.
        solution: of this one probe.
        score: the score by which pairs are chosen.
        settled: True if the probe is solved to the final gap, or as far as the limits on steps allow.
        rounds: number of rounds so far.
        stalled: True if more rounds would bring little.
        excess: the share of itself by which the objective is taken to be above its minimum, if a round
            estimated it.
    """

    pair: tuple[float, float]
    probe: FittedProbe
    solution: Solution
    score: Score
    settled: bool = False
    rounds: int = 0
    stalled: bool = False
    excess: float = float("nan")

    @property
    def gap(self) -> float:
        """The relative gap, at most 1; without any penalty, the relative gradient."""
        gap = float(self.solution.gap[0])
        return min(1.0, max(0.0, float(self.solution.gradient[0]) if np.isnan(gap) else gap))

    @property
    def start(self) -> Solution | None:
        """The solution that more steps begin with; None if new stochastic steps are a better start."""
        return self.solution if self.gap <= FAR or self.rounds else None

    @property
    def close(self) -> bool:
        """True if the objective is so near its minimum that the score is compared as it is."""
        improved = int(self.solution.steps[0]) > 0
        return self.settled or (improved and float(np.fmin(self.gap, self.excess)) <= CLOSE)

    @property
    def place(self) -> tuple[float, float, float]:
        """The highest is chosen: by score, equal ones by stronger regularisation."""
        return self.score.value, sum(self.pair), self.pair[0]


@dataclass(eq=False)
class Finals:
    """The candidates of a grid, solved until the choice stands.

    Args:
        solver: solves a pair.
        candidates: every pair.
        score: gives the score of a probe.
        words: float64 (sentences,), held-out words of each sentence.
        worth: change of a score by two held-out words; differences below it are ignored.
        tolerances: the rough and the final gap.
        limit: most pairs that are solved further; None for as many as could be chosen, until the rounds reach
            ``MOST_WORK``.
        rounds: improves probes together; numbered as the candidates. Its gaps are measured with bfloat16
            products, and so no candidate counts as settled before it is solved alone. None where every gap is
            exact.
        advance: is called with 1 for every pair as it is settled or found to be out.
        prefer_strong: True to choose the strongest penalties of those that are level.

    Attributes:
        rates: the rates of the head of this file, before and after Newton steps.
        solved: numbers of the candidates that were solved further, in that order.
        largest_change: of a score, from before its pair was first solved further.
    """

    solver: ProbeSolver
    candidates: list[Candidate]
    score: Callable[[FittedProbe], Score]
    words: np.ndarray
    worth: float
    tolerances: tuple[float, float]
    limit: int | None = None
    rounds: ProbeRounds | None = None
    advance: Callable[[int], None] = lambda _: None
    prefer_strong: bool = True
    rates: tuple[float, float] = (FIRST_RATE, RATE)
    solved: list[int] = field(default_factory=list)
    largest_change: float = 0.0

    def __post_init__(self) -> None:
        self._first = [candidate.score.value for candidate in self.candidates]
        self._work = 0.0
        self._done = 0
        for number, candidate in enumerate(self.candidates):
            settled = self.rounds is None and candidate.gap <= self.tolerances[1]
            self.candidates[number] = replace(candidate, settled=settled or candidate.pair == (0.0, 0.0))

    def run(self) -> int:
        """Solve candidates until the choice stands or a limit is reached; return the number of the choice."""
        allowed = self._allowed()
        while undecided := self._undecided(allowed):
            if self.limit is None and self._work >= MOST_WORK:
                self._report(len(self.candidates))
                return self._approach(self._strongest(self._best(allowed), allowed))
            in_rounds = [number for number in undecided if self._has_rounds(number)]
            if len(undecided) > 1 and in_rounds:
                first = self._first_of(in_rounds, allowed)
                self._run_round(self._within_work(self._with_contenders(first, allowed)))
            else:
                unsettled = [number for number in allowed if not self.candidates[number].settled]
                number = self._strongest(self._best(undecided), unsettled)
                self._solve(number, alone=len(undecided) == 1)
        settled = [number for number in allowed if self.candidates[number].settled]
        self._report(len(self.candidates))
        chosen = settled or range(len(self.candidates))
        return self._strongest(self._best(chosen), chosen)

    def reach(self, number: int) -> float:
        """Return how far the score of a candidate may be from that of its minimum."""
        candidate = self.candidates[number]
        if candidate.settled:
            return 0.0
        root = float(np.sqrt(candidate.gap))
        if candidate.rounds == 0 and number not in self.solved:
            return self.rates[0] * root
        unscaled = float(np.fmin(_reach_by_gap(root), EXCESS_RATE * np.sqrt(candidate.excess)))
        return self.rates[1] / RATE * unscaled + NOISE * self.worth

    def slack(self, number: int, other: int) -> float:
        """Return the standard error of the difference of two candidates' scores, at least ``worth``."""
        return max(self.worth, self._error(number, other))

    def facts(self, chosen: int) -> dict[str, Any]:
        """Return what a record says of the choice, see :class:`onegrain.rankings.lca.search.Search`."""
        best = self.candidates[chosen]
        others = [number for number in range(len(self.candidates)) if number != chosen]
        ahead = {number: self._exceeds(number, chosen) for number in others}
        second = max(others, key=lambda number: self.candidates[number].place)
        highest = self._best(range(len(self.candidates)))
        return {
            "certified": self._solved(chosen) and all(excess <= 0.0 for excess in ahead.values()),
            "within": max(0.0, *(self._ahead(number, chosen) for number in others)),
            "finalists": [
                {"pair": list(self.candidates[n].pair), "score": self.candidates[n].score.value,
                 "gap": self._gap(n), "first_score": self._first[n], "rounds": self.candidates[n].rounds,
                 "settled": self.candidates[n].settled}
                for n in self.solved
            ],
            "second": {
                "pair": list(self.candidates[second].pair),
                "margin": best.score.value - self.candidates[second].score.value,
                "standard_error": self._error(second, chosen),
            },
            "highest": {
                "pair": list(self.candidates[highest].pair),
                "lead": self.candidates[highest].score.value - best.score.value,
                "standard_error": self._error(highest, chosen),
            },
            "margin": -max(ahead.values()),
            "in_reach": sum(excess > 0.0 for excess in ahead.values()),
            "level": [list(self.candidates[n].pair) for n in others if self._level(n, chosen)],
            "rate": float(self.rates[1]),
            "worth": self.worth,
            "largest_change": self.largest_change,
        }  # fmt: skip

    def _error(self, number: int, other: int) -> float:
        return paired_error(self.candidates[number].score, self.candidates[other].score, self.words)

    def _exceeds(self, number: int, other: int) -> float:
        """Return by how much a candidate could exceed another by more than the slack; negative if it cannot."""
        ahead = self.candidates[number].score.value - self.candidates[other].score.value
        slack = self.slack(number, other)
        excess = ahead + self.reach(number) + DOWN * self.reach(other) - slack
        lead = LEVEL if self.prefer_strong and self._stronger(other, number) else BEHIND
        return min(excess, ahead - lead * slack) if self._close(number, other) else excess

    def _close(self, number: int, other: int) -> bool:
        """Return whether two candidates are both so near their minima that their scores move alike."""
        return self.candidates[number].close and self.candidates[other].close

    def _ahead(self, number: int, chosen: int) -> float:
        """Return the most by which a candidate is taken to be able to exceed the chosen one."""
        ahead = self.candidates[number].score.value - self.candidates[chosen].score.value + self.reach(number)
        return min(ahead, self.slack(number, chosen)) if self._close(number, chosen) else ahead

    def _level(self, number: int, chosen: int) -> bool:
        """Return whether a candidate's score may be no more than the slack below the chosen one's."""
        return self._ahead(number, chosen) >= -self.slack(number, chosen)

    def _solved(self, number: int) -> bool:
        """Return whether a candidate reached the final gap; a probe without penalties has none to reach."""
        candidate = self.candidates[number]
        within = candidate.settled and candidate.gap <= self.tolerances[1]
        return within or candidate.pair == (0.0, 0.0)

    def _gap(self, number: int) -> float | None:
        gap = float(self.candidates[number].solution.gap[0])
        return None if np.isnan(gap) else gap

    def _stronger(self, number: int, other: int) -> bool:
        """Return whether a candidate has the larger lambda2, or the same one and the larger lambda1."""
        return self.candidates[number].pair[::-1] > self.candidates[other].pair[::-1]

    def _strongest(self, best: int, numbers: Sequence[int]) -> int:
        """Return the candidate of the strongest penalties among those that are level with the best one."""
        chosen = best
        for number in numbers if self.prefer_strong else ():
            if self._is_near(number, best, LEVEL) and self._stronger(number, chosen):
                chosen = number
        return chosen

    def _best(self, numbers: Sequence[int]) -> int:
        return max(numbers, key=lambda number: self.candidates[number].place)

    def _allowed(self) -> list[int]:
        """Return the candidates that may be solved further: with a limit, those of the highest first scores."""
        ranked = sorted(range(len(self.candidates)), key=lambda n: self.candidates[n].place, reverse=True)
        return ranked if self.limit is None else ranked[: self.limit]

    def _undecided(self, allowed: Sequence[int]) -> list[int]:
        """Return the unsettled candidates that are not out.

        One is out if a settled candidate, or a better one that no settled one rules out, cannot be exceeded by
        more than the slack.
        """
        settled = [n for n in allowed if self.candidates[n].settled]
        left = [
            n for n in allowed if n not in settled and all(self._exceeds(n, other) > 0.0 for other in settled)
        ]
        places = {n: self.candidates[n].place for n in left}
        undecided = [
            n for n in left if all(self._exceeds(n, other) > 0.0 for other in left if places[other] > places[n])
        ]
        self._report(len(self.candidates) - len(undecided))
        return undecided

    def _first_of(self, numbers: Sequence[int], allowed: Sequence[int]) -> Sequence[int]:
        """Return those of some candidates that go first: the best ones, unless these are close already."""
        ranked = sorted(allowed, key=lambda n: self.candidates[n].place, reverse=True)
        front = ranked[: max(2, len(ranked) // FRONT)]
        first = [number for number in numbers if number in front]
        return first if any(not self.candidates[number].close for number in first) else numbers

    def _with_contenders(self, numbers: Sequence[int], allowed: Sequence[int]) -> Sequence[int]:
        """Return the candidates of a round, and with the best of all those that may become level with it.

        They are compared with it after as many rounds as it had.
        """
        best = self._best(allowed)
        if best not in numbers or not self.prefer_strong:
            return numbers
        behind = self.candidates[best].rounds
        contenders = [
            n
            for n in allowed
            if n not in numbers and self._has_rounds(n) and self.candidates[n].rounds <= behind
            and self._stronger(n, best) and self._is_near(n, best, CONTEND)
        ]  # fmt: skip
        return [*numbers, *contenders]

    def _within_work(self, numbers: Sequence[int]) -> Sequence[int]:
        """Return those of the highest scores, as many as the limit on work leaves to the last round."""
        if self.limit is not None or self.rounds is None:
            return numbers
        most = int(np.ceil((MOST_WORK - self._work) / self.rounds.round_work))
        ranked = sorted(numbers, key=lambda number: self.candidates[number].place, reverse=True)
        return ranked[: max(1, most)]

    def _approach(self, number: int) -> int:
        """Take rounds of one candidate alone while they take much from its objective; return its number."""
        assert self.rounds is not None
        while (
            self.rounds.polish_keeps_neurons
            and self._has_rounds(number)
            and not self.candidates[number].excess <= FAR_EXCESS
        ):
            self._run_round([number])
        return number

    def _is_near(self, number: int, best: int, errors: float) -> bool:
        """Return whether the best candidate leads another one, close like it, by no more than some errors."""
        lead = self.candidates[best].score.value - self.candidates[number].score.value
        return self._close(number, best) and lead <= errors * self.slack(number, best)

    def _has_rounds(self, number: int) -> bool:
        candidate = self.candidates[number]
        return (
            self.rounds is not None
            and not candidate.settled
            and not candidate.stalled
            and candidate.rounds < MOST_ROUNDS
        )

    def _run_round(self, numbers: Sequence[int]) -> None:
        """Take one round of some of the candidates together."""
        assert self.rounds is not None
        self._work += self.rounds.run(numbers) * self.rounds.round_work
        for number in numbers:
            before = self.candidates[number]
            probe, solution = self.rounds.probe(number)
            fall = 1.0 - float(solution.objective[0]) / max(float(before.solution.objective[0]), 1e-300)
            after = replace(
                before,
                probe=probe,
                solution=solution,
                score=self.score(probe),
                rounds=before.rounds + 1,
                excess=self.rounds.excess(number),
            )
            exact_enough = after.gap <= self.tolerances[0]
            self._replace(number, replace(after, stalled=fall < STALLED or exact_enough))

    def _solve(self, number: int, *, alone: bool) -> None:
        """Solve one candidate, to the next tolerance, or to the final one if it alone is left."""
        before = self.candidates[number]
        rough, final = self.tolerances
        tolerance = rough if before.gap > rough and not alone else final
        (probe,), solution = self.solver.solve(Penalties.of(before.pair), tolerance, start=before.start)
        after = replace(before, probe=probe, solution=solution, score=self.score(probe))
        settled = after.gap <= final or not bool(solution.converged[0])
        self._replace(number, replace(after, settled=settled))

    def _replace(self, number: int, after: Candidate) -> None:
        """Put a candidate's better probe in its place, and learn the rate from its score's change."""
        before = self.candidates[number]
        change = abs(after.score.value - before.score.value) - self.worth
        root = float(np.sqrt(max(before.gap, self.tolerances[1])))
        if before.rounds == 0 and number not in self.solved:
            self.rates = max(self.rates[0], change / root), self.rates[1]
        else:
            self.rates = self.rates[0], max(self.rates[1], RATE * change / _reach_by_gap(root))
        if number not in self.solved:
            self.solved.append(number)
        self.candidates[number] = after
        self.largest_change = max(self.largest_change, abs(after.score.value - self._first[number]))

    def _report(self, decided: int) -> None:
        """Report progress: how many candidates are decided, never fewer than before."""
        self.advance(max(0, decided - self._done))
        self._done = max(self._done, decided)


def _reach_by_gap(root: float) -> float:
    """Return the reach of a probe that had Newton steps, from the root of its gap."""
    return min(RATE * root, max(PLATEAU, FAR_RATE * root))
