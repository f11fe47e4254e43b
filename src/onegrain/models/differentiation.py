"""Running a model so that its loss can be differentiated at a site, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["GivenValues", "differentiable"]


class GivenValues:
    """The edit that puts given values in a site's place; it is made for one forward pass.

    Args:
        values: of all time steps; a stepwise decoder takes one after the other. What is differentiated by them
            sees only the way from the site to the output.
    """

    def __init__(self, values: Float[Tensor, "rows time width"]) -> None:
        self._values = values
        self._steps: Iterator[Tensor] | None = None

    def __call__(self, value: Tensor) -> Tensor:
        """The values in place of (rows, time, width), or of the next (rows, width)."""
        if value.dim() == self._values.dim():
            return self._values
        if self._steps is None:
            self._steps = iter(self._values.unbind(1))
        return next(self._steps)


@contextmanager
def differentiable(model: nn.Module) -> Iterator[None]:
    """In the block, dropout is off and no parameter takes a gradient; afterwards all is as it was.

    Gradients may be taken in it also where the caller is in inference mode. cuDNN cannot differentiate a
    recurrent layer whose dropout is off, so it is left aside where there is one.
    """
    modes = [(module, module.training) for module in model.modules()]
    asked = [(weight, weight.requires_grad) for weight in model.parameters()]
    recurrent = any(isinstance(module, nn.RNNBase) for module, _ in modes)
    try:
        model.eval()
        for weight, _ in asked:
            weight.requires_grad_(False)
        aside = torch.backends.cudnn.flags(enabled=False) if recurrent else nullcontext()
        with torch.inference_mode(False), aside:
            yield
    finally:
        for weight, wanted in asked:
            weight.requires_grad_(wanted)
        for module, training in modes:
            module.training = training
