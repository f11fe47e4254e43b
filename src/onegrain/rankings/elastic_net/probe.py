"""Fitted elastic-net probes, and the solver that fits many of them to the same words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from onegrain.core.constant import exponents_of
from onegrain.core.progress import Progress, automatic
from onegrain.rankings.data.labelled import LabelledWords
from onegrain.rankings.data.memory import Memory
from onegrain.rankings.elastic_net.duality import evaluate_probes
from onegrain.rankings.elastic_net.problem import Penalties, ProbeData
from onegrain.rankings.elastic_net.refinement import Refined
from onegrain.rankings.elastic_net.rounds import Rounds
from onegrain.rankings.elastic_net.screening import LEAST_NEURONS
from onegrain.rankings.elastic_net.solver import Solution, SolverOptions, gather, is_large, solve, start_rounds
from onegrain.rankings.elastic_net.subsets import solve_subsets

__all__ = ["FittedProbe", "ProbeRounds", "ProbeSolver", "lifted_product", "product_dtype"]


@dataclass(frozen=True, eq=False)
class FittedProbe:
    """A linear probe: logits = ((z - shift) / scale) weights' + biases.

    Attributes:
        weights: float64 (labels, neurons), theta on the scale that was penalised.
        biases: float64 (labels,).
        shift: float64 (neurons,); zero unless standardised.
        scale: float64 (neurons,); one unless standardised.
    """

    weights: np.ndarray
    biases: np.ndarray
    shift: np.ndarray
    scale: np.ndarray

    def logits(self, values: np.ndarray, kept: np.ndarray | None = None) -> np.ndarray:
        """Return logits of activations (words, neurons), with all neurons but ``kept`` set to zero.

        *Zero* is on the penalised scale: the value 0 of a raw neuron, the mean of a standardised one.

        Returns:
            float64 (words, labels).
        """
        weights, biases, lift = self.folded(kept)
        return lifted_product(values, weights.T.astype(product_dtype(values.dtype)), lift) + biases

    def folded(self, kept: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the probe as a linear function of activations.

        Returns:
            Weights, float64 (labels, neurons), zero except at those of ``kept``; biases, float64
            (labels,); and lift, int64 (neurons,). Weights are those of activations times two to the power of
            ``lift``, because float32 may not hold weights of neurons of extreme size.
        """
        weights = self.weights / self.scale
        if kept is not None:
            masked = np.zeros_like(weights)
            masked[:, kept] = weights[:, kept]
            weights = masked
        biases, lift = self.biases - weights @ self.shift, exponents_of(self.scale)
        return np.ldexp(weights, -lift) if lift.any() else weights, biases, lift


def product_dtype(kind: object) -> np.dtype[Any]:
    """Return the precision of products with activations of a dtype."""
    return np.dtype(np.float64 if kind == np.float64 else np.float32)


def lifted_product(values: np.ndarray, weights: np.ndarray, lift: np.ndarray) -> np.ndarray:
    """Return activations times two to the power of ``lift``, multiplied by weights; float64."""
    lifted = np.ldexp(values, lift) if lift.any() else values
    product: np.ndarray = (lifted @ weights).astype(np.float64)
    return product


