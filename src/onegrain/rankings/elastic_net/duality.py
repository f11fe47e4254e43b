"""Bound how far a probe is from the best one, by the duality gap of the multinomial elastic net.

Let pi_i be a distribution over the labels for every word i. Fenchel duality gives, for every choice of pi that
keeps the label totals, sum_i omega_i pi_i = sum_i omega_i y_i (the condition of the unpenalised bias),

    min J  >=  (1/N) sum_i omega_i H(pi_i) - sum_{l,j} r*(g_lj),      g = (1/N) sum_i omega_i (pi_i - y_i) z_i'

with z the neurons, H the entropy in nats (minus it is the conjugate of the cross-entropy) and
r* the conjugate of the penalty,

    r*(g) = max(|g| - lambda1, 0)^2 / (4 lambda2)          where lambda2 > 0
    r*(g) = 0 if |g| <= lambda1, infinite otherwise        where lambda2 = 0.

At the solution, pi = P attains equality. Elsewhere, pi is made from P in two steps, the first of which restores
the label totals:

1. kept_l = min(1, ybar_l / Pbar_l), rest_l proportional to max(ybar_l - Pbar_l, 0), and
   Q_i = kept * P_i + (1 - kept.P_i) * rest. Every Q_i is a distribution and their mean is ybar. The gradient
   at Q follows from that at P without a pass: (1/N) sum_i omega_i Q_i z_i' = A + rest * (m - sum_l A_l), with
   A = kept * (1/N) sum omega P_i z_i' and m the mean of z.
2. pi_i = s Q_i + (1 - s) y_i, whose gradient is s times that of Q. For lambda2 = 0, s is the largest value that
   makes pi feasible; otherwise the best by a first-order model of the entropy. Any s gives a valid lower bound.

The gap is J minus that bound, relative to J. In float32 it is uncertain by about 1e-6 nats, and can be negative
by that much. With lambda1 = lambda2 = 0 no useful bound exists, because data that can be separated have no
minimum. The largest absolute entry of the gradient (of the scaled neurons, problem.py), relative to that at
theta = 0, is then used instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from onegrain.rankings.data.memory import Table
from onegrain.rankings.elastic_net.problem import Penalties, Words

__all__ = ["Certificate", "Points", "certify", "evaluate_probes", "loss_of"]

SCALE_STEPS = 30
TINY = 1e-300


@dataclass(frozen=True, eq=False)
class Points:
    """The measurements of G probes in one pass over the words, for the scaled neurons.

    Attributes:
        loss: float64 (G,), mean cross-entropy, in nats per word.
        probabilities: (words, G * labels), P.
        gradient: float64 (neurons, G, labels), of the loss by the weights.
        slope: float64 (G, labels), of the loss by the biases.
    """

    loss: Tensor
    probabilities: Table
    gradient: Tensor
    slope: Tensor


@dataclass(frozen=True)
class Certificate:
    """The objective of one probe, and what bounds its distance from the minimum.

    Attributes:
        objective: J.
        lower: a lower bound of the least J; NaN for lambda1 = lambda2 = 0.
        gradient: largest absolute entry of the loss's gradient by weight and bias, relative to the same at
            theta = 0.
    """

    objective: float
    lower: float
    gradient: float

    @property
    def gap(self) -> float:
        """The relative duality gap; NaN for lambda1 = lambda2 = 0."""
        return (self.objective - self.lower) / max(self.objective, TINY)

    def measure(self) -> float:
        """Return the gap, or the gradient where the gap is not defined."""
        return self.gradient if self.gap != self.gap else self.gap


def evaluate_probes(words: Words, weights: Tensor, biases: Tensor) -> Points:
    """Evaluate G probes, weights (neurons, G, labels) and biases (G, labels), in one pass over the words."""
    grid, labels = biases.shape
    rounded = words.rounded(weights.reshape(len(weights), -1))
    table = words.memory.table(words.n_words, grid * labels, words.dtype)
    products = words.zeros(len(weights), grid * labels)
    shares = words.zeros(grid * labels)
    loss = words.zeros(grid)
    for rows in words.rows():
        block = words.block(rows)
        logits = words.product(block, rounded).view(-1, grid, labels).add_(biases)
        loss += loss_of(words, rows, logits)
        residual = torch.softmax(logits, 2)
        table[rows] = residual.flatten(1)
        residual = words.residual(residual, rows).flatten(1)
        products += block.T @ residual.to(block.dtype)
        shares += residual.sum(0, dtype=torch.float64)
    gradient = products.div_(words.n_words).view(-1, grid, labels)
    return Points(loss, table, gradient, (shares / words.n_words).view(grid, labels))


def loss_of(words: Words, rows: slice, logits: Tensor) -> Tensor:
    """Return what some words add to the loss, float64 (G,), from their logits (rows, G, labels)."""
    label_indices = words.targets[rows, None, None].expand(-1, logits.shape[1], 1)
    word_losses = torch.logsumexp(logits, 2) - logits.gather(2, label_indices).squeeze(2)
    return words.weigh(word_losses, rows).sum(0, dtype=torch.float64) / words.n_words


def certify(words: Words, penalties: Penalties, weights: Tensor, points: Points) -> list[Certificate]:
    """Return objectives and gaps of G probes, weights (neurons, G, labels), from one pass over the words."""
    shape = len(penalties), words.n_labels
    every_share = words.label_shares.expand(shape)
    every_product = words.label_products.view(words.n_neurons, -1, words.n_labels).expand(-1, *shape)
    primals, duals = [], []
    for number, pair in enumerate(penalties.pairs):
        shares, products = every_share[number], every_product[:, number]
        theta = weights[:, number].double() * words.unit[:, None]
        absolute, squared = pair[0] * float(theta.abs().sum()), pair[1] * float(theta.square().sum())
        live = words.live(number)
        gradient, slope = points.gradient[:, number], points.slope[number]
        steepest = max(_largest(gradient[live]), float(slope.abs().max()))
        steepest /= max(_largest(products[live]), TINY)
        primals.append((float(points.loss[number]) + absolute + squared, steepest))
        kept, rest, slopes = _balance_labels(shares, products, gradient, slope, words.centred)
        size = slopes[live] / words.unit[live, None]
        duals.append((kept, rest, *_choose_scale(size, pair, absolute + 2.0 * squared)))
    entropy = _entropy(words, points.probabilities, duals)
    return [
        Certificate(objective, float("nan") if free else float(entropy[number]) - duals[number][3], steepest)
        for number, ((objective, steepest), free) in enumerate(zip(primals, penalties.free, strict=True))
    ]


def _largest(values: Tensor) -> float:
    """Return the largest absolute value; 0 if there are none."""
    return float(values.abs().max()) if values.numel() else 0.0


def _balance_labels(
    shares: Tensor, products: Tensor, gradient: Tensor, slope: Tensor, centred: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Return kept and rest (labels,) of Q, and |g| at Q, (neurons, labels), of the scaled neurons."""
    predicted_shares = shares + slope
    kept = (shares / predicted_shares.clamp(min=TINY)).clamp(max=1.0)
    missing = (shares - predicted_shares).clamp(min=0.0)
    rest = missing / missing.sum().clamp(min=TINY)
    kept_products = kept * (gradient + products)
    mean = 0.0 if centred else products.sum(1, keepdim=True)
    slopes = (kept_products + rest * (mean - kept_products.sum(1, keepdim=True)) - products).abs()
    return kept, rest, slopes


