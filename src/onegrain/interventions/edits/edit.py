"""What the chosen neurons' values are replaced by while the model runs."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor

from onegrain.errors import ParameterError
from onegrain.models.hooks import Edit

__all__ = ["EDITS", "NeuronEdit", "Zero", "find_edit"]


class NeuronEdit(ABC):
    """One way to replace the values of neurons; a subclass is one way."""

    @abstractmethod
    def at(self, site: str, units: np.ndarray) -> Edit:
        """The edit of some units (int64) of one site.

        It takes the site's value, (..., width), any float dtype and device, and returns a new tensor of the
        same shape, dtype and device in which only these units differ.
        """


class Zero(NeuronEdit):
    """The neuron is 0, whatever it was (also where it was not finite)."""

    def at(self, site: str, units: np.ndarray) -> Edit:
        """Zero these units of the last dimension."""
        where = torch.from_numpy(np.asarray(units, dtype=np.int64))

        def zero(value: Tensor) -> Tensor:
            nonlocal where
            where = where.to(value.device)
            return value.index_fill(-1, where, 0)

        return zero


EDITS: dict[str, NeuronEdit] = {"zero": Zero()}
"""By the name that ``edit=`` takes."""


def find_edit(name: str) -> NeuronEdit:
    """The edit of that name; ParameterError names those that exist."""
    if name not in EDITS:
        raise ParameterError(f"no edit {name!r}; the edits are: {', '.join(sorted(EDITS))}")
    return EDITS[name]
