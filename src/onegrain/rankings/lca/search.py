"""Choose lambda1 and lambda2 on held-out words, by the score of [Dalvi19]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from onegrain.core.progress import Progress, silent
from onegrain.rankings.lca.labelled import LabelledWords
from onegrain.rankings.lca.options import LcaOptions
from onegrain.rankings.lca.ordering import order_neurons
from onegrain.rankings.lca.probe import FittedProbe, ProbeSolver, predict
from onegrain.rankings.lca.problem import Penalties
from onegrain.rankings.lca.solver import FAR

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
    """

    probe: FittedProbe
    pair: tuple[float, float]
    grid: list[dict[str, Any]]
    solution: dict[str, Any]


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


def search(solver: ProbeSolver, dev: LabelledWords, options: LcaOptions, progress: Progress = silent) -> Search:
    """Solve the grid, score every pair on held-out words, and polish the best.

    The probe without regularisation, for A_z, is solved also where (0, 0) is not in the grid, but then it is
    not a candidate. With a single pair there is nothing to choose, and its score is None. Ties go to the
    stronger regularisation: the larger lambda1 + lambda2, then the larger lambda1.
    """
    pairs = options.pairs
    solved = [*pairs, (0.0, 0.0)] if len(pairs) > 1 and (0.0, 0.0) not in pairs else pairs
    penalties = Penalties.of(*solved)
    limit = options.grid_steps
    if limit is None and solver.is_large:
        limit = 0
    probes, solution = solver.solve(penalties, options.tolerance, limit=limit, progress=progress)
    right = _accuracies(probes, dev, options.search_share)
    free = right[solved.index((0.0, 0.0))][2] if len(pairs) > 1 else None
    grid = []
    for at, (l1, l2) in enumerate(pairs):
        top, bottom, full = right[at]
        score = None if free is None else grid_score((top, bottom, free, full), options.alpha, options.beta)
        grid.append(
            {"lambda1": l1, "lambda2": l2, "accuracy": full, "top_accuracy": top, "bottom_accuracy": bottom,
             "score": score, "zero_share": float((probes[at].weights == 0.0).mean()), **solution.facts(at)}
        )  # fmt: skip
    best = max(range(len(pairs)), key=lambda at: (grid[at]["score"] or 0.0, sum(pairs[at]), pairs[at][0]))
    probe, facts = probes[best], solution.facts(best)
    if pairs[best] != (0.0, 0.0):
        chosen = np.array([best])
        near = solution.take(chosen) if solution.gap[best] <= FAR else None
        (probe,), polished = solver.solve(penalties.take(chosen), options.polish, start=near)
        facts = polished.facts(0)
    return Search(probe, pairs[best], grid, facts)


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
