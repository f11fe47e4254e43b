"""Solve the probe's problem for a whole grid of penalties: stochastic steps together, then Newton steps apart.

The first phase (stochastic.py) brings all problems near their minima in a few passes over the words. One more
pass gives every problem its duality gap (duality.py). A problem whose gap is above the tolerance then goes
through the certified phase (refinement.py), as far as ``max_steps`` lets it; docs/solver.md says what was tried
besides, with figures.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from onegrain.core.progress import Progress, automatic
from onegrain.rankings.elastic_net.duality import certify, evaluate_probes
from onegrain.rankings.elastic_net.problem import BLOCK, Penalties, ProbeData
from onegrain.rankings.elastic_net.refinement import HESSIAN_BYTES, JOINT, Refined, refine
from onegrain.rankings.elastic_net.rounds import Rounds
from onegrain.rankings.elastic_net.stochastic import Schedule, ShuffledWords, stochastic_phase

__all__ = ["FAR", "Solution", "SolverOptions", "gather", "is_large", "solve", "start_rounds", "working_bytes"]

SMALL = 1024
FAR = 0.1
"""The gap above which a start is worth less than a new one from more epochs."""
ALONE_EPOCHS = 40
ALONE_SETTLED = 0.003
WEIGHT_BYTES = 72
WORD_BYTES = 32
READING_BYTES = 2**28


@dataclass(frozen=True)
class SolverOptions:
    """When to stop.

    Attributes:
        tolerance: relative duality gap that ends a problem; without any penalty, the relative gradient.
        max_steps: limit on the Newton steps of a problem with a penalty.
        max_free_steps: the same for a problem without any, which may have no minimum.
        schedule: of the stochastic phase.
    """

    tolerance: float = 1e-4
    max_steps: int = 50
    max_free_steps: int = 15
    schedule: Schedule = field(default_factory=Schedule)


@dataclass(frozen=True, eq=False)
class Solution:
    """G probes and how good they are.

    Attributes:
        weights: float64 (G, labels, neurons), with exact zeros.
        biases: float64 (G, labels), for centred activations.
        objective: float64 (G,).
        gap: float64 (G,), relative duality gap; NaN without any penalty.
        gradient: float64 (G,), relative gradient, see duality.py.
        converged: bool (G,), whether the tolerance was reached before the limit on steps.
        steps: int64 (G,), Newton steps.
    """

    weights: np.ndarray
    biases: np.ndarray
    objective: np.ndarray
    gap: np.ndarray
    gradient: np.ndarray
    converged: np.ndarray
    steps: np.ndarray

    def take(self, kept: np.ndarray) -> Solution:
        """Some of the probes, by index."""
        return Solution(**{one.name: getattr(self, one.name)[kept] for one in fields(self)})

    def facts(self, at: int) -> dict[str, Any]:
        """How good one probe is, JSON-able."""
        gap = float(self.gap[at])
        return {
            "objective": float(self.objective[at]),
            "gap": None if np.isnan(gap) else gap,
            "gradient": float(self.gradient[at]),
            "converged": bool(self.converged[at]),
            "steps": int(self.steps[at]),
        }


def solve(
    data: ProbeData,
    penalties: Penalties,
    options: SolverOptions = SolverOptions(),
    *,
    start: Solution | None = None,
    progress: Progress = automatic,
) -> Solution:
    """Minimise J for every penalty; ``start`` gives G probes to go on from.

    Where a large grid is left to the stochastic phase (no Newton steps), objectives and gaps are measured with
    its bfloat16 products, and are uncertain by some 1e-3 of the objective.

    Raises:
        ParameterError: the memory budget is too small.
    """
    shape = data.n_words, data.n_neurons, data.n_labels
    data.memory.reserve(working_bytes(shape, len(penalties)), f"a grid of {len(penalties)} probes")
    with progress("solve probes", len(penalties), "probes") as advance:
        words = ShuffledWords(data, options.schedule.seed) if start is None and is_large(data) else None
        weights, biases = _first(data, words, penalties, options, start)
        rough = words is not None and len(penalties) > 1
        seen = words if words is not None and rough and options.max_steps == 0 else data
        certificates = certify(seen, penalties, weights, evaluate_probes(seen, weights, biases))
        nothing = float(torch.special.entr(data.label_shares).sum())
        found = []
        for at, (certificate, pair) in enumerate(zip(certificates, penalties.pairs, strict=True)):
            limit = options.max_free_steps if penalties.free[at] else options.max_steps
            probe = Refined(weights[:, at], biases[at], certificate, 0)
            if certificate.measure() > options.tolerance and limit > 0:
                begin = weights[:, at], biases[at]
                if words is not None and rough and certificate.measure() > FAR:
                    near = stochastic_phase(words, Penalties.of(pair), _longer(options))
                    begin = near[0][:, 0], near[1][0]
                probe = refine(data, pair, begin, tolerance=options.tolerance, max_steps=limit)
                if not probe.certificate.objective <= nothing:
                    # the stochastic phase diverged, as it can on a label of a few words
                    probe = refine(data, pair, _nothing(data), tolerance=options.tolerance, max_steps=limit)
            found.append(probe)
            advance(1)
    return gather(data, found, options.tolerance)


def start_rounds(
    data: ProbeData, penalties: Penalties, options: SolverOptions, progress: Progress = automatic
) -> Rounds:
    """Take the stochastic phase of a grid, and return its problems for rounds of more steps.

    Objectives and gaps are uncertain by some 1e-3 of the objective where products are bfloat16.

    Raises:
        ParameterError: the memory budget is too small.
    """
    shape = data.n_words, data.n_neurons, data.n_labels
    data.memory.reserve(working_bytes(shape, len(penalties)), f"a grid of {len(penalties)} probes")
    with progress("solve probes", len(penalties), "probes") as advance:
        words = ShuffledWords(data, options.schedule.seed)
        rounds = Rounds(words, penalties, stochastic_phase(words, penalties, options.schedule))
        advance(len(penalties))
    return rounds


def is_large(data: ProbeData) -> bool:
    """Whether a probe has so many weights that Newton steps cost much, and stochastic ones go before them."""
    return data.n_neurons * data.n_labels > SMALL


def _longer(options: SolverOptions) -> Schedule:
    """For one problem alone: its epochs cost little, and leave fewer weights to the Newton steps."""
    return replace(options.schedule, epochs=ALONE_EPOCHS, settled=ALONE_SETTLED)


def working_bytes(shape: tuple[int, int, int], grid: int) -> int:
    """What is held beside tables, at the most, for (words, neurons, labels) in float32 and so many probes.

    The weights of both phases, blocks of words, Hessians, and what every word has of its own.
    """
    n_words, n_neurons, n_labels = shape
    weights = grid * n_labels * n_neurons * WEIGHT_BYTES
    blocks = 4 * BLOCK * (3 * n_neurons + 5 * grid * n_labels)
    words = n_words * (WORD_BYTES + 4 * 6 * n_labels)
    joint = min(n_neurons * n_labels, JOINT) + n_labels
    together = 4 * 8 * joint**2 + 3 * 4 * BLOCK * joint
    apart = min(4 * n_labels * n_neurons**2, HESSIAN_BYTES) * (1.0 + 2.0 / n_labels)
    return READING_BYTES + weights + blocks + words + max(together, int(apart))


def _first(
    data: ProbeData,
    words: ShuffledWords | None,
    penalties: Penalties,
    options: SolverOptions,
    start: Solution | None,
) -> tuple[Tensor, Tensor]:
    """Weights (neurons, G, labels) of the scaled neurons, and biases (G, labels), to begin with."""
    if start is not None:
        weights = data.to_scaled(np.ascontiguousarray(start.weights.transpose(2, 0, 1)))
        return weights, data.tensor(start.biases, data.dtype)
    if words is not None:
        alone = len(penalties) == 1 and options.max_steps > 0
        weights, biases = stochastic_phase(words, penalties, _longer(options) if alone else options.schedule)
        return weights.to(data.dtype), biases.to(data.dtype)
    weights, biases = _nothing(data)
    return weights[:, None].repeat(1, len(penalties), 1), biases.repeat(len(penalties), 1)


def _nothing(data: ProbeData) -> tuple[Tensor, Tensor]:
    """No weights (neurons, labels), and the biases (labels,) that are best then; J is the labels' entropy."""
    weights = data.zeros(data.n_neurons, data.n_labels, dtype=data.dtype)
    return weights, data.label_shares.log().to(data.dtype)


def gather(data: ProbeData, found: list[Refined], tolerance: float) -> Solution:
    """Probes of one problem's words as a solution."""
    weights = torch.stack([one.weights for one in found], 1)
    certificates = [one.certificate for one in found]
    return Solution(
        weights=np.ascontiguousarray(data.from_scaled(weights).transpose(1, 2, 0)),
        biases=torch.stack([one.biases for one in found]).double().cpu().numpy(),
        objective=np.array([one.objective for one in certificates]),
        gap=np.array([one.gap for one in certificates]),
        gradient=np.array([one.gradient for one in certificates]),
        converged=np.array([one.measure() <= tolerance for one in certificates]),
        steps=np.array([one.steps for one in found], dtype=np.int64),
    )
