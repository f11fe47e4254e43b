"""Solve the sparse problems of a grid over many neurons, from the strongest lambda1 to the weakest.

With tens of thousands of neurons, stochastic steps leave weights at ten times as many neurons as need one, and
objectives a third above their minimum. A sparse probe is found faster from the other side: the solution for a
stronger lambda1 says which neurons matter for the next one [the path of Friedman, Hastie and Tibshirani 2010].

The problems of one lambda1 share their passes over all neurons. A pass gives every problem its gap and the
steepest neurons that its probe lacks. These and the neurons with a weight are copied to one table, on which
Newton steps solve the problems in turn (refinement.py), each from the one before. A problem with weights at
many neurons, or with many weights at these neurons, is left to the stochastic phase, and so are those of weaker
lambda1 and the same lambda2, and those that follow a problem that has many weights already. The path is not
followed to lambda1 that are small beside the one at which all weights are zero: such probes are not sparse.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from onegrain.rankings.elastic_net.duality import Certificate, certify, evaluate_probes
from onegrain.rankings.elastic_net.problem import Penalties, Words
from onegrain.rankings.elastic_net.refinement import refine
from onegrain.rankings.elastic_net.screening import SelectedNeurons, steepest_neurons

__all__ = ["WIDE", "follow_path"]

WIDE = 16384
"""The least number of neurons for which a path is followed."""

GOAL = 0.02
"""Gap at which a problem is done."""

KEPT = 0.1
"""Largest gap of a problem that counts as solved."""

LAST = 1000
"""With more weights, a problem is the last of its lambda2: a tenth of lambda1 takes about ten times as many."""

SPARSE = 0.01
"""The least lambda1 of the path, as a share of the least one at which all weights are zero.

At a share of 0.024 (MiniLM) a probe has 159 neurons, at 0.0006 (SmolLM2) some 2,200 weights after one step.
"""

PASSES = 6
STEPS = 8
INNER_GAP = 0.2
DENSE = 0.3
MOST_SHARE = 0.25


@dataclass(eq=False)
class _Path:
    """The probes of G problems along the path, (neurons, G, labels) and (G, labels), starting from zero."""

    words: Words
    penalties: Penalties
    weights: Tensor
    biases: Tensor

    def solve_level(self, numbers: list[int]) -> dict[int, Certificate]:
        """Solve problems of one lambda1, from where they are; return the gaps of those that stay sparse."""
        certificates: dict[int, Certificate] = {}
        for pass_index in range(PASSES):
            chosen, certificates = self._measure(numbers)
            still_open = [n for n in numbers if not certificates[n].gap <= GOAL]
            if not still_open:
                return certificates
            union = torch.cat([chosen[n] for n in still_open]).unique()
            if not len(union):
                return certificates
            selected = SelectedNeurons(self.words, union)
            before = None
            for number in still_open:
                if before is not None and pass_index == 0:
                    self.copy(before, number)
                if self._solve_on(selected, union, chosen[number], number, certificates[number].gap):
                    before = number
                else:
                    numbers = [other for other in numbers if other != number]
            if not numbers:
                return {}
        return self._measure(numbers)[1]

    def zero_probe_lambda1(self) -> float:
        """Return the least lambda1 at which all weights are zero; the weights must still be zero."""
        slope = evaluate_probes(self.words, self.weights[:, :1], self.biases[:1]).gradient[:, 0].abs()
        varying = self.words.unit > 0.0
        return float((slope[varying].amax(1) / self.words.unit[varying]).max()) if bool(varying.any()) else 0.0

    def copy(self, source: int, target: int) -> None:
        """Let one problem start from the probe of another."""
        self.weights[:, target] = self.weights[:, source]
        self.biases[target] = self.biases[source]

    def _measure(self, numbers: list[int]) -> tuple[dict[int, Tensor], dict[int, Certificate]]:
        """Return the neurons that each problem may need, and its certificate, in one pass over the words."""
        words, unit = self.words, self.words.unit.to(self.words.dtype)[:, None]
        weights = self.weights[:, numbers]
        points = evaluate_probes(words, weights, self.biases[numbers])
        penalties = self.penalties.take(np.array(numbers))
        certificates = certify(words, penalties, weights, points)
        chosen = {}
        for place, (number, (l1, l2)) in enumerate(zip(numbers, penalties.pairs, strict=True)):
            slope = points.gradient[:, place].to(words.dtype) + 2.0 * l2 * unit.square() * weights[:, place]
            most = int(MOST_SHARE * words.n_neurons)
            chosen[number] = steepest_neurons(weights[:, place], slope, l1 * unit, most)
        return chosen, dict(zip(numbers, certificates, strict=True))

    def _solve_on(
        self, selected: SelectedNeurons, union: Tensor, neurons: Tensor, number: int, gap: float
    ) -> bool:
        """Solve one problem on some of the selected neurons.

        Returns:
            False if it needs too many weights or neurons.
        """
        nonzero = (self.weights[union, number] != 0.0).any(1)
        neurons = torch.cat([neurons, union[nonzero]]).unique()
        part = SelectedNeurons(selected, torch.searchsorted(union, neurons))
        start = self.weights[neurons, number], self.biases[number]
        tolerance = max(0.5 * GOAL, INNER_GAP * gap)
        (pair,) = self.penalties.take(np.array([number])).pairs
        refined = refine(part, pair, start, tolerance=tolerance, max_steps=STEPS)
        self.weights[:, number] = 0.0
        self.weights[neurons, number] = refined.weights
        self.biases[number] = refined.biases
        nonzero = refined.weights != 0.0
        few = int(nonzero.any(1).sum()) <= MOST_SHARE * self.words.n_neurons
        return few and float(nonzero.float().mean()) <= DENSE


def follow_path(
    words: Words, penalties: Penalties, advance: Callable[[int], None] = lambda _: None
) -> tuple[Tensor, Tensor, np.ndarray]:
    """Solve the sparse problems of a grid to a gap of about ``GOAL``, measured with the products of ``words``.

    Args:
        words: the words of all problems.
        penalties: penalties of the G problems.
        advance: is called with the number of problems with lambda1 that were solved or left to other steps.

    Returns:
        Weights (neurons, G, labels) and biases (G, labels), and bool (G,), which problems were solved; what the
        first two hold of the others is not a solution.
    """
    grid, kind = len(penalties), words.dtype
    biases = words.label_shares.log().to(kind).expand(grid, words.n_labels).clone()
    path = _Path(words, penalties, words.zeros(words.n_neurons, grid, words.n_labels, dtype=kind), biases)
    solved = np.zeros(grid, dtype=bool)
    dense: set[float] = set()
    nearest: dict[float, int] = {}
    least = SPARSE * path.zero_probe_lambda1()
    for l1 in sorted({l1 for l1 in penalties.l1.tolist() if l1 > 0.0}, reverse=True):
        if l1 < least:
            dense.update(penalties.l2.tolist())
        level = {l2: number for number, (other, l2) in enumerate(penalties.pairs) if other == l1}
        size = len(level)
        level = {l2: level[l2] for l2 in sorted(level, reverse=True) if l2 not in dense}
        for l2, number in level.items():
            if l2 in nearest:
                path.copy(nearest[l2], number)
        certificates = path.solve_level(list(level.values())) if level else {}
        for l2, number in level.items():
            if number in certificates and certificates[number].gap <= KEPT:
                solved[number], nearest[l2] = True, number
            if not solved[number] or int((path.weights[:, number] != 0.0).sum()) > LAST:
                dense.add(l2)
        advance(size)
    return path.weights, path.biases, solved
