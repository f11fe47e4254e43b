"""Edits that put one constant in the place of each neuron's values."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from onegrain.interventions.edits.edit import Change
from onegrain.models.passing import Position

__all__ = ["Constant"]


class Constant(Change):
    """A change of each neuron's value to a constant, also where the value is not finite.

    Args:
        constants: float64 (neurons,).
    """

    def __init__(self, constants: np.ndarray) -> None:
        self._constants = torch.from_numpy(np.asarray(constants, dtype=np.float64))

    def __call__(self, values: Tensor, position: Position | None) -> Tensor:
        """Return the constants, in the values' dtype."""
        return self._constants.to(values).expand_as(values)
