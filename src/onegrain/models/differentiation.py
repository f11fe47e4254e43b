"""Run a model so that its loss can be differentiated with respect to the value of a site only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["GivenValues", "differentiable"]


class GivenValues:
    """An edit that replaces a site's value in one forward pass by values that gradients can be taken for.

    Args:
        values: the values of all time steps; a stepwise decoder takes them one after the other. A gradient
            with respect to them covers only the computation from the site to the output.
    """

    def __init__(self, values: Float[Tensor, "rows time width"]) -> None:
        self._values = values
        self._steps: Iterator[Tensor] | None = None

    def __call__(self, value: Tensor) -> Tensor:
        """Return the values that replace (rows, time, width), or the next (rows, width) of a decoder."""
        if value.dim() == self._values.dim():
            return self._values
        if self._steps is None:
            self._steps = iter(self._values.unbind(1))
        return next(self._steps)


@contextmanager
def differentiable(model: nn.Module) -> Iterator[None]:
    """Turn dropout and the gradients of parameters off inside a ``with`` block, and restore both after it.

    Gradients of other tensors can be taken in the block, even if the caller is in inference mode. cuDNN cannot
    differentiate recurrent layers in evaluation mode, so it is turned off for a model that has one.
    """
    modes = [(module, module.training) for module in model.modules()]
    required = [(weight, weight.requires_grad) for weight in model.parameters()]
    recurrent = any(isinstance(module, nn.RNNBase) for module, _ in modes)
    try:
        model.eval()
        for weight, _ in required:
            weight.requires_grad_(False)
        backend = torch.backends.cudnn.flags(enabled=False) if recurrent else nullcontext()
        with torch.inference_mode(False), backend:
            yield
    finally:
        for weight, requires_grad in required:
            weight.requires_grad_(requires_grad)
        for module, training in modes:
            module.training = training
