"""Losses of subwords, with sums over the vocabulary in double precision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

__all__ = ["IGNORED", "exact_losses", "mean_loss", "precise_device"]

IGNORED = -100
"""The label of a subword that is not predicted."""

VALUES_AT_ONCE = 2**18
"""Number of logits that are held in double precision at a time: 2 MiB, which stay in the processor's cache."""


def exact_losses(logits: Tensor, wanted: Tensor) -> Tensor:
    """Return the negative log-likelihood (nats, float64) of each wanted class, 0 for ``IGNORED``.

    The exponentials of a large vocabulary are summed in float64, a few rows at a time: a float32 sum of
    256,000 of them is off by 4e-4. Gradients flow to the logits, in the logits' own precision.

    Args:
        logits: (..., classes), of any floating dtype.
        wanted: int64 (...), the class that each row should predict, or ``IGNORED``.
    """
    rows, targets = logits.reshape(-1, logits.shape[-1]), wanted.reshape(-1)
    losses: Tensor = _Losses.apply(rows, targets)
    return losses.view(wanted.shape)


def mean_loss(logits: Tensor, wanted: Tensor, smoothing: float | None) -> Tensor:
    """Return the mean loss (nats, float32) over the wanted classes that are not ``IGNORED``.

    Args:
        logits: (batch, time, classes).
        wanted: int64 (batch, time).
        smoothing: label smoothing of the loss that training minimises, which is computed in float32; None for
            the loss that is reported, which is computed in float64.
    """
    if smoothing is not None:
        return F.cross_entropy(logits.flatten(0, 1).float(), wanted.flatten(), label_smoothing=smoothing)
    losses = exact_losses(logits, wanted)
    return (losses.sum() / (wanted != IGNORED).sum().to(losses)).float().to(logits.device)


class _Losses(torch.autograd.Function):
    """Losses that keep no double-precision values of logits, neither forward nor backward."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, wanted: Tensor) -> Tensor:
        totals = logits.new_empty(len(logits), dtype=torch.float64, device=precise_device(logits))
        losses = torch.zeros_like(totals)
        for rows in _chunks(logits):
            exact, target = logits[rows].to(totals), wanted[rows].to(totals.device)
            totals[rows] = torch.logsumexp(exact, dim=1)
            chosen = exact.gather(1, target.clamp(min=0)[:, None])[:, 0]
            losses[rows] = torch.where(target == IGNORED, 0.0, totals[rows] - chosen)
        ctx.save_for_backward(logits, wanted, totals)
        return losses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, weights: Tensor) -> tuple[Tensor, None]:
        logits, wanted, totals = ctx.saved_tensors
        gradients = torch.empty_like(logits)
        for rows in _chunks(logits):
            target = wanted[rows].to(totals.device)
            weight = torch.where(target == IGNORED, 0.0, weights[rows])[:, None]
            slope = torch.exp(logits[rows].to(totals) - totals[rows, None]) * weight
            slope.scatter_add_(1, target.clamp(min=0)[:, None], -weight)
            gradients[rows] = slope.to(gradients)
        return gradients, None


def _chunks(logits: Tensor) -> Iterator[slice]:
    """Yield ranges of rows whose values fit the double-precision buffer; each has at least one row."""
    size = max(1, VALUES_AT_ONCE // max(1, logits.shape[1]))
    for start in range(0, len(logits), size):
        yield slice(start, start + size)


def precise_device(tensor: Tensor) -> torch.device:
    """Return the device to compute in double precision on: that of a tensor, or the CPU for MPS."""
    return torch.device("cpu") if tensor.device.type == "mps" else tensor.device
