"""The linear probe, trained bit for bit as NeuroX 1.0.9 trains it but without the cost of its loop."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from onegrain.rankings.data.memory import ScratchTable
from onegrain.rankings.neurox.options import NeuroxOptions

__all__ = ["train_probe"]

MOMENTUM, SCALING, TINY = 0.9, 0.999, 1e-8
"""Adam's beta1, beta2 and epsilon: the defaults of torch."""


@torch.no_grad()
def train_probe(
    values: np.ndarray | ScratchTable,
    codes: np.ndarray,
    n_labels: int,
    options: NeuroxOptions,
    seed: int,
    advance: Callable[[int], None] = lambda words: None,
) -> tuple[np.ndarray, np.ndarray]:
    """Train a probe; return weights theta, float32 (labels, neurons), and biases b, float32 (labels,).

    Every step lowers, on the next ``batch_size`` words in the order of the corpus,

        -mean_i log P(t_i | z_i) + lambda1 * sum |theta| + lambda2 * sqrt(sum theta^2), P = softmax(theta z + b)

    by Adam [Kingma and Ba, ICLR 2015] with torch's defaults, from the weights and biases that
    ``torch.nn.Linear`` has after ``torch.manual_seed(seed)``; biases are not penalised. The gradient is written
    out, with its terms rounded and added in the order of torch's autograd.

    Args:
        values: float32 (words, neurons).
        codes: int64 (words,), 0..labels-1.
        n_labels: number of labels.
        options: penalties, epochs, batch size and learning rate.
        seed: seed of the first weights; torch's global random state is unchanged.
        advance: called with the number of words of each step.
    """
    weights, biases = _first(values.shape[1], n_labels, seed)
    targets = torch.from_numpy(codes)
    steps = [_Adam(part, options.learning_rate) for part in (weights, biases)]
    slope = torch.empty_like(weights)
    words = values.shape[0]
    for _ in range(options.epochs):
        for start in range(0, words, options.batch_size):
            rows = slice(start, start + options.batch_size)
            batch = torch.as_tensor(values[rows])
            residual = _residual(torch.addmm(biases, batch, weights.t()), targets[rows])
            torch.mm(residual.t(), batch, out=slope)
            penalty = _penalty_slope(weights, options)
            if penalty is not None:
                slope += penalty
            for step, gradient in zip(steps, (slope, residual.sum(0)), strict=True):
                step.take(gradient)
            advance(len(batch))
    return weights.numpy(), biases.numpy()


def _first(n_neurons: int, n_labels: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return the weights and biases of a new ``torch.nn.Linear`` after a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layer = torch.nn.Linear(n_neurons, n_labels, dtype=torch.float32)
    return layer.weight.detach(), layer.bias.detach()


def _residual(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the gradient of the mean cross-entropy by the logits, (P - one-hot) / words; (words, labels)."""
    log_probabilities = torch.log_softmax(logits, dim=1)
    picked = torch.zeros_like(logits).scatter_(1, targets[:, None], -1.0 / len(targets))
    return torch.ops.aten._log_softmax_backward_data(picked, log_probabilities, 1, torch.float32)


def _penalty_slope(weights: Tensor, options: NeuroxOptions) -> Tensor | None:
    """Return lambda2 theta / sqrt(sum theta^2) + lambda1 sign(theta), or None if both factors are 0."""
    slope = None
    if options.lambda2:
        factor = torch.tensor(options.lambda2, dtype=torch.float32)
        slope = weights * (2.0 * (factor / (2.0 * weights.square().sum().sqrt())))
    if options.lambda1:
        signs = torch.sign(weights).mul_(options.lambda1)
        slope = signs if slope is None else slope.add_(signs)
    return slope


class _Adam:
    """Adam for one tensor, in place: the operations of torch's Adam without its bookkeeping."""

    def __init__(self, values: Tensor, rate: float) -> None:
        self._values, self._rate, self._taken = values, rate, 0
        self._mean, self._square, self._scale = (torch.zeros_like(values) for _ in range(3))

    def take(self, gradient: Tensor) -> None:
        """Take one step along a gradient."""
        self._taken += 1
        self._mean.lerp_(gradient, 1.0 - MOMENTUM)
        self._square.mul_(SCALING).addcmul_(gradient, gradient, value=1.0 - SCALING)
        torch.sqrt(self._square, out=self._scale)
        self._scale.div_((1.0 - SCALING**self._taken) ** 0.5).add_(TINY)
        self._values.addcdiv_(self._mean, self._scale, value=-self._rate / (1.0 - MOMENTUM**self._taken))