def _choose_scale(size: Tensor, pair: tuple[float, float], slope: float) -> tuple[float, float]:
    """Return s and sum r* at s, from |g| at Q in ``size`` and the derivative of the entropy by s at 1.

    With lambda2, s is the root of slope = sum max(s |g| - lambda1, 0) |g| / (2 lambda2), whose right side is
    convex in s: Newton steps from 1 fall to the root and do not pass it.
    """
    l1, l2 = pair
    feasible = min(1.0, l1 / max(_largest(size), TINY))
    if l2 == 0:
        return feasible * (1.0 - 1e-12), 0.0
    large, scale = size[size > l1], 1.0
    for _ in range(SCALE_STEPS):
        above = scale * large - l1
        steep = large[above > 0.0]
        excess = float(above[above > 0.0] @ steep) / (2.0 * l2) - slope
        if not excess > 0.0:
            break
        scale = max(feasible, scale - excess * 2.0 * l2 / float(steep @ steep))
    return scale, float((scale * large - l1).clamp(min=0.0).square().sum()) / (4.0 * l2)


def _entropy(words: Words, table: Table, duals: Sequence[tuple[Tensor, Tensor, float, float]]) -> Tensor:
    """Return the mean entropy, float64 (G,), nats per word, of the pi that kept, rest and s make of P."""
    kept = torch.stack([dual[0] for dual in duals]).to(words.dtype)
    rest = torch.stack([dual[1] for dual in duals]).to(words.dtype)
    scales = words.tensor(np.array([dual[2] for dual in duals]), words.dtype)
    total = words.zeros(len(duals))
    for rows in words.rows():
        p = table[rows].view(-1, *kept.shape)
        mixed = p * (kept * scales[:, None])
        remainder = 1.0 - (p * kept).sum(2)
        mixed += remainder[:, :, None] * (rest * scales[:, None])
        label_indices = words.targets[rows, None, None].expand(-1, len(duals), 1)
        mixed.scatter_add_(2, label_indices, (1.0 - scales)[None, :, None].expand(len(p), -1, 1))
        word_entropies = torch.special.entr(mixed.clamp_(min=0.0)).sum(2)
        total += words.weigh(word_entropies, rows).sum(0, dtype=torch.float64)
    return total / words.n_words
