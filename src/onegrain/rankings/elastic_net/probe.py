"""The multinomial elastic-net probe: its weights, and the solver that makes many of the same words."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace

import numpy as np

from onegrain.core.constant import exponents_of
from onegrain.core.progress import Progress, automatic
from onegrain.rankings.data.labelled import LabelledWords
from onegrain.rankings.data.memory import Memory, ScratchTable
from onegrain.rankings.elastic_net.duality import evaluate_probes
from onegrain.rankings.elastic_net.problem import Penalties, ProbeData
from onegrain.rankings.elastic_net.refinement import Refined
from onegrain.rankings.elastic_net.rounds import Rounds
from onegrain.rankings.elastic_net.solver import Solution, SolverOptions, gather, is_large, solve, start_rounds

__all__ = ["FittedProbe", "ProbeRounds", "ProbeSolver", "predict"]

PREDICTED = 4096


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
        """float64 (words, labels) for activations (words, neurons); all neurons but ``kept`` set to zero.

        *Zero* is of the penalised scale: the value 0 of a raw neuron, the mean of a standardised one.
        """
        chosen = np.arange(len(self.shift)) if kept is None else np.sort(kept)
        folded = (self.weights / self.scale)[:, chosen]
        dtype = values.dtype if values.dtype == np.float64 else np.float32
        lift = exponents_of(self.scale[chosen])  # float32 may not hold weights of neurons of extreme size
        kept_values = np.ldexp(values[:, chosen], lift) if lift.any() else values[:, chosen]
        scores = (kept_values @ np.ldexp(folded, -lift).T.astype(dtype)).astype(np.float64)
        return scores + (self.biases - folded @ self.shift[chosen])

    def predict(self, values: np.ndarray, kept: np.ndarray | None = None) -> np.ndarray:
        """int64 (words,): the most probable label; ties to the first."""
        return self.logits(values, kept).argmax(axis=1)


def predict(
    values: np.ndarray | ScratchTable,
    jobs: Sequence[tuple[FittedProbe, np.ndarray | None]],
    neurons: np.ndarray | None = None,
) -> np.ndarray:
    """int64 (jobs, words): what each probe predicts with the neurons that its job keeps, in one pass.

    The columns of ``values`` are the probes' neurons, or have them at the indices ``neurons``.
    """
    found = np.empty((len(jobs), values.shape[0]), dtype=np.int64)
    for first in range(0, values.shape[0], PREDICTED):
        rows = slice(first, first + PREDICTED)
        block = np.asarray(values[rows])
        block = block if neurons is None else block[:, neurons]
        for into, (probe, kept) in zip(found, jobs, strict=True):
            into[rows] = probe.predict(block, kept)
    return found


class ProbeSolver:
    """Fits probes to the same words; the activations are centred, and if wanted scaled, once.

    A standardised neuron is divided by its standard deviation; a constant one gets zero weight either way, and
    where they are not standardised so does one that moves too little beside the others (``ProbeData.spread``).

    Args:
        words: the words, with activations in float32 or float64, which is also the precision of the products.
        options: limits on steps; the tolerance is given to :meth:`solve`.
        standardize: see :class:`FittedProbe`.
        weights: float64 (words,), how much each word counts; None for all alike.
        memory: where tables of a row a word go.
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
        """One probe a penalty; ``limit`` lowers the limits on Newton steps."""
        options = replace(self.options, tolerance=tolerance)
        if limit is not None:
            free = min(limit, options.max_free_steps)
            options = replace(options, max_steps=limit, max_free_steps=free)
        solution = solve(self._data, penalties, options, start=start, progress=progress)
        return self._probes(solution), solution

    def start_rounds(self, penalties: Penalties, progress: Progress = automatic) -> ProbeRounds:
        """Solve a grid roughly, together, so that some of its probes can be improved round by round.

        Raises:
            ParameterError: the memory budget is too small.
        """
        return ProbeRounds(self, start_rounds(self._data, penalties, self.options, progress))

    def _probes(self, solution: Solution) -> list[FittedProbe]:
        """Return the probes of a solution, for activations as they are given."""
        data = self._data
        shift, scale = np.zeros(data.n_neurons), np.ones(data.n_neurons)
        if data.standardize:
            shift = data.mean
            scale = np.where(data.spread > 0.0, data.spread, 1.0)
        biases = solution.biases - solution.weights @ ((data.mean - shift) / scale)
        pairs = zip(solution.weights, biases, strict=True)
        return [FittedProbe(weights, bias, shift, scale) for weights, bias in pairs]

    def slopes(self, probe: FittedProbe) -> np.ndarray:
        """Return |dL/dtheta|, float64 (labels, neurons), L the mean cross-entropy on the words: one pass.

        At the optimum it is at most lambda1 where a weight is zero: the nearer, the sooner a lower lambda1
        would give the neuron a weight. It is 0 for a neuron that never changes.
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
        """The weights of one probe: one for each label and neuron."""
        return self._data.n_labels * self._data.n_neurons

    @property
    def is_large(self) -> bool:
        """Whether Newton steps for every probe of a grid would cost much, and stochastic ones will do."""
        return is_large(self._data)

    def restrict(self, neurons: np.ndarray) -> ProbeSolver:
        """The same on some neurons only."""
        found = copy(self)
        found._data = self._data.restrict(neurons)
        return found


class ProbeRounds:
    """The probes of a grid, as good as the rounds so far made them (rounds.py).

    Args:
        solver: the solver whose grid it is.
        rounds: its problems.
    """

    def __init__(self, solver: ProbeSolver, rounds: Rounds) -> None:
        self._solver, self._rounds = solver, rounds

    def run(self, numbers: Sequence[int]) -> None:
        """Take one round of some of the problems, by number."""
        self._rounds.run(np.array(numbers, dtype=np.int64))

    def probe(self, number: int) -> tuple[FittedProbe, Solution]:
        """Return the best probe so far of one problem, and how good it is; its steps are its rounds."""
        rounds = self._rounds
        taken = int(rounds.taken[number])
        refined = Refined(rounds.weights[:, number], rounds.biases[number], rounds.certificates[number], taken)
        solution = gather(self._solver._data, [refined], 0.0)
        return self._solver._probes(solution)[0], solution
