"""The first phase of the solver: variance-reduced stochastic steps for all penalties of a grid together.

A full gradient costs one pass over the words and allows one step. SAGA [Defazio et al. 2014] keeps, for every
word i, the residual R_i = P_i - y_i that was last computed, and the mean A of x_i R_i' over all words. A step
reads only a minibatch S,

    theta  <-  prox( theta - rate * (A + (1/|S|) sum_{i in S} x_i (P_i - y_i - R_i)') ),

and its noise vanishes as theta settles, because then P_i - y_i is R_i. The words are in a random order, fixed
by the seed, so that a minibatch is a slice and the step two matrix products for all penalties together.

**Scale.** Every neuron is divided by its standard deviation, with its penalty rescaled to match, so that one
rate suits all neurons.

**Rate.** For label l of a problem, the curvature on a minibatch of B words is at most about

    h_l e + q_l m / B,     h_l = mean of p(1-p),   q_l = mean of (p(1-p))^2 / h_l

where e is the largest eigenvalue of the neurons' correlations and m = mean |x|^4 / mean |x|^2. h and q follow
the probabilities as they sharpen, so the rate, a quarter of the inverse or slightly more, rises by an order of
magnitude. If the loss of a problem rises over an epoch, its rate is halved permanently. q is never taken as
less than 0.02: between the few words of a rare label both averages fall towards 0, and the next of these words
would cause a step without bound.

**Growing.** The first epochs use an eighth of the words, then a quarter, then half: early steps need few words.
They also raise penalties to at least a hundredth, then a thousandth, of the strongest: problems that this makes
equal move alike at first, and are solved as one problem until then.

**Stretching.** Weakly penalised weights grow for many epochs in the direction that they already have. Before
the last epochs, and after them, those that still move are multiplied by the best of a few factors.

Products run in bfloat16 where the processor multiplies it natively; sums and weights are float32. The result is
a start for the certified phase of solver.py, not a solution.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from onegrain.core.progress import ignore
from onegrain.rankings.elastic_net.duality import loss_of
from onegrain.rankings.elastic_net.problem import BLOCK, Penalties, ProbeData, Words

__all__ = [
    "STRETCHES",
    "Descent",
    "Schedule",
    "ShuffledWords",
    "native_bfloat16",
    "pace",
    "stochastic_phase",
    "stochastic_work",
]

BATCHES = ((16384, 768, 0.3), (0, 256, 0.25))
GATHERED = 64
FOLLOW = 0.1
EPOCH_WORDS = 24576
TABLES_EVERY = 8
TINY = 1e-30
LEAST_PEAK = 2e-2
STRETCHES = (1.0, 1.15, 1.3, 1.5, 1.75, 2.1)
STRETCH_EVERY = 3
FLOORS = (1e-2, 1e-3, 0.0)
GROWTH = ((1 / 8, 5), (1 / 4, 3), (1 / 2, 2))


@dataclass(frozen=True)
class Schedule:
    """Limits of the stochastic phase.

    Attributes:
        epochs: largest number of epochs after the first three on all words, for problems that still move.
        settled: a problem moves if its objective fell by more than this share of itself in the last epoch.
        seed: seed of the order of the words.
    """

    epochs: int = 4
    settled: float = 0.05
    seed: int = 0


def native_bfloat16(device: torch.device) -> bool:
    """Return True if a device multiplies bfloat16 matrices natively."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and bool(
        torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    )


def stochastic_phase(
    words: ShuffledWords,
    penalties: Penalties,
    schedule: Schedule,
    advance: Callable[[int], None] = ignore,
) -> tuple[Tensor, Tensor]:
    """Return float32 weights (neurons, G, labels) of scaled neurons and biases (G, labels), not yet exact.

    ``advance`` is called with how many words the problems saw, `stochastic_work` in total.
    """
    epochs, left = pace(words), stochastic_work(words, penalties, schedule)

    def report(seen: int) -> None:
        nonlocal left
        left -= seen
        advance(seen)

    strongest = float(max(penalties.l1.max(), penalties.l2.max()))
    level, problem_of = _lift_penalties(penalties, FLOORS[0] * strongest)
    descent = Descent(words, level)
    descent.advance = report
    descent.grow_in_stages()
    descent.run(epochs)
    for share in FLOORS[1:]:
        level, next_problem_of = _lift_penalties(penalties, share * strongest)
        _, representatives = np.unique(next_problem_of, return_index=True)
        descent, problem_of = descent.take(problem_of[representatives], level), next_problem_of
        descent.run(epochs)
    weights, biases = (tensor.clone() for tensor in descent.result())
    _settle(descent, (weights, biases), schedule)
    report(left)  # problems that settled early need no more epochs
    return weights[:, problem_of], biases[problem_of]


