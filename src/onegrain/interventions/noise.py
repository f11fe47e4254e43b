"""The noise of batching: how far a metric moves if only the batch size changes."""

from __future__ import annotations

from typing import Any

import torch

from onegrain.core.progress import Progress, silent
from onegrain.metrics import Metric
from onegrain.models import LoadedModel

__all__ = ["batching_noise", "noise_facts"]

SMALL_BATCHES = (1, 8)
"""Batch sizes that are compared with the one of a measurement."""

REDUCED = (torch.bfloat16, torch.float16)


def batching_noise(
    model: LoadedModel, metric: Metric, *, batch_size: int = 64, progress: Progress = silent
) -> float:
    """Measure a model with several batch sizes, and return the largest difference of two values.

    The batch size changes the order of additions, and with it the rounding. In float32 the difference is far
    below any effect; in bfloat16 (8 bits of precision) it can be as large as the effect of a few neurons, which
    then means nothing.

    Args:
        model: the model, as it is.
        metric: the metric, with its corpus.
        batch_size: a batch size to compare with batches of 1 and of 8 sentences.
        progress: receives the number of sentences measured.

    Raises:
        ParameterError: the metric refuses the model.
    """
    sizes = sorted({*SMALL_BATCHES, batch_size})
    values = [metric.measure(model, batch_size=size, progress=progress).value for size in sizes]
    return max(values) - min(values)


def noise_facts(model: LoadedModel, metric: Metric, batch_size: int) -> dict[str, Any]:
    """Return ``batching_noise`` and the ``dtype`` for a model of reduced precision, for a record's details.

    For a model in float32 the result is empty, and nothing is measured.
    """
    dtype = next(model.model.parameters()).dtype
    if dtype not in REDUCED:
        return {}
    noise = batching_noise(model, metric, batch_size=batch_size)
    return {"batching_noise": noise, "dtype": str(dtype).removeprefix("torch.")}