class ProbeSolver:
    """A solver that fits probes to the same words; it centres, and optionally scales, the activations once.

    With ``standardize`` every neuron is divided by its standard deviation. A constant neuron gets zero weight
    either way, and without ``standardize`` so does one that varies too little beside the others
    (``ProbeData.spread``).

    Args:
        words: the words, with activations in float32 or float64; products have the same precision.
        options: limits on steps; the tolerance is an argument of :meth:`solve`.
        standardize: see :class:`FittedProbe`.
        weights: float64 (words,), the weights of the words; None if all count alike.
        memory: where to keep tables with a row per word.
    """

    def __init__(
        self,
        words: LabelledWords,
        options: SolverOptions = SolverOptions(),
        *,
        standardize: bool = False,
        weights: np.ndarray | None = None,
        memory: Memory | None = None,
    ) -> None:
        self.codes = words.codes
        self.options = options
        self._data = ProbeData(
            words.values,
            words.codes,
            len(words.labels),
            weights,
            standardize,
            memory or Memory(),
            rounding=words.rounding,
        )

    def solve(
        self,
        penalties: Penalties,
        tolerance: float,
        *,
        limit: int | None = None,
        start: Solution | None = None,
        progress: Progress = automatic,
    ) -> tuple[list[FittedProbe], Solution]:
        """Return one probe for each pair of penalties; ``limit`` lowers the limits on Newton steps."""
        options = replace(self.options, tolerance=tolerance)
        if limit is not None:
            free = min(limit, options.max_free_steps)
            options = replace(options, max_steps=limit, max_free_steps=free)
        solution = solve(self._data, penalties, options, start=start, progress=progress)
        return self._probes(solution), solution

    def solve_subsets(
        self,
        subsets: Sequence[np.ndarray],
        pair: tuple[float, float],
        tolerance: float,
        *,
        start: tuple[FittedProbe, np.ndarray],
        advance: Callable[[int], None] = lambda count: None,
    ) -> list[tuple[FittedProbe, Solution]]:
        """Return a probe of each set of neurons alone, solved together (subsets.py).

        Args:
            subsets: int64 (k,) each, the neurons of each set, ascending.
            pair: lambda1 and lambda2.
            tolerance: relative duality gap.
            start: a probe, and its neurons (ascending); each set starts from its weights.
            advance: is called with the number of sets that were solved since the last call.

        Raises:
            ParameterError: a scratch file of the memory budget cannot be made.
        """
        data, (probe, neurons) = self._data, start
        weights = np.zeros((data.n_labels, data.n_neurons))
        weights[:, neurons] = probe.weights
        biases = probe.biases + probe.weights @ ((data.mean[neurons] - probe.shift) / probe.scale)
        options = replace(self.options, tolerance=tolerance)
        solutions = solve_subsets(data, pair, subsets, (weights, biases), options, advance)
        return [
            (self._probes(solution, kept)[0], solution)
            for kept, solution in zip(subsets, solutions, strict=True)
        ]

    def start_rounds(self, penalties: Penalties, progress: Progress = automatic) -> ProbeRounds:
        """Solve a grid roughly, so that some of its probes can be improved round by round.

        Raises:
            ParameterError: the memory budget is too small.
        """
        return ProbeRounds(self, start_rounds(self._data, penalties, self.options, progress))

    def _probes(self, solution: Solution, neurons: np.ndarray | None = None) -> list[FittedProbe]:
        """Return the probes of a solution, for activations that are neither centred nor scaled.

        ``neurons`` are those of the solution; by default all.
        """
        data = self._data
        chosen = np.arange(data.n_neurons) if neurons is None else neurons
        mean, spread = data.mean[chosen], data.spread[chosen]
        shift, scale = np.zeros(len(chosen)), np.ones(len(chosen))
        if data.standardize:
            shift, scale = mean, np.where(spread > 0.0, spread, 1.0)
        biases = solution.biases - solution.weights @ ((mean - shift) / scale)
        pairs = zip(solution.weights, biases, strict=True)
        return [FittedProbe(weights, bias, shift, scale) for weights, bias in pairs]

    def slopes(self, probe: FittedProbe) -> np.ndarray:
        """Return |dL/dtheta|, float64 (labels, neurons), with L the mean cross-entropy on the words.

        At the optimum it is at most lambda1 where a weight is zero: the nearer to lambda1, the sooner a lower
        lambda1 would give the neuron a weight. It is 0 for a constant neuron. It takes one pass over the words.
        """
        data = self._data
        weights = data.to_scaled(np.ascontiguousarray(probe.weights.T))
        biases = probe.biases + probe.weights @ ((data.mean - probe.shift) / probe.scale)
        points = evaluate_probes(data, weights[:, None], data.tensor(biases, data.dtype)[None])
        unit = data.unit.cpu().numpy()[:, None]
        slopes = np.abs(points.gradient[:, 0].cpu().numpy())
        return np.ascontiguousarray(np.divide(slopes, unit, out=np.zeros_like(slopes), where=unit > 0.0).T)

    @property
    def n_weights(self) -> int:
        """The number of weights of one probe: one for each label and neuron."""
        return self._data.n_labels * self._data.n_neurons

    @property
    def is_large(self) -> bool:
        """True if Newton steps for every probe of a grid would be slow, and stochastic steps are used."""
        return is_large(self._data)

    def restrict(self, neurons: np.ndarray) -> ProbeSolver:
        """Return a solver for the same words with some of the neurons."""
        restricted = copy(self)
        restricted._data = self._data.restrict(neurons)
        return restricted


class ProbeRounds:
    """The probes of a grid, as improved by the rounds so far (rounds.py).

    Args:
        solver: the solver of the grid.
        rounds: the problems of the grid.
    """

    def __init__(self, solver: ProbeSolver, rounds: Rounds) -> None:
        self._solver, self._rounds = solver, rounds

    @property
    def round_work(self) -> float:
        """Words times weights of one problem: rounds take time in proportion to it."""
        return float(self._rounds.words.n_words) * self._solver.n_weights

    @property
    def polish_keeps_neurons(self) -> bool:
        """True if Newton steps start from the weights of all neurons; with very many, from the largest ones."""
        return self._rounds.words.n_neurons < LEAST_NEURONS

    def run(self, numbers: Sequence[int]) -> int:
        """Take one round of some of the problems, by number; return how many of them were solved apart."""
        return self._rounds.run(np.array(numbers, dtype=np.int64))

    def probe(self, number: int) -> tuple[FittedProbe, Solution]:
        """Return the best probe so far of one problem, and how good it is; its steps are its rounds."""
        rounds = self._rounds
        taken = int(rounds.taken[number])
        refined = Refined(rounds.weights[:, number], rounds.biases[number], rounds.certificates[number], taken)
        solution = gather(self._solver._data, [refined], 0.0)
        return self._solver._probes(solution)[0], solution

    def excess(self, number: int) -> float:
        """Return by what share of itself a problem's objective is taken to be above its minimum (rounds.py)."""
        return float(self._rounds.excess[number])