def stochastic_work(words: ShuffledWords, penalties: Penalties, schedule: Schedule) -> int:
    """Return how many words all problems together see in the stochastic phase, at most."""
    strongest = float(max(penalties.l1.max(), penalties.l2.max()))
    first, *later = (len(_lift_penalties(penalties, share * strongest)[0]) for share in FLOORS)
    growing = sum(epochs * part for part, epochs in _parts(words))
    epochs = pace(words) * words.n_words
    return first * (growing + epochs) + epochs * (sum(later) + schedule.epochs * later[-1])


def _parts(words: ShuffledWords) -> list[tuple[int, int]]:
    """Return the growing parts of the words, and the epochs over each."""
    parts = [(int(words.n_words * share) // words.batch * words.batch, epochs) for share, epochs in GROWTH]
    return [(part, epochs) for part, epochs in parts if part >= 2 * words.batch]


def pace(words: ShuffledWords) -> int:
    """Return how many epochs to run at a time: one, or more with few words, so that enough steps are taken."""
    return max(1, EPOCH_WORDS // words.n_words)


def _lift_penalties(penalties: Penalties, floor: float) -> tuple[Penalties, np.ndarray]:
    """Raise every penalty to at least ``floor``.

    Returns:
        The penalties of the distinct problems that are left, and int64 (G,), the one that each problem becomes.
    """
    lifted = np.maximum(np.stack([penalties.l1, penalties.l2], axis=1), floor)
    pairs, into = np.unique(lifted, axis=0, return_inverse=True)
    return Penalties(pairs[:, 0], pairs[:, 1]), into.reshape(-1)


def _settle(descent: Descent, result: tuple[Tensor, Tensor], schedule: Schedule) -> None:
    """Run epochs for the problems whose objective still falls fast.

    Args:
        descent: the problems.
        result: their weights and biases, which are overwritten.
        schedule: limits of the epochs.
    """
    weights, biases = result
    open_problems = np.arange(len(descent.penalties))
    for epoch in range(schedule.epochs):
        moving = (descent.fall > schedule.settled).cpu().numpy().nonzero()[0]
        if not len(moving):
            return
        if len(moving) < len(open_problems):
            open_problems, descent = open_problems[moving], descent.take(moving, descent.penalties.take(moving))
        if epoch == 0:
            descent.stretch()
        descent.run(pace(descent.words))
        if epoch == schedule.epochs - 1:
            descent.stretch()
        weights[:, open_problems], biases[open_problems] = descent.result()


class ShuffledWords(Words):
    """The words in random order, their scaled neurons in bfloat16 where the processor multiplies it natively.

    Args:
        data: the words.
        seed: seed of the order.

    Attributes:
        top: e, the largest eigenvalue of the correlations, estimated on a sample of the words.
        mass: m, mean |x|^4 / mean |x|^2, of the same sample.
        batch: words of a minibatch; with more words it is larger, which costs less per word.
        kind: dtype of the neurons and of the products.
        safety: the rate as a share of the inverse curvature.
        exact: True if weights are multiplied as the sum of two bfloat16 parts (:meth:`with_exact_weights`).
    """

    dtype = torch.float32
    exact = False

    def __init__(self, data: ProbeData, seed: int) -> None:
        self.n_words, self.n_neurons, self.n_labels = data.n_words, data.n_neurons, data.n_labels
        self.memory, self.unit, self.centred, self.kept = data.memory, data.unit, data.centred, data.kept
        self.batch, self.safety = next((b, share) for least, b, share in BATCHES if data.n_words >= least)
        order = np.random.default_rng(seed).permutation(data.n_words)
        self.targets = data.targets[order]
        self.omega = None if data.omega is None else data.omega[order].to(torch.float32)
        self.kind = torch.bfloat16 if native_bfloat16(self.device) else torch.float32
        self._table = self.memory.table(self.n_words, self.n_neurons, self.kind)
        for rows in self.rows(GATHERED):
            self._table[rows] = data.block(order[rows])
        self._measure_scale()

    def _measure_scale(self) -> None:
        """Set the eigenvalue and the mass that bound the rate, from the first words."""
        sample = self._table[: min(BLOCK, self.n_words)].to(torch.float32)
        squared = torch.linalg.vector_norm(sample, dim=1).double().square()
        self.top = _largest_eigenvalue(sample)
        self.mass = float(squared.square().mean() / squared.mean().clamp(min=1e-12))

    def block(self, rows: slice) -> Tensor:
        """Return scaled neurons of some words, (rows, neurons)."""
        return self._table[rows]

    def with_exact_weights(self) -> ShuffledWords:
        """Return the same words, whose products take weights as the sum of two parts, so nearly exactly.

        Weights that are rounded to bfloat16 are wrong by up to 0.2 %, which changes the slopes of correlated
        neurons together. Near the minimum it holds the duality gap up (docs/solver.md).
        """
        words = copy(self)
        words.exact = self.kind == torch.bfloat16
        return words

    def rounded(self, weights: Tensor) -> Tensor:
        """Return weights (neurons, K) in the dtype of products: (neurons, K), or both parts, (neurons, 2 K)."""
        high = weights.to(self.kind)
        return torch.cat([high, (weights - high).to(self.kind)], 1) if self.exact else high

    def product(self, block: Tensor, rounded: Tensor) -> Tensor:
        """Return a block of words (rows, neurons) times rounded weights, float32 (rows, K)."""
        logits = (block @ rounded).to(self.dtype)
        if not self.exact:
            return logits
        high, low = logits.chunk(2, 1)
        return high + low

    def of_neurons(self, neurons: Tensor) -> ShuffledWords:
        """Return the same words with some of the neurons, by index, in a table of their own."""
        words = copy(self)
        words.n_neurons, words.unit = len(neurons), self.unit[neurons]
        words.kept = None if self.kept is None else self.kept[neurons]
        words.label_products = self.label_products[neurons]
        words._table = self.memory.table(self.n_words, len(neurons), self.kind)
        for rows in self.rows():
            words._table[rows] = self.block(rows).index_select(1, neurons)
        words._measure_scale()
        return words

    def of_problems(self, kept: np.ndarray) -> ShuffledWords:
        """Return the same words for some of the problems, by index, with their weights and neurons."""
        words = self if self.kept is None else self.with_kept(self.kept[:, kept])
        if self.omega is None or self.omega.dim() == 1:
            return words
        words = words.with_omega(self.omega[:, kept])
        words.label_shares = self.label_shares[kept]
        words.label_products = self.label_products[:, kept]
        return words


def _largest_eigenvalue(values: Tensor) -> float:
    """Return the largest eigenvalue of values' values / words, by power iteration."""
    vector = values.new_ones(values.shape[1]) / values.shape[1] ** 0.5
    eigenvalue = 1.0
    for _ in range(20):
        image = values.T @ (values @ vector) / len(values)
        eigenvalue = float(image.norm())
        if eigenvalue == 0.0:
            return 1.0
        vector = image / eigenvalue
    return eigenvalue


class Descent:
    """SAGA for G problems, with K = G * labels columns side by side.

    Args:
        words: the words.
        penalties: penalties of the G problems.
        start: weights (neurons, G, labels) and biases (G, labels); by default zero, and the logarithms of the
            labels' shares.

    Attributes:
        weights: float32 (neurons, K).
        biases: float32 (K,).
        seen: number of words that are in use, from the first on.
        residuals: float32 (words, K), R.
        mean: float32 (neurons, K), A; ``mean_bias`` (K,) is the same for the biases.
        curvature: float32 (K,), h; ``peak`` is q.
        caution: float32 (G,), factor of the rate of each problem.
        last: float32 (G,), objective of the last epoch.
        fall: float32 (G,), by what share of itself the objective fell in the last epoch.
        advance: is called after every epoch with how many words all problems together saw in it.
    """

    advance: Callable[[int], None]

    def __init__(
        self, words: ShuffledWords, penalties: Penalties, start: tuple[Tensor, Tensor] | None = None
    ) -> None:
        self.words = words
        self.penalties = penalties
        labels, grid = words.n_labels, len(penalties)
        shape = (words.n_neurons, grid * labels)
        shares = words.label_shares.to(torch.float32).expand(grid, labels).ravel()
        self.seen, self.advance = 0, ignore
        if start is None:
            self.weights, self.biases = words.zeros(*shape, dtype=words.dtype), shares.log()
        else:
            self.weights, self.biases = (part.to(words.dtype, copy=True) for part in start)
            self.weights, self.biases = self.weights.reshape(shape), self.biases.ravel()
        self.residuals = words.memory.table(words.n_words, shape[1], torch.float32)
        self.mean = torch.zeros_like(self.weights)
        self.mean_bias = torch.zeros_like(self.biases)
        self.curvature = shares * (1.0 - shares)
        self.peak = torch.full_like(self.curvature, 0.25)
        self.caution = self.weights.new_ones(grid)
        self.last = torch.full_like(self.caution, torch.inf)
        self.fall = torch.full_like(self.caution, torch.inf)
        self.order = np.random.default_rng(len(penalties))
        self._threshold, self._shrink, self._change, self._clipped = (
            torch.zeros_like(self.weights) for _ in range(4)
        )
        self._rounded = words.rounded(self.weights)

    def take(self, sources: np.ndarray, penalties: Penalties) -> Descent:
        """Return problems that start from some of these; several may start from the same one."""
        labels = self.words.n_labels
        columns = self.words.tensor((sources[:, None] * labels + np.arange(labels)).ravel(), torch.int64)
        new = copy(self)
        new.residuals = self.words.memory.table(self.words.n_words, len(columns), torch.float32)
        for rows in self.words.rows():
            new.residuals[rows] = self.residuals[rows][:, columns]
        for name in ("weights", "mean", "_threshold", "_shrink", "_change", "_clipped"):
            setattr(new, name, getattr(self, name)[:, columns].contiguous())
        for name in ("biases", "mean_bias", "curvature", "peak"):
            setattr(new, name, getattr(self, name)[columns])
        for name in ("caution", "last", "fall"):
            setattr(new, name, getattr(self, name)[sources])
        new.penalties = penalties
        new.words = self.words.of_problems(sources)
        new._rounded = new.words.rounded(new.weights)
        return new

    def grow_in_stages(self) -> None:
        """Add the words in growing parts, with epochs over those added so far."""
        for part, epochs in _parts(self.words):
            self.grow(part)
            self.run(epochs)
        self.grow(self.words.n_words)

    def grow(self, count: int) -> None:
        """Add the words up to ``count``, with their residuals at the present weights."""
        total, total_bias = self.mean * self.seen, self.mean_bias * self.seen
        for start in range(self.seen, count, BLOCK):
            rows = slice(start, min(start + BLOCK, count))
            values = self.words.block(rows)
            residual = self.words.residual(self._probabilities(rows, values)[0], rows).flatten(1)
            self.residuals[rows] = residual
            total += values.T @ residual.to(values.dtype)
            total_bias += residual.sum(0)
        self.mean, self.mean_bias = total / count, total_bias / count
        self.seen = count
        self.last.fill_(torch.inf)

    def run(self, epochs: int) -> None:
        """Run epochs over the words added so far."""
        starts = np.arange(0, self.seen, self.words.batch)
        for _ in range(epochs):
            loss = torch.zeros_like(self.last)
            for number, start in enumerate(self.order.permutation(starts).tolist()):
                if number % TABLES_EVERY == 0:
                    self._set_tables()
                loss += self._step(slice(start, min(start + self.words.batch, self.seen)))
            objective = loss / self.seen + sum(self._penalties())
            self.caution = torch.where(objective > 1.01 * self.last, self.caution / 2.0, self.caution)
            self.fall = (self.last - objective) / objective
            self.last = objective
            self.advance(self.seen * len(self.penalties))

    def result(self) -> tuple[Tensor, Tensor]:
        """Return weights (neurons, G, labels) and biases (G, labels)."""
        grid = len(self.penalties)
        return self.weights.view(len(self.weights), grid, -1), self.biases.view(grid, -1)

    def stretch(self) -> None:
        """Multiply each problem's weights and biases by the factor of STRETCHES that lowers J most.

        Weakly penalised weights grow for many epochs in the direction that they already have. One factor for
        all weights of a problem, measured on a part of the words, saves epochs.
        """
        words = self.words
        factors = words.tensor(np.array(STRETCHES), words.dtype)
        losses, n_measured = words.zeros(len(factors), len(self.penalties)), 0
        for start in range(0, self.seen, STRETCH_EVERY * words.batch):
            rows = slice(start, min(start + words.batch, self.seen))
            logits = self._logits(words.block(rows))
            n_measured += len(logits)
            for total, factor in zip(losses, factors, strict=True):
                total += loss_of(words, rows, factor * logits)
        absolute, squared = self._penalties()
        factor_column = factors[:, None]
        objectives = (
            losses * (words.n_words / n_measured) + factor_column * absolute + factor_column.square() * squared
        )
        best = objectives.min(0)
        factor = factors[best.indices].repeat_interleave(words.n_labels)
        self.weights *= factor
        self.biases *= factor
        self._round()
        self.last *= (best.values / objectives[0]).to(self.last.dtype)

    def _logits(self, values: Tensor) -> Tensor:
        """Return the logits at the present weights, (words, G, labels)."""
        logits = self.words.product(values, self._rounded).add_(self.biases)
        return logits.view(len(values), len(self.penalties), -1)

    def _probabilities(self, rows: slice, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return P at the present weights, (rows, G, labels), and the summed loss (G,)."""
        chances = torch.softmax(self._logits(values), 2)
        label_indices = self.words.targets[rows, None, None].expand(-1, len(self.penalties), 1)
        target_chances = chances.gather(2, label_indices).squeeze(2)
        return chances, self.words.weigh(target_chances.clamp_(min=TINY).log_(), rows).sum(0).neg_()

    def _set_tables(self) -> None:
        """Set the rates, and how a step of that rate applies the penalties."""
        labels = self.words.n_labels
        caution = self.caution.repeat_interleave(labels)
        peak = self.peak.clamp(min=LEAST_PEAK)
        limit = self.words.top * self.curvature + self.words.mass / self.words.batch * peak
        self._rate = self.words.safety * caution / limit.clamp(min=1e-12)
        self._bias_rate = self._rate * self.words.top / 4.0
        l1, l2 = (
            self.words.tensor(part, torch.float32).repeat_interleave(labels)
            for part in (self.penalties.l1, self.penalties.l2)
        )
        unit = self.words.unit.to(torch.float32)
        torch.outer(unit, self._rate * l1, out=self._threshold)
        if self.words.kept is not None:
            dropped = ~self.words.kept[:, :, None]
            self._threshold.view(*dropped.shape[:2], labels).masked_fill_(dropped, torch.inf)
        torch.outer(unit.square(), 2.0 * self._rate * l2, out=self._shrink)
        self._shrink.add_(1.0).reciprocal_()
        self._floor = -self._threshold

    def _step(self, rows: slice) -> Tensor:
        """Take the step of one minibatch; return its summed loss (G,) before the step."""
        values = self.words.block(rows)
        chances, loss = self._probabilities(rows, values)
        count = len(chances)
        variance = self.words.weigh(chances * (1.0 - chances), rows).view(count, -1)
        spread = variance.mean(0)
        self.curvature.lerp_(spread, FOLLOW)
        self.peak.lerp_(variance.square().mean(0) / spread.clamp(min=1e-12), FOLLOW)
        residual = self.words.residual(chances, rows).flatten(1)
        change = residual - self.residuals[rows]
        self.residuals[rows] = residual
        self._change.copy_(values.T @ change.to(values.dtype))
        self.mean.add_(self._change, alpha=1.0 / self.seen)
        self.weights.addcmul_(self.mean, self._rate, value=-1.0)
        self.weights.addcmul_(self._change, self._rate, value=1.0 / self.seen - 1.0 / count)
        bias_change = change.sum(0)
        self.mean_bias.add_(bias_change, alpha=1.0 / self.seen)
        self.biases -= self._bias_rate * (self.mean_bias + bias_change * (1.0 / count - 1.0 / self.seen))
        torch.clamp(self.weights, self._floor, self._threshold, out=self._clipped)
        self.weights.sub_(self._clipped).mul_(self._shrink)
        self._round()
        return loss

    def _round(self) -> None:
        """Set the weights that products take."""
        high = self._rounded[:, : self.weights.shape[1]].copy_(self.weights)
        if self.words.exact:
            self._rounded[:, high.shape[1] :].copy_(self.weights - high)

    def _penalties(self) -> tuple[Tensor, Tensor]:
        """Return both parts of the penalty of each problem, (G,)."""
        grid = len(self.penalties)
        weights = (self.weights * self.words.unit.to(torch.float32)[:, None]).view(len(self.weights), grid, -1)
        l1, l2 = (self.words.tensor(part, torch.float32) for part in (self.penalties.l1, self.penalties.l2))
        return l1 * weights.abs().sum((0, 2)), l2 * weights.square().sum((0, 2))
