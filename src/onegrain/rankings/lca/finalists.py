"""Solve the pairs of penalties that could still be chosen, until the choice stands.

The stochastic phase can leave weakly penalised probes far above their minimum, and the score by which a pair is
chosen moves as a probe is solved. A probe whose objective is within a share g of its minimum has weights within
some multiple of sqrt(g) of the best ones, and its score moves alike. So a pair with score S and relative gap g
is taken to be able to reach S + rate * sqrt(g), plus what two words are worth; the rate is the largest that was
seen while probes of this grid were solved, and never less than ``LEAST_RATE``. The highest pair that can still
reach the best solved one is solved further, first roughly, then to the final gap, until none is left. This is a
rule with a measured rate, not a proof: the score counts words of masked probes, which no gap bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from onegrain.rankings.elastic_net.probe import FittedProbe, ProbeSolver
from onegrain.rankings.elastic_net.problem import Penalties
from onegrain.rankings.elastic_net.solver import FAR, Solution

__all__ = ["FINAL_GAP", "Candidate", "Finals", "finalists_limit"]

FINAL_GAP = 1e-4
"""To which finalists are solved where no other gap is asked for."""

LEAST_RATE = 0.5
"""Of the score's change by the root of the gap; the largest that was measured is 0.33 (docs/solver.md)."""


MANY_WEIGHTS = 16_384
"""A probe with more weights takes up to minutes to solve where its penalties are weak."""

FEW_FINALISTS = 4
"""Finalists of a grid of such probes, unless more are asked for."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A pair of penalties, its probe so far, and how good it is.

    Attributes:
        pair: lambda1 and lambda2.
        probe: the probe.
        solution: of this one probe.
        score: what pairs are chosen by.
        settled: whether the probe is solved to the final gap, or as far as the limits on steps let it.
    """

    pair: tuple[float, float]
    probe: FittedProbe
    solution: Solution
    score: float
    settled: bool = False

    @property
    def gap(self) -> float:
        """The relative gap, at most 1; without any penalty, the relative gradient."""
        gap = float(self.solution.gap[0])
        return min(1.0, max(0.0, float(self.solution.gradient[0]) if np.isnan(gap) else gap))

    @property
    def place(self) -> tuple[float, float, float]:
        """The highest is chosen: by score, equal ones by stronger regularisation."""
        return self.score, sum(self.pair), self.pair[0]


