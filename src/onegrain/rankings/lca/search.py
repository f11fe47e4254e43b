"""Choose lambda1 and lambda2 on held-out words, by the score of [Dalvi19]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from onegrain.core.progress import Progress, automatic, renamed
from onegrain.rankings.data.labelled import LabelledWords
from onegrain.rankings.elastic_net.predictions import predict
from onegrain.rankings.elastic_net.probe import FittedProbe, ProbeRounds, ProbeSolver
from onegrain.rankings.elastic_net.problem import Penalties
from onegrain.rankings.elastic_net.solver import Solution
from onegrain.rankings.lca.finalists import Candidate, Finals
from onegrain.rankings.lca.options import LcaOptions
from onegrain.rankings.lca.ordering import order_neurons
from onegrain.rankings.lca.scores import Score, sentence_sums, sentence_words

__all__ = ["Search", "count_of", "grid_score", "search"]


@dataclass(frozen=True, eq=False)
class Search:
    """The chosen probe, and the table of the pairs that it was chosen from.

    Attributes:
        probe: the chosen probe, polished.
        pair: its (lambda1, lambda2).
        grid: one dict per pair: lambda1, lambda2, accuracy (A_l), top_accuracy (A_t), bottom_accuracy (A_b),
            score (S), zero_share (of the weights), objective (nats per word), gap (relative; None without
            penalty), gradient (relative), converged (to the grid's tolerance), steps (Newton).
        solution: objective, gap, gradient, converged and steps of the chosen probe after polishing.
        choice: certainty of the choice, by the rule of finalists.py; None for one pair. Its entries:
            ``certified``, True if the chosen probe is solved to the final gap and no other pair could exceed
            its score by more than the standard error of their difference;
            ``within``, the most by which another pair could exceed its score, 0 or more;
            ``second``, the best other pair, with the ``margin`` to it and the ``standard_error`` of the margin;
            ``highest``, the pair of the highest score, the chosen one or one that is level with it: by how much
            it leads (``lead``, 0 or more), and the ``standard_error`` of the lead;
            ``finalists``, the pairs that were solved further, each with its ``pair``, ``score``, ``gap``,
            ``first_score`` (before), ``rounds`` (rounds.py) and ``settled`` (True if solved to the final gap);
            ``margin``, how far the other pairs are below a score that would put the choice in doubt, negative
            if one is above it, and ``in_reach``, the number of pairs above it;
            ``level``, the pairs that may be no more than one standard error below the chosen one;
            ``rate`` and ``worth``, parameters of the rule;
            ``largest_change``, the largest change of a finalist's score.
    """

    probe: FittedProbe
    pair: tuple[float, float]
    grid: list[dict[str, Any]]
    solution: dict[str, Any]
    choice: dict[str, Any] | None = None


def count_of(share: float, neurons: int) -> int:
    """Return how many neurons a share is: rounded, at least one."""
    return max(1, round(share * neurons))


def grid_score(accuracies: tuple[float, float, float, float], alpha: float, beta: float) -> float:
    """Return S = alpha (A_t - A_b) - beta (A_z - A_l) for (A_t, A_b, A_z, A_l), to 12 decimals.

    >>> grid_score((0.75, 0.25, 1.0, 0.5), 0.5, 0.5)
    0.0
    """
    top, bottom, free, full = accuracies
    return round(alpha * (top - bottom) - beta * (free - full), 12)


def search(
    solver: ProbeSolver, dev: LabelledWords, options: LcaOptions, progress: Progress = automatic
) -> Search:
    """Solve the grid, score every pair on held-out words, solve those that could win, and take the best.

    The probe without regularisation is solved for A_z even if (0, 0) is not in the grid, but is then not a
    candidate; A_z changes every S alike. With a single pair nothing is chosen, and its score is None. With
    ``prefer_strong``, the strongest penalties of those that are level with the best are chosen (finalists.py).
    Otherwise ties go to the stronger regularisation: the larger lambda1 + lambda2, then the larger lambda1.
    """
    pairs = options.pairs
    several = len(pairs) > 1
    solved = [*pairs, (0.0, 0.0)] if several and (0.0, 0.0) not in pairs else pairs
    rounds: ProbeRounds | None = None
    if several and solver.is_large and not options.grid_steps:
        rounds = solver.start_rounds(Penalties.of(*solved), progress)
        fitted = [rounds.probe(number) for number in range(len(solved))]
    else:
        limit = 0 if solver.is_large and options.grid_steps is None else options.grid_steps
        probes, solution = solver.solve(
            Penalties.of(*solved), options.tolerance, limit=limit, progress=renamed(progress, "grid")
        )
        fitted = [(probe, solution.take(np.array([number]))) for number, probe in enumerate(probes)]
    if not several:
        return _alone(solver, dev, options, *fitted[0], progress)
    scoring = _Scoring(dev, options)
    scoring.free = scoring.accuracies(fitted[solved.index((0.0, 0.0))][0])[2]
    candidates = [
        Candidate(pair, probe, solution, scoring.score(probe))
        for pair, (probe, solution) in zip(pairs, fitted, strict=False)
    ]
    worth = 2.0 * max(options.alpha, options.beta) / len(dev)
    with progress("finalists", len(pairs), "pairs") as advance:
        finals = Finals(
            solver,
            candidates,
            scoring.score,
            sentence_words(dev.sentences),
            worth,
            (options.tolerance, options.polish),
            options.finalists,
            rounds,
            advance,
            options.prefer_strong,
        )
        chosen = finals.run()
    rows = [scoring.row(candidate) for candidate in finals.candidates]
    best = finals.candidates[chosen]
    probe, facts = best.probe, best.solution.facts(0)
    if best.pair != (0.0, 0.0) and not best.settled:
        probe, facts = _polished(solver, best, options, progress)
    return Search(probe, best.pair, rows, facts, finals.facts(chosen))


def _alone(
    solver: ProbeSolver,
    dev: LabelledWords,
    options: LcaOptions,
    probe: FittedProbe,
    solution: Solution,
    progress: Progress,
) -> Search:
    """Return the only pair, polished; its row of the grid describes it before polishing."""
    (pair,) = options.pairs
    candidate = Candidate(pair, probe, solution, Score(0.0, np.empty(0)))
    row = _Scoring(dev, options).row(candidate)
    facts = solution.facts(0)
    if pair != (0.0, 0.0):
        probe, facts = _polished(solver, candidate, options, progress)
    return Search(probe, pair, [row], facts)


def _polished(
    solver: ProbeSolver, candidate: Candidate, options: LcaOptions, progress: Progress
) -> tuple[FittedProbe, dict[str, Any]]:
    """Return the probe of a pair solved to the final gap, and how good it is."""
    (probe,), polished = solver.solve(
        Penalties.of(candidate.pair),
        options.polish,
        start=candidate.start,
        progress=renamed(progress, "polishing"),
    )
    return probe, polished.facts(0)


class _Scoring:
    """Scores probes on held-out words, each once.

    Args:
        dev: the held-out words.
        options: alpha, beta, and the share of neurons in A_t and A_b.

    Attributes:
        free: A_z, or None where there is nothing to choose and so no score.
    """

    def __init__(self, dev: LabelledWords, options: LcaOptions) -> None:
        self._dev, self._options = dev, options
        self.free: float | None = None
        self._correct_by_probe: dict[int, tuple[FittedProbe, np.ndarray]] = {}

    def score(self, probe: FittedProbe) -> Score:
        """Return S of a probe, and what each sentence adds to it."""
        assert self.free is not None, "a score is a comparison with the probe without regularisation"
        top, bottom, full = self._correct_words(probe)
        alpha, beta = self._options.alpha, self._options.beta
        accuracies = float(top.mean()), float(bottom.mean()), self.free, float(full.mean())
        word_scores = alpha * (top.astype(np.float64) - bottom) + beta * full
        return Score(grid_score(accuracies, alpha, beta), sentence_sums(self._dev.sentences, word_scores))

    def accuracies(self, probe: FittedProbe) -> tuple[float, float, float]:
        """Return a probe's accuracy with the top, the bottom, and all neurons of its ordering."""
        top, bottom, full = self._correct_words(probe).mean(axis=1).tolist()
        return top, bottom, full

    def row(self, candidate: Candidate) -> dict[str, Any]:
        """Return a candidate's row of the grid."""
        top, bottom, full = self.accuracies(candidate.probe)
        return {
            "lambda1": candidate.pair[0], "lambda2": candidate.pair[1], "accuracy": full, "top_accuracy": top,
            "bottom_accuracy": bottom, "score": None if self.free is None else candidate.score.value,
            "zero_share": float((candidate.probe.weights == 0.0).mean()), **candidate.solution.facts(0),
            "converged": candidate.gap <= self._options.tolerance,
        }  # fmt: skip

    def _correct_words(self, probe: FittedProbe) -> np.ndarray:
        """Return which words get their label, bool (3, words): with the top, the bottom, and all neurons."""
        if id(probe) not in self._correct_by_probe:
            order = order_neurons(probe.weights).order
            count = count_of(self._options.search_share, len(order))
            jobs = [(probe, order[:count]), (probe, order[-count:]), (probe, None)]
            self._correct_by_probe[id(probe)] = probe, predict(self._dev.values, jobs) == self._dev.codes
        return self._correct_by_probe[id(probe)][1]
