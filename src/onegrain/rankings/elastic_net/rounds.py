"""Bring many problems of the same words near their minima together: epochs and Newton steps in turns.

A product of the words with one probe's weights is bound by memory, and with those of many probes by arithmetic,
which a processor does five to ten times as fast. So all problems take each step together here, as in the
stochastic phase. A round is

1. a few epochs of stochastic steps (stochastic.py), which find the weights that are zero, and
2. a Newton step of all labels on the weights that are not zero, by conjugate gradients on the true Hessian
   (without lambda1, on all weights), shortened until J falls. A weight that would change its sign becomes zero.
   With many words, the products with the Hessian read a quarter of them, another one in each round; gradients
   and objectives are of all words.

Either alone is slow: stochastic steps take hundreds of epochs along the flat directions of a weakly penalised
problem, and a Newton step cannot bring a weight back from zero. A problem whose epochs raise J goes slower in
the next ones. Sparse problems take their rounds on the neurons that have a weight or a slope near lambda1; a
pass over all neurons then gives the certificates, and the neurons that they still lack.

Problems whose penalties hardly differ, beside how far they are above their minima, take a round as one: the one
of the largest penalties takes it, and the others continue from its probe if their own J is lower there.

Products are those of :class:`ShuffledWords`, bfloat16 where the processor has it, so that objectives are
uncertain by some 1e-3 of themselves: refinement.py continues with one pair after another.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from onegrain.rankings.elastic_net.directions import newton_directions
from onegrain.rankings.elastic_net.duality import Certificate, Points, certify, evaluate_probes
from onegrain.rankings.elastic_net.problem import Penalties
from onegrain.rankings.elastic_net.stochastic import Descent, ShuffledWords, pace

__all__ = ["Rounds"]

EPOCHS = 5
SLOWER = 0.5
SHORTER = 0.3
TRIALS = 3
PARTS = 4
PART_WORDS = 4096
FALLS = 5.0
NEAR = 0.9
"""A neuron may get a weight if its slope is above this multiple of lambda1."""
SPARSE, LEAST_NEURONS = 0.4, 1024
"""Sparse problems share at most the first share of the neurons, if there are at least as many as the second."""
LEAST_FALL, LEAST_EXCESS = 1e-3, 1e-4
ALIKE, ALIKE_EXCESS = 2e-3, 0.1
"""Problems take a round as one if their penalties differ by at most these shares of J and of the excess."""


@dataclass(frozen=True, eq=False)
class _Probes:
    """Probes of some problems, and what one pass over the words showed of them.

    Attributes:
        weights: float32 (neurons, G, labels), of the scaled neurons.
        biases: float32 (G, labels).
        points: points of the pass.
        certificates: objectives and gaps.
    """

    weights: Tensor
    biases: Tensor
    points: Points
    certificates: list[Certificate]

    @classmethod
    def evaluate(cls, words: ShuffledWords, penalties: Penalties, weights: Tensor, biases: Tensor) -> _Probes:
        """Take one pass over the words."""
        points = evaluate_probes(words, weights, biases)
        return cls(weights, biases, points, certify(words, penalties, weights, points))

    def active(self, words: ShuffledWords, penalties: Penalties) -> Tensor:
        """Return the neurons that have a weight or may get one, bool (neurons, G)."""
        unit = words.unit.to(words.dtype)[:, None, None]
        l1, l2 = (words.tensor(part, words.dtype)[None, :, None] for part in (penalties.l1, penalties.l2))
        slope = self.points.gradient.to(words.dtype) + 2.0 * l2 * unit.square() * self.weights
        return ((self.weights != 0.0) | (slope.abs() >= NEAR * l1 * unit)).any(2)

    @property
    def objectives(self) -> np.ndarray:
        """float64 (G,)."""
        return np.array([certificate.objective for certificate in self.certificates])


class Rounds:
    """The best probes so far of G problems that are solved together.

    Args:
        words: the words of all problems.
        penalties: penalties of the G problems.
        start: weights (neurons, G, labels) of the scaled neurons, and biases (G, labels).
        epochs: stochastic epochs of a round.
        keep_bounds: True to keep the probes that gave the lower bounds.

    Attributes:
        weights: float32 (neurons, G, labels): of each problem those of the lowest objective so far.
        biases: float32 (G, labels).
        certificates: their objectives, with the highest lower bound so far.
        bounds: weights and biases, as above, of the probes that gave these lower bounds; None if not kept.
        taken: int64 (G,), rounds of each problem.
        excess: float64 (G,), an estimate of the share of itself by which J is still above its minimum; NaN
            before the first round. It is the larger of what the last round took from J and what its Newton
            step promised, where a promise of more than five times the fall counts as five times the fall.
    """

    def __init__(
        self,
        words: ShuffledWords,
        penalties: Penalties,
        start: tuple[Tensor, Tensor],
        epochs: int = EPOCHS,
        *,
        keep_bounds: bool = False,
    ) -> None:
        self.words, self.penalties, self.epochs = words, penalties, epochs
        self.weights, self.biases = (part.to(words.dtype, copy=True) for part in start)
        self.bounds = (self.weights.clone(), self.biases.clone()) if keep_bounds else None
        probes = _Probes.evaluate(words, penalties, self.weights, self.biases)
        self.certificates = list(probes.certificates)
        self._active = probes.active(words, penalties)
        self.taken = np.zeros(len(penalties), dtype=np.int64)
        self.excess = np.full(len(penalties), np.nan)
        self._part = 0
        self._caution = words.zeros(len(penalties), dtype=words.dtype) + 1.0

    def run(self, numbers: np.ndarray) -> int:
        """Take one round of the problems with these numbers; return how many of them were solved apart."""
        part = self._next_part()
        leader_of = self._leaders(numbers)
        leaders = np.unique(list(leader_of.values()))
        sparse, neurons = self._sparse(leaders)
        if len(sparse):
            self._run_on(neurons, sparse, part)
        dense = np.setdiff1d(leaders, sparse)
        if len(dense):
            self._run_together(dense, part)
        self._follow({number: leader for number, leader in leader_of.items() if number != leader})
        self.taken[numbers] += 1
        return len(leaders)

    def _leaders(self, numbers: np.ndarray) -> dict[int, int]:
        """Return which problem takes the round for each of some problems: another one like it, or itself."""
        if self.words.kept is not None or (self.words.omega is not None and self.words.omega.dim() > 1):
            return {number: number for number in numbers.tolist()}
        pairs, sizes = self.penalties.pairs, self._sizes(numbers.tolist())
        leader_of: dict[int, int] = {}
        for number in sorted(numbers.tolist(), key=lambda number: pairs[number][::-1], reverse=True):
            excess = float(np.fmin(self.excess[number], self.certificates[number].measure()))
            alike = {
                leader: self._difference(number, leader, sizes)
                for leader in set(leader_of.values())
                if self.penalties.free[leader] == self.penalties.free[number]
            }
            nearest = min(alike, key=lambda leader: alike[leader], default=number)
            joins = alike.get(nearest, np.inf) <= min(ALIKE, ALIKE_EXCESS * excess)
            leader_of[number] = nearest if joins else number
        return leader_of

    def _sizes(self, numbers: Iterable[int]) -> dict[int, tuple[float, float]]:
        """Return the sums of |theta| and of theta^2 of some problems."""
        sizes = {}
        for number in numbers:
            theta = self.weights[:, number].double() * self.words.unit[:, None]
            sizes[number] = float(theta.abs().sum()), float(theta.square().sum())
        return sizes

    def _difference(self, number: int, leader: int, sizes: dict[int, tuple[float, float]]) -> float:
        """Return by what share of J the penalties of two problems differ, at the probe of either."""
        l1, l2 = (abs(part[number] - part[leader]) for part in (self.penalties.l1, self.penalties.l2))
        most = max(l1 * absolute + l2 * squared for absolute, squared in (sizes[number], sizes[leader]))
        return most / max(self.certificates[number].objective, 1e-300)

    def _follow(self, leader_of: dict[int, int]) -> None:
        """Let problems continue from the probes of others, where they are better than their own."""
        if not leader_of:
            return
        followers, leaders = np.array(list(leader_of)), np.array(list(leader_of.values()))
        solved, places = np.unique(leaders, return_inverse=True)
        penalties, weights = self.penalties.take(followers), self.weights[:, leaders]
        points = evaluate_probes(self.words, self.weights[:, solved], self.biases[solved])
        points = _repeated(self.words, points, places)
        certificates = certify(self.words, penalties, weights, points)
        self._keep(followers, _Probes(weights, self.biases[leaders], points, certificates))
        self._caution[followers] = self._caution[leaders]
        sizes = self._sizes({*leader_of, *leader_of.values()})
        for number, leader in leader_of.items():
            self.excess[number] = self.excess[leader] + self._difference(number, leader, sizes)

    def _sparse(self, numbers: np.ndarray) -> tuple[np.ndarray, Tensor]:
        """Return the sparse ones of some problems, and the neurons, by index, on which they take a round."""
        counts = self._active.sum(0)
        union, sparse = self.words.zeros(self.words.n_neurons, dtype=torch.bool), []
        most = SPARSE * self.words.n_neurons if self.words.n_neurons >= LEAST_NEURONS else 0.0
        for number in sorted(numbers.tolist(), key=lambda number: int(counts[number])):
            larger = union | self._active[:, number]
            if self.penalties.l1[number] > 0.0 and int(larger.sum()) <= most:
                union = larger
                sparse.append(number)
        return np.array(sparse, dtype=np.int64), union.nonzero().ravel()

    def _run_on(self, neurons: Tensor, numbers: np.ndarray, part: slice) -> None:
        """Take one round of some problems on some of the neurons, by index; others have no weight in them."""
        words, penalties = self.words.of_problems(numbers), self.penalties.take(numbers)
        start = self.weights[neurons][:, numbers], self.biases[numbers]
        rounds = Rounds(words.of_neurons(neurons), penalties, start, self.epochs)
        rounds._caution.copy_(self._caution[numbers])
        rounds._run_together(np.arange(len(numbers)), part)
        weights = words.zeros(words.n_neurons, len(numbers), words.n_labels, dtype=words.dtype)
        weights[neurons] = rounds.weights
        self._keep(numbers, _Probes.evaluate(words, penalties, weights, rounds.biases))
        self._caution[words.tensor(numbers, torch.int64)] = rounds._caution
        self.excess[numbers] = rounds.excess

    def _run_together(self, numbers: np.ndarray, part: slice) -> None:
        """Take one round of some problems on all neurons."""
        words, penalties = self.words.of_problems(numbers), self.penalties.take(numbers)
        before = self._objectives(numbers)
        probes = _Probes.evaluate(words, penalties, *self._descend(words, penalties, numbers))
        risen = self._keep(numbers, probes)
        self._caution[words.tensor(numbers[risen], torch.int64)] *= SLOWER
        direction, turn, promised = newton_directions(words, penalties, probes.weights, probes.points, part)
        undecided, step = np.arange(len(numbers)), 1.0
        for _ in range(TRIALS):
            trial = _move(words, penalties, probes, (direction, turn), undecided, step)
            self._keep(numbers[undecided], trial)
            undecided = undecided[trial.objectives >= probes.objectives[undecided]]
            if not len(undecided):
                break
            step *= SHORTER
        after = np.maximum(self._objectives(numbers), 1e-300)
        fall = (before - after) / after
        most = FALLS * np.maximum(fall, LEAST_FALL)
        self.excess[numbers] = np.maximum(LEAST_EXCESS, np.maximum(fall, np.minimum(promised / after, most)))

    def _objectives(self, numbers: np.ndarray) -> np.ndarray:
        """Return the objectives of some problems, float64 (G,)."""
        return np.array([self.certificates[number].objective for number in numbers.tolist()])

    def _next_part(self) -> slice:
        """Return the words that the Hessian of the next round is measured on: all of few, a part of many."""
        parts = min(PARTS, max(1, self.words.n_words // PART_WORDS))
        size = -(-self.words.n_words // parts)
        start = self._part % parts * size
        self._part += 1
        return slice(start, min(start + size, self.words.n_words))

    def _descend(
        self, words: ShuffledWords, penalties: Penalties, numbers: np.ndarray
    ) -> tuple[Tensor, Tensor]:
        """Return weights and biases of some problems after a few epochs from the best so far."""
        start = self.weights[:, numbers], self.biases[numbers]
        descent = Descent(words, penalties, start)
        descent.caution.copy_(self._caution[numbers])
        descent.grow(words.n_words)
        descent.run(self.epochs * pace(words))
        return descent.result()

    def _keep(self, numbers: np.ndarray, probes: _Probes) -> np.ndarray:
        """Keep each probe that is better than the best so far; return which are worse, bool (G,)."""
        risen = np.zeros(len(numbers), dtype=bool)
        active = probes.active(self.words.of_problems(numbers), self.penalties.take(numbers))
        for place, number in enumerate(numbers.tolist()):
            before, now = self.certificates[number], probes.certificates[place]
            lower = float(np.fmax(before.lower, now.lower))
            if self.bounds is not None and lower > before.lower:
                self.bounds[0][:, number], self.bounds[1][number] = (
                    probes.weights[:, place],
                    probes.biases[place],
                )
            risen[place] = now.objective > before.objective
            if not risen[place]:
                before = now
                self.weights[:, number] = probes.weights[:, place]
                self.biases[number] = probes.biases[place]
                self._active[:, number] = active[:, place]
            self.certificates[number] = replace(before, lower=lower)
        return risen


def _repeated(words: ShuffledWords, points: Points, places: np.ndarray) -> Points:
    """Return the points of probes at some places, which may come several times."""
    grid, labels = points.slope.shape
    table = words.memory.table(words.n_words, len(places) * labels, words.dtype)
    for rows in words.rows():
        table[rows] = points.probabilities[rows].view(-1, grid, labels)[:, places].flatten(1)
    return Points(points.loss[places], table, points.gradient[:, places], points.slope[places])


def _move(
    words: ShuffledWords,
    penalties: Penalties,
    probes: _Probes,
    change: tuple[Tensor, Tensor],
    numbers: np.ndarray,
    step: float,
) -> _Probes:
    """Return some of the probes a step further along their directions; no weight passes through zero."""
    weights = probes.weights[:, numbers]
    moved = weights + step * change[0][:, numbers]
    with_l1 = words.tensor(penalties.l1[numbers] > 0.0, torch.bool)[None, :, None]
    moved = torch.where((moved * weights < 0.0) & with_l1, torch.zeros_like(moved), moved)
    # without lambda1, what all labels share of a neuron changes no probability, and only costs
    moved = torch.where(with_l1, moved, moved - moved.mean(2, keepdim=True))
    biases = probes.biases[numbers] + step * change[1][numbers]
    return _Probes.evaluate(words.of_problems(numbers), penalties.take(numbers), moved, biases)
