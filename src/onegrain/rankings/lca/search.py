"""Choose lambda1 and lambda2 on held-out words, by the score of [Dalvi19]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from onegrain.core.progress import Progress, automatic
from onegrain.rankings.data.labelled import LabelledWords
from onegrain.rankings.elastic_net.probe import FittedProbe, ProbeSolver, predict
from onegrain.rankings.elastic_net.problem import Penalties
from onegrain.rankings.elastic_net.solver import FAR, Solution
from onegrain.rankings.lca.finalists import Candidate, Finals, finalists_limit
from onegrain.rankings.lca.options import LcaOptions
from onegrain.rankings.lca.ordering import order_neurons

__all__ = ["Search", "count_of", "grid_score", "search"]


@dataclass(frozen=True, eq=False)
class Search:
    """The probe that was chosen, and the table it was chosen from.

    Attributes:
        probe: the chosen probe, polished.
        pair: its (lambda1, lambda2).
        grid: one dict a pair: lambda1, lambda2, accuracy (A_l), top_accuracy (A_t), bottom_accuracy (A_b),
            score (S), zero_share (of the weights), objective (nats a word), gap (relative; None without
            penalty), gradient (relative), converged (to the grid's tolerance), steps (Newton).
        solution: objective, gap, gradient, converged and steps of the chosen probe after polishing.
        choice: what the choice is certified to: ``finalists``, the pairs that were solved to the end, each with
            its ``pair``, ``score``, ``gap``, ``first_score`` (before) and ``settled``; ``certified``, whether
            no other pair can reach the chosen one by the rule of finalists.py; ``margin``, how far below it
            the reach of the others ends (None where all are solved); ``in_reach``, how many others reach it;
            ``level``, the finalists whose scores are no further below than what the final gap leaves open;
            ``rate`` and ``worth`` of the rule; ``largest_change`` of a finalist's score. None for one pair.
    """

    probe: FittedProbe
    pair: tuple[float, float]
    grid: list[dict[str, Any]]
    solution: dict[str, Any]
    choice: dict[str, Any] | None = None


def count_of(share: float, neurons: int) -> int:
    """How many neurons a share is: rounded, at least one."""
    return max(1, round(share * neurons))


def grid_score(accuracies: tuple[float, float, float, float], alpha: float, beta: float) -> float:
    """S = alpha (A_t - A_b) - beta (A_z - A_l) for (A_t, A_b, A_z, A_l), to 12 decimals.

    >>> grid_score((0.75, 0.25, 1.0, 0.5), 0.5, 0.5)
    0.0
    """
    top, bottom, free, full = accuracies
    return round(alpha * (top - bottom) - beta * (free - full), 12)


def search(
    solver: ProbeSolver, dev: LabelledWords, options: LcaOptions, progress: Progress = automatic
) -> Search:
    """Solve the grid, score every pair on held-out words, solve those that could win, and take the best.

    The probe without regularisation, for A_z, is solved also where (0, 0) is not in the grid, but then it is
    not a candidate; it changes every S alike. With a single pair there is nothing to choose, and its score is
    None. Ties go to the stronger regularisation: the larger lambda1 + lambda2, then the larger lambda1.
    """
    pairs = options.pairs
    several = len(pairs) > 1
    solved = [*pairs, (0.0, 0.0)] if several and (0.0, 0.0) not in pairs else pairs
    limit = options.grid_steps
    if limit is None and solver.is_large:
        limit = 0
    probes, solution = solver.solve(Penalties.of(*solved), options.tolerance, limit=limit, progress=progress)
    if not several:
        return _alone(solver, dev, options, probes[0], solution)
    scoring = _Scoring(dev, options, _accuracies([probes[solved.index((0.0, 0.0))]], dev, 1.0)[0][2])
    candidates = [
        Candidate(pair, probe, solution.take(np.array([number])), scoring.score(probe))
        for number, (pair, probe) in enumerate(zip(pairs, probes, strict=False))
    ]
    worth = 2.0 * max(options.alpha, options.beta) / len(dev)
    tolerances = options.tolerance, options.polish
    most = finalists_limit(solver.n_weights, options.finalists)
    with progress("solve finalists", len(pairs), "pairs") as advance:
        exact = limit != 0 or not solver.is_large
        finals = Finals(solver, candidates, scoring.score, worth, tolerances, most, exact, advance)
        chosen = finals.run()
    rows = [scoring.row(candidate) for candidate in finals.candidates]
    best = finals.candidates[chosen]
    probe, facts = best.probe, best.solution.facts(0)
    if best.pair != (0.0, 0.0) and not best.settled:
        probe, facts = _polished(solver, best.pair, best.solution, options)
    return Search(probe, best.pair, rows, facts, finals.facts(chosen))


def _alone(
    solver: ProbeSolver, dev: LabelledWords, options: LcaOptions, probe: FittedProbe, solution: Solution
) -> Search:
    """Return the only pair, polished; its row of the grid says how it was before."""
    (pair,) = options.pairs
    row = _Scoring(dev, options, None).row(Candidate(pair, probe, solution, 0.0))
    facts = solution.facts(0)
    if pair != (0.0, 0.0):
        probe, facts = _polished(solver, pair, solution, options)
    return Search(probe, pair, [row], facts)


def _polished(
    solver: ProbeSolver, pair: tuple[float, float], solution: Solution, options: LcaOptions
) -> tuple[FittedProbe, dict[str, Any]]:
    """Return the probe of a pair solved to the final gap, and how good it is."""
    near = solution if solution.gap[0] <= FAR else None
    (probe,), polished = solver.solve(Penalties.of(pair), options.polish, start=near)
    return probe, polished.facts(0)


class _Scoring:
    """Scores probes on held-out words, each once.

    Args:
        dev: the held-out words.
        options: alpha, beta, and the share of neurons in A_t and A_b.
        free: A_z, or None where there is nothing to choose and so no score.
    """

    def __init__(self, dev: LabelledWords, options: LcaOptions, free: float | None) -> None:
        self._dev, self._options, self._free = dev, options, free
        self._known: dict[int, tuple[FittedProbe, tuple[float, float, float]]] = {}

    def score(self, probe: FittedProbe) -> float:
        """Return S of a probe."""
        assert self._free is not None, "a score is a comparison with the probe without regularisation"
        top, bottom, full = self._accuracies(probe)
        return grid_score((top, bottom, self._free, full), self._options.alpha, self._options.beta)

    def row(self, candidate: Candidate) -> dict[str, Any]:
        """Return a candidate's row of the grid."""
        top, bottom, full = self._accuracies(candidate.probe)
        return {
            "lambda1": candidate.pair[0], "lambda2": candidate.pair[1], "accuracy": full, "top_accuracy": top,
            "bottom_accuracy": bottom, "score": None if self._free is None else candidate.score,
            "zero_share": float((candidate.probe.weights == 0.0).mean()), **candidate.solution.facts(0),
            "converged": candidate.gap <= self._options.tolerance,
        }  # fmt: skip

    def _accuracies(self, probe: FittedProbe) -> tuple[float, float, float]:
        if id(probe) not in self._known:
            self._known[id(probe)] = probe, _accuracies([probe], self._dev, self._options.search_share)[0]
        return self._known[id(probe)][1]


def _accuracies(
    probes: Sequence[FittedProbe], dev: LabelledWords, share: float
) -> list[tuple[float, float, float]]:
    """Each probe's accuracy on dev with the top, the bottom, and all neurons of its own ordering."""
    jobs: list[tuple[FittedProbe, np.ndarray | None]] = []
    for probe in probes:
        order = order_neurons(probe.weights).order
        count = count_of(share, len(order))
        jobs += [(probe, order[:count]), (probe, order[-count:]), (probe, None)]
    found = (predict(dev.values, jobs) == dev.codes).mean(axis=1).tolist()
    return list(zip(found[::3], found[1::3], found[2::3], strict=True))
