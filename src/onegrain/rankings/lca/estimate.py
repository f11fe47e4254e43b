"""Estimate the time of a ranking by LCA from the size of its products and the speed of this machine."""

from __future__ import annotations

import time

import torch

from onegrain.rankings.elastic_net.stochastic import native_bfloat16
from onegrain.rankings.lca.options import LcaOptions

__all__ = ["describe_estimate", "estimate_seconds", "product_speed"]

GRID_PASSES = 60.0
"""Passes over the words that choosing costs for each pair of penalties, in time of large products.

A rough figure: how many pairs are solved further depends on the data, by a factor of three or so.
"""

EVALUATION_PASSES = 200.0
"""The same for masking, retraining and the minimal set together, in passes with one probe; as rough."""

SHORTEST = 60.0
"""Shorter times are not worth a line."""

SLOW = 5e9
"""Operations per second of a slow core; what is short at this speed needs no measurement."""

WORDS, NEURONS, COLUMNS = 2048, 1024, 512
TRIALS = 3


def estimate_seconds(shape: tuple[int, int, int], options: LcaOptions, speed: float) -> float:
    """Return the seconds that a ranking will take, from the number of its multiplications and additions.

    A pass with one probe takes 4 words x neurons x labels of them: two for the logits, two for the gradient.

    Args:
        shape: training words, neurons, labels.
        options: the pairs of penalties, and whether the order is evaluated.
        speed: operations per second, see :func:`product_speed`.
    """
    n_words, n_neurons, n_labels = shape
    passes = GRID_PASSES * len(options.pairs) + (EVALUATION_PASSES if options.evaluate else 0.0)
    return 4.0 * n_words * n_neurons * n_labels * passes / speed


def describe_estimate(
    shape: tuple[int, int, int], options: LcaOptions, device: torch.device, speed: float | None = None
) -> str | None:
    """Return a sentence on how long a ranking will take, or None if it takes less than a minute.

    Args:
        shape, options: see :func:`estimate_seconds`.
        device: where products are computed.
        speed: operations per second; measured if None.
    """
    if estimate_seconds(shape, options, SLOW) < SHORTEST:
        return None
    seconds = estimate_seconds(shape, options, speed or product_speed(device))
    if seconds < SHORTEST:
        return None
    minutes = seconds / 60.0
    step = 1 if minutes < 10 else 5 if minutes < 60 else 30
    rounded = max(1, round(minutes / step)) * step
    n_words, n_neurons, n_labels = shape
    unit = "minute" if rounded == 1 else "minutes"
    return (
        f"lca will take about {rounded} {unit}: {n_words:,} words, {n_neurons:,} neurons, {n_labels} labels, "
        f"{len(options.pairs)} pairs of penalties"
    )


def product_speed(device: torch.device) -> float:
    """Return the operations per second of a product as in the stochastic phase; it takes a few milliseconds."""
    kind = torch.bfloat16 if native_bfloat16(device) else torch.float32
    left = torch.ones(WORDS, NEURONS, dtype=kind, device=device)
    right = torch.ones(NEURONS, COLUMNS, dtype=kind, device=device)
    seconds = min(_seconds(left, right) for _ in range(TRIALS))
    return 2.0 * WORDS * NEURONS * COLUMNS / seconds


def _seconds(left: torch.Tensor, right: torch.Tensor) -> float:
    start = time.perf_counter()
    float((left @ right)[0, 0])  # the number is waited for, also on a device
    return max(time.perf_counter() - start, 1e-9)
