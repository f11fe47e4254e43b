"""How far a probe is from the best one: the duality gap of the multinomial elastic net.

Let pi_i be a distribution over labels for every word. Fenchel duality gives, for every choice of pi that keeps
the label totals, sum_i omega_i pi_i = sum_i omega_i y_i (the condition of the unpenalised bias),

    min J  >=  (1/N) sum_i omega_i H(pi_i) - sum_{l,j} r*(g_lj),      g = (1/N) sum_i omega_i (pi_i - y_i) z_i'

with z the neurons less their mean, H the entropy in nats (minus it is the conjugate of the cross-entropy) and
r* the conjugate of the penalty,

    r*(g) = max(|g| - lambda1, 0)^2 / (4 lambda2)          where lambda2 > 0
    r*(g) = 0 if |g| <= lambda1, infinite otherwise        where lambda2 = 0.

At the solution pi = P attains equality. Before it, P is made to keep the label totals, and is then drawn
towards y:

1. kept_l = min(1, ybar_l / Pbar_l), rest_l proportional to max(ybar_l - Pbar_l, 0), and
   Q_i = kept * P_i + (1 - kept.P_i) * rest. Every Q_i is a distribution and their mean is ybar. As z is
   centred, the gradient at Q follows from that at P without a pass: (1/N) sum_i omega_i Q_i z_i' = A - rest *
   sum_l A_l, A = kept * (1/N) sum omega P_i z_i'.
2. pi_i = s Q_i + (1 - s) y_i, whose gradient is s times that of Q. For lambda2 = 0, s is the largest that makes
   it feasible; else the best of a few, by a first-order model of the entropy. Any s gives a true lower bound.

The gap is J minus that bound, relative to J. In float32 it is uncertain by some 1e-6 nats, and may come out
below zero by that much. With lambda1 = lambda2 = 0 there is no useful bound, as data that can be separated
have no minimum at all; the largest absolute entry of the gradient (of the scaled neurons, problem.py), relative
to that of the problem at theta = 0, takes its place.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from onegrain.rankings.lca.problem import ProbeData, subtract_labels

__all__ = ["Certificate", "Point", "certify", "look"]

SCALES = torch.linspace(1.0, 0.5, 26, dtype=torch.float64)
TINY = 1e-300


@dataclass(frozen=True, eq=False)
class Point:
    """What one pass over the words tells of one probe, for the scaled neurons.

    Attributes:
        loss: mean cross-entropy, nats a word.
        probabilities: (words, labels), P.
        gradient: (neurons, labels), of the loss by the weights.
        slope: (labels,), of the loss by the biases.
    """

    loss: float
    probabilities: Tensor
    gradient: Tensor
    slope: Tensor


@dataclass(frozen=True)
class Certificate:
    """How good one probe is.

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
        """The gap, or the gradient where the gap is not defined."""
        return self.gradient if self.gap != self.gap else self.gap


def look(data: ProbeData, weights: Tensor, biases: Tensor) -> list[Point]:
    """One pass over the words for G probes: weights (neurons, G, labels), biases (G, labels)."""
    grid, labels = biases.shape
    flat = weights.reshape(len(weights), -1)
    table = torch.empty(data.n_words, grid, labels, dtype=data.dtype)
    products = torch.zeros(flat.shape, dtype=torch.float64)
    shares = torch.zeros(grid * labels, dtype=torch.float64)
    loss = torch.zeros(grid, dtype=torch.float64)
    for rows in data.rows():
        logits = (data.scaled[rows] @ flat).view(-1, grid, labels).add_(biases.to(data.dtype))
        loss += loss_of(data, rows, logits)
        torch.softmax(logits, 2, out=table[rows])
        residual = subtract_labels(table[rows].clone(), data.targets[rows], data.omega_of(rows)).flatten(1)
        products += data.scaled[rows].T @ residual
        shares += residual.sum(0, dtype=torch.float64)
    gradient = (products / data.n_words).view(-1, grid, labels)
    slope = (shares / data.n_words).view(grid, labels)
    return [Point(float(loss[at]), table[:, at], gradient[:, at], slope[at]) for at in range(grid)]


def loss_of(data: ProbeData, rows: slice, logits: Tensor) -> Tensor:
    """float64 (G,): the words' share of the loss, from logits (rows, G, labels)."""
    at = data.targets[rows, None, None].expand(-1, logits.shape[1], 1)
    each = torch.logsumexp(logits, 2) - logits.gather(2, at).squeeze(2)
    if data.omega is not None:
        each = each * data.omega[rows, None]
    return each.sum(0, dtype=torch.float64) / data.n_words


def certify(data: ProbeData, pair: tuple[float, float], weights: Tensor, point: Point) -> Certificate:
    """Objective and relative duality gap of one probe, weights (neurons, labels), from what was seen of it."""
    l1, l2 = pair
    unit = data.penalty_scale().double()[:, None]
    theta = weights.double() * unit
    absolute, squared = l1 * float(theta.abs().sum()), l2 * float(theta.square().sum())
    scale = max(float(data.label_products.abs().max()), TINY)
    steepest = max(float(point.gradient.abs().max()), float(point.slope.abs().max())) / scale
    objective = point.loss + absolute + squared
    if l1 == 0 and l2 == 0:
        return Certificate(objective, float("nan"), steepest)
    shares = torch.from_numpy(data.label_shares)
    said = shares + point.slope
    kept = (shares / said.clamp(min=TINY)).clamp(max=1.0)
    missing = (shares - said).clamp(min=0.0)
    rest = missing / missing.sum().clamp(min=TINY)
    moved = kept * (point.gradient + data.label_products)
    turned = (moved - rest * moved.sum(1, keepdim=True) - data.label_products).abs()
    live = unit[:, 0] > 0.0
    size = turned[live] / unit[live]
    draw, bound = _draw(size, pair, absolute + 2.0 * squared)
    return Certificate(objective, _entropy(data, point.probabilities, (kept, rest), draw) - bound, steepest)


def _draw(size: Tensor, pair: tuple[float, float], slope: float) -> tuple[float, float]:
    """s, and sum r* there; ``size`` holds |g| at Q, ``slope`` is the entropy's slope in s at 1."""
    l1, l2 = pair
    feasible = min(1.0, l1 / max(float(size.max()) if size.numel() else 0.0, TINY))
    if l2 == 0:
        return feasible * (1.0 - 1e-12), 0.0
    scales = torch.cat([SCALES, torch.tensor([feasible], dtype=torch.float64)])
    large = size[size > l1]
    costs = torch.stack([(s * large - l1).clamp(min=0.0).square().sum() / (4.0 * l2) for s in scales])
    best = int(torch.argmax(-(1.0 - scales) * slope - costs))
    return float(scales[best]), float(costs[best])


def _entropy(data: ProbeData, probabilities: Tensor, towards: tuple[Tensor, Tensor], draw: float) -> float:
    """Mean entropy, nats a word, of the distributions that kept, rest and s make of P."""
    kept, rest = (part.to(data.dtype) for part in towards)
    mixed = probabilities * (kept * draw)
    mixed += (1.0 - probabilities @ kept)[:, None] * (rest * draw)
    mixed[torch.arange(len(mixed)), data.targets] += 1.0 - draw
    each = torch.special.entr(mixed.clamp(min=0.0)).sum(1)
    if data.omega is not None:
        each *= data.omega
    return float(each.sum(dtype=torch.float64)) / data.n_words