@dataclass(eq=False)
class Finals:
    """The candidates of a grid, solved until the choice stands.

    Args:
        solver: solves a pair.
        candidates: every pair.
        score: gives the score of a probe.
        worth: what two held-out words change a score by.
        tolerances: the rough and the final gap.
        limit: most pairs that are solved; None for as many as could be chosen.
        exact: whether the candidates' gaps are exact. Those of a large grid are measured with bfloat16
            products, and then no candidate counts as solved before it is measured again.
        advance: is called with 1 for every pair as it is settled.

    Attributes:
        rate: see the head of this file.
        solved: numbers of the candidates that were solved further, in that order.
        largest_change: of a score, from before its pair was first solved further.
    """

    solver: ProbeSolver
    candidates: list[Candidate]
    score: Callable[[FittedProbe], float]
    worth: float
    tolerances: tuple[float, float]
    limit: int | None = None
    exact: bool = True
    advance: Callable[[int], None] = lambda _: None
    rate: float = LEAST_RATE
    solved: list[int] = field(default_factory=list)
    largest_change: float = 0.0

    def __post_init__(self) -> None:
        self._first = [candidate.score for candidate in self.candidates]
        for number, candidate in enumerate(self.candidates):
            settled = self.exact and candidate.gap <= self.tolerances[1]
            self.candidates[number] = replace(candidate, settled=settled or candidate.pair == (0.0, 0.0))

    def run(self) -> int:
        """Solve candidates until the choice stands or the limit is reached; return the number of the choice."""
        while (number := self._next()) is not None:
            if number not in self.solved:
                if self.limit is not None and len(self.solved) >= self.limit:
                    break
                self.solved.append(number)
            self._advance(number)
        return self._best(range(len(self.candidates)))

    def reach(self, number: int) -> float:
        """Return the score that a candidate could still get."""
        return self.candidates[number].score if self.candidates[number].settled else self._could(number)

    def facts(self, chosen: int) -> dict[str, Any]:
        """Return what a record says of the choice, see :func:`onegrain.rankings.lca.search.search`."""
        best = self.candidates[chosen].score
        others = [number for number in range(len(self.candidates)) if number != chosen]
        behind = [best - self._could(number) for number in others if not self._solved(number)]
        spread = self.rate * np.sqrt(self.tolerances[1]) + self.worth
        level = [n for n in others if self.candidates[n].settled and best - self.candidates[n].score <= spread]
        return {
            "certified": self._solved(chosen) and all(margin > 0.0 for margin in behind),
            "finalists": [
                {"pair": list(self.candidates[n].pair), "score": self.candidates[n].score, "gap": self._gap(n),
                 "first_score": self._first[n], "settled": self.candidates[n].settled}
                for n in self.solved
            ],
            "margin": min(behind, default=None),
            "in_reach": sum(margin <= 0.0 for margin in behind),
            "level": [list(self.candidates[number].pair) for number in level],
            "rate": float(self.rate),
            "worth": self.worth,
            "largest_change": self.largest_change,
        }  # fmt: skip

    def _could(self, number: int) -> float:
        """Return the score that a candidate would get at most at its minimum."""
        candidate = self.candidates[number]
        return candidate.score + self.rate * float(np.sqrt(candidate.gap)) + self.worth

    def _solved(self, number: int) -> bool:
        """Return whether a candidate reached the final gap; a probe without penalties has none to reach."""
        candidate = self.candidates[number]
        within = candidate.settled and candidate.gap <= self.tolerances[1]
        return within or candidate.pair == (0.0, 0.0)

    def _gap(self, number: int) -> float | None:
        gap = float(self.candidates[number].solution.gap[0])
        return None if np.isnan(gap) else gap

    def _best(self, numbers: Any) -> int:
        return max(numbers, key=lambda number: self.candidates[number].place)

    def _next(self) -> int | None:
        """Return the highest unsettled candidate that could reach the best settled one, None where none can."""
        settled = [n for n, candidate in enumerate(self.candidates) if candidate.settled]
        least = max((self.candidates[number].score for number in settled), default=-np.inf)
        able = [n for n, one in enumerate(self.candidates) if not one.settled and self.reach(n) >= least]
        return self._best(able) if able else None

    def _advance(self, number: int) -> None:
        """Solve one candidate to the next tolerance."""
        before = self.candidates[number]
        rough, final = self.tolerances
        tolerance = rough if before.gap > rough else final
        near = before.solution if before.gap <= FAR else None
        (probe,), solution = self.solver.solve(Penalties.of(before.pair), tolerance, start=near)
        score = self.score(probe)
        after = Candidate(before.pair, probe, solution, score)
        settled = after.gap <= final or not bool(solution.converged[0])
        self.candidates[number] = replace(after, settled=settled)
        self.advance(int(settled))
        self.largest_change = max(self.largest_change, abs(score - self._first[number]))
        change = abs(score - before.score) - self.worth
        self.rate = max(self.rate, change / float(np.sqrt(max(before.gap, final))))


def finalists_limit(weights: int, asked: int | None) -> int | None:
    """Return the most pairs that are solved before one is chosen; None for all that could be chosen.

    >>> finalists_limit(384 * 17, None), finalists_limit(2688 * 17, None), finalists_limit(2688 * 17, 25)
    (None, 4, 25)

    Args:
        weights: of one probe.
        asked: the most that the user asked for, or None.
    """
    if asked is not None:
        return asked
    return FEW_FINALISTS if weights > MANY_WEIGHTS else None
