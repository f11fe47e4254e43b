"""Solve the probe's problem for a grid of penalties: stochastic steps together, then Newton steps one by one.

The first phase (stochastic.py) brings all problems near their minima in a few passes over the words. One more
pass gives every problem its duality gap (duality.py). A problem whose gap is above the tolerance then goes
through the certified phase (refinement.py), for at most ``max_steps`` steps. docs/solver.md lists the
alternatives that were measured.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from onegrain.core.progress import Progress, automatic
from onegrain.rankings.elastic_net.duality import Certificate, certify, evaluate_probes
from onegrain.rankings.elastic_net.label_steps import HESSIAN_BYTES
from onegrain.rankings.elastic_net.path import WIDE, follow_path
from onegrain.rankings.elastic_net.problem import BLOCK, Penalties, ProbeData, Words
from onegrain.rankings.elastic_net.refinement import JOINT, Refined, refine
from onegrain.rankings.elastic_net.rounds import Rounds
from onegrain.rankings.elastic_net.stochastic import (
    Schedule,
    ShuffledWords,
    stochastic_phase,
    stochastic_work,
)

__all__ = [
    "FAR",
    "Solution",
    "SolverOptions",
    "gather",
    "is_large",
    "is_wide",
    "refine_within",
    "solve",
    "start_rounds",
    "working_bytes",
]

SMALL = 1024
FAR = 0.1
"""The largest gap of a probe that is a better start than more stochastic epochs."""
ALONE_EPOCHS = 40
ALONE_SETTLED = 0.003
LADDER = (100.0, 10.0, 1.0)
"""Factors of lambda1 on the path to one problem over many neurons."""
WIDE_SHARE = 0.25
"""Neurons for each word from which on a probe is wide."""
WEIGHT_BYTES = 72
WORD_BYTES = 32
READING_BYTES = 2**28


@dataclass(frozen=True)
class SolverOptions:
    """The limits at which the solver stops.

    Attributes:
        tolerance: relative duality gap that ends a problem; without any penalty, the relative gradient.
        max_steps: limit on the Newton steps of a problem with a penalty.
        max_free_steps: the same for a problem without any penalty, which may have no minimum.
        schedule: limits of the stochastic phase.
        most_work: limit on the multiplications and additions of the Newton steps of a problem that has more
            than a quarter as many neurons as words. Such a problem has many more weights than words, and its
            gap can stay near 1 for a hundred steps while its predictions hardly change. The default is some
            seventy seconds of one core.
    """

    tolerance: float = 1e-4
    max_steps: int = 50
    max_free_steps: int = 15
    schedule: Schedule = field(default_factory=Schedule)
    most_work: float = 4e12

    def steps_of(self, pair: tuple[float, float]) -> int:
        """Return the limit on the Newton steps of a problem with these penalties."""
        return self.max_steps if any(pair) else self.max_free_steps

    def leaves_open(self, certificate: Certificate, pair: tuple[float, float]) -> bool:
        """Return True if a probe needs Newton steps and may have some."""
        return certificate.measure() > self.tolerance and self.steps_of(pair) > 0


@dataclass(frozen=True, eq=False)
class Solution:
    """G probes and how good they are.

    Attributes:
        weights: float64 (G, labels, neurons), with exact zeros.
        biases: float64 (G, labels), for centred activations.
        objective: float64 (G,).
        gap: float64 (G,), relative duality gap; NaN without any penalty.
        gradient: float64 (G,), relative gradient, see duality.py.
        converged: bool (G,), True if the tolerance was reached before the limit on steps.
        steps: int64 (G,), number of Newton steps.
    """

    weights: np.ndarray
    biases: np.ndarray
    objective: np.ndarray
    gap: np.ndarray
    gradient: np.ndarray
    converged: np.ndarray
    steps: np.ndarray

    def take(self, kept: np.ndarray) -> Solution:
        """Return some of the probes, by index."""
        return Solution(**{entry.name: getattr(self, entry.name)[kept] for entry in fields(self)})

    def facts(self, number: int) -> dict[str, Any]:
        """Return how good one probe is, ready for JSON."""
        gap = float(self.gap[number])
        return {
            "objective": float(self.objective[number]),
            "gap": None if np.isnan(gap) else gap,
            "gradient": float(self.gradient[number]),
            "converged": bool(self.converged[number]),
            "steps": int(self.steps[number]),
        }


def solve(
    data: ProbeData,
    penalties: Penalties,
    options: SolverOptions = SolverOptions(),
    *,
    start: Solution | None = None,
    progress: Progress = automatic,
) -> Solution:
    """Minimise J for every pair of penalties; ``start`` holds G probes to start from.

    For a large grid without Newton steps, objectives and gaps are measured with the bfloat16 products of the
    stochastic phase, and are uncertain by about 1e-3 of the objective.

    Raises:
        ParameterError: the memory budget is too small.
    """
    shape = data.n_words, data.n_neurons, data.n_labels
    data.memory.reserve(working_bytes(shape, len(penalties)), f"a grid of {len(penalties)} probes")
    with progress("solve probes", len(penalties), "probes") as advance:
        words = ShuffledWords(data, options.schedule.seed) if start is None and is_large(data) else None
        weights, biases = _starting_point(data, words, penalties, options, start)
        rough = words is not None and len(penalties) > 1
        measured_words = words if words is not None and rough and options.max_steps == 0 else data
        certificates = certify(
            measured_words, penalties, weights, evaluate_probes(measured_words, weights, biases)
        )
        label_entropy = float(torch.special.entr(data.label_shares).sum())
        probes = []
        for number, (certificate, pair) in enumerate(zip(certificates, penalties.pairs, strict=True)):
            probe = Refined(weights[:, number], biases[number], certificate, 0)
            if options.leaves_open(certificate, pair):
                start_point = weights[:, number], biases[number]
                if words is not None and rough and certificate.measure() > FAR:
                    descended = stochastic_phase(words, Penalties.of(pair), _schedule_alone(options))
                    start_point = descended[0][:, 0], descended[1][0]
                probe = refine_within(data, pair, start_point, options)
                if not probe.certificate.objective <= label_entropy:
                    # the stochastic phase diverged, as it can on a label of a few words
                    probe = refine_within(data, pair, _zero_probe(data), options)
            probes.append(probe)
            advance(1)
    return gather(data, probes, options.tolerance)


def refine_within(
    words: Words,
    pair: tuple[float, float],
    start: tuple[Tensor, Tensor],
    options: SolverOptions,
    *,
    wide: bool | None = None,
) -> Refined:
    """Continue by Newton steps, within the options' limits, from weights (neurons, labels) and biases.

    ``wide`` is True if the limit on work holds; by default, if the words are few (:func:`is_wide`).
    """
    return refine(
        words,
        pair,
        start,
        tolerance=options.tolerance,
        max_steps=options.steps_of(pair),
        most_work=options.most_work if (is_wide(words) if wide is None else wide) else float("inf"),
    )


def start_rounds(
    data: ProbeData, penalties: Penalties, options: SolverOptions, progress: Progress = automatic
) -> Rounds:
    """Run the stochastic phase of a grid, and return its problems for rounds of more steps.

    Objectives and gaps are uncertain by about 1e-3 of the objective where products are bfloat16.

    Raises:
        ParameterError: the memory budget is too small.
    """
    shape = data.n_words, data.n_neurons, data.n_labels
    data.memory.reserve(working_bytes(shape, len(penalties)), f"a grid of {len(penalties)} probes")
    words = ShuffledWords(data, options.schedule.seed)
    return Rounds(words, penalties, _first_probes(words, penalties, options.schedule, progress))


def _first_probes(
    words: ShuffledWords, penalties: Penalties, schedule: Schedule, progress: Progress
) -> tuple[Tensor, Tensor]:
    """Return weights (neurons, G, labels) and biases (G, labels) near the minima of a grid.

    Over many neurons the sparse problems are solved along a path, and the others by stochastic steps.
    """
    weights = words.zeros(words.n_neurons, len(penalties), words.n_labels, dtype=words.dtype)
    biases = words.zeros(len(penalties), words.n_labels, dtype=words.dtype)
    solved = np.zeros(len(penalties), dtype=bool)
    if words.n_neurons >= WIDE:
        with progress("sparse pairs", int((penalties.l1 > 0.0).sum()), "pairs") as advance:
            weights, biases, solved = follow_path(words, penalties, advance)
    rest = np.flatnonzero(~solved)
    if len(rest):
        others = penalties.take(rest)
        with progress("grid", stochastic_work(words, others, schedule), "steps") as advance:
            weights[:, rest], biases[rest] = stochastic_phase(words, others, schedule, advance)
    return weights, biases


def _first_probe_alone(words: ShuffledWords, penalties: Penalties, schedule: Schedule) -> tuple[Tensor, Tensor]:
    """Return weights (neurons, 1, labels) and biases (1, labels) near the minimum of one problem."""
    ((l1, l2),) = penalties.pairs
    if l1 > 0.0 and words.n_neurons >= WIDE:
        weights, biases, solved = follow_path(words, Penalties.of(*((factor * l1, l2) for factor in LADDER)))
        if solved[-1]:
            return weights[:, -1:], biases[-1:]
    return stochastic_phase(words, penalties, schedule)


def is_wide(words: Words) -> bool:
    """Return True if a probe has so many more weights than words that its Newton steps are limited."""
    return words.n_neurons > WIDE_SHARE * words.n_words


def is_large(data: ProbeData) -> bool:
    """Return True if a probe has so many weights that stochastic steps should go before Newton steps."""
    return data.n_neurons * data.n_labels > SMALL


def _schedule_alone(options: SolverOptions) -> Schedule:
    """Return a schedule of more epochs for one problem alone.

    Its epochs are cheap, and leave fewer weights to the Newton steps.
    """
    return replace(options.schedule, epochs=ALONE_EPOCHS, settled=ALONE_SETTLED)


def working_bytes(shape: tuple[int, int, int], grid: int) -> int:
    """Return the most bytes held besides tables, for (words, neurons, labels) in float32 and ``grid`` probes.

    They are the weights of both phases, blocks of words, Hessians, and the logits and other values per word.
    """
    n_words, n_neurons, n_labels = shape
    weight_bytes = grid * n_labels * n_neurons * WEIGHT_BYTES
    block_bytes = 4 * BLOCK * (3 * n_neurons + 5 * grid * n_labels)
    word_bytes = n_words * (WORD_BYTES + 4 * 6 * n_labels)
    joint = min(n_neurons * n_labels, JOINT) + n_labels
    joint_bytes = 4 * 8 * joint**2 + 3 * 4 * BLOCK * joint
    label_bytes = min(4 * n_labels * n_neurons**2, HESSIAN_BYTES) * (1.0 + 2.0 / n_labels)
    label_bytes *= 2.0  # conjugate gradients hold the Hessians of label steps, and their factors
    return READING_BYTES + weight_bytes + block_bytes + word_bytes + max(joint_bytes, int(label_bytes))


def _starting_point(
    data: ProbeData,
    words: ShuffledWords | None,
    penalties: Penalties,
    options: SolverOptions,
    start: Solution | None,
) -> tuple[Tensor, Tensor]:
    """Return the weights (neurons, G, labels) of the scaled neurons, and biases (G, labels), to start from."""
    if start is not None:
        weights = data.to_scaled(np.ascontiguousarray(start.weights.transpose(2, 0, 1)))
        return weights, data.tensor(start.biases, data.dtype)
    if words is not None:
        if len(penalties) == 1 and options.max_steps > 0:
            weights, biases = _first_probe_alone(words, penalties, _schedule_alone(options))
        else:
            weights, biases = stochastic_phase(words, penalties, options.schedule)
        return weights.to(data.dtype), biases.to(data.dtype)
    weights, biases = _zero_probe(data)
    return weights[:, None].repeat(1, len(penalties), 1), biases.repeat(len(penalties), 1)


def _zero_probe(data: ProbeData) -> tuple[Tensor, Tensor]:
    """Return zero weights (neurons, labels), and the best biases for them; J is the labels' entropy."""
    weights = data.zeros(data.n_neurons, data.n_labels, dtype=data.dtype)
    return weights, data.label_shares.log().to(data.dtype)


def gather(data: ProbeData, probes: list[Refined], tolerance: float) -> Solution:
    """Return the probes of the same words as one solution."""
    weights = torch.stack([probe.weights for probe in probes], 1)
    certificates = [probe.certificate for probe in probes]
    return Solution(
        weights=np.ascontiguousarray(data.from_scaled(weights).transpose(1, 2, 0)),
        biases=torch.stack([probe.biases for probe in probes]).double().cpu().numpy(),
        objective=np.array([certificate.objective for certificate in certificates]),
        gap=np.array([certificate.gap for certificate in certificates]),
        gradient=np.array([certificate.gradient for certificate in certificates]),
        converged=np.array([certificate.measure() <= tolerance for certificate in certificates]),
        steps=np.array([probe.steps for probe in probes], dtype=np.int64),
    )
