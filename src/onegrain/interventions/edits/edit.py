"""The kinds of edit: what replaces the values of chosen neurons while the model runs."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor

from onegrain.errors import ParameterError
from onegrain.models.hooks import Edit

__all__ = ["EDITS", "NeuronEdit", "Zero", "find_edit"]


class NeuronEdit(ABC):
    """A way to replace the values of neurons; each subclass is one kind of edit."""

    @abstractmethod
    def at(self, site: str, units: np.ndarray) -> Edit:
        """Return the edit of some units of one site.

        Args:
            site: the site's name.
            units: int64, indices into the last dimension of the site's value.

        Returns:
            A function from the site's value, (..., width), any float dtype and device, to a new tensor of the
            same shape, dtype and device in which only these units differ.
        """


class Zero(NeuronEdit):
    """An edit that sets neurons to 0, also where their values are not finite."""

    def at(self, site: str, units: np.ndarray) -> Edit:
        """Return the edit that zeroes these units of the last dimension."""
        indices = torch.from_numpy(np.asarray(units, dtype=np.int64))

        def zero(value: Tensor) -> Tensor:
            nonlocal indices
            indices = indices.to(value.device)
            return value.index_fill(-1, indices, 0)

        return zero


EDITS: dict[str, NeuronEdit] = {"zero": Zero()}
"""Every edit by its name. A new edit is one file in this folder and one entry here."""


def find_edit(name: str) -> NeuronEdit:
    """Return the edit with this name; the ParameterError for an unknown name lists the names."""
    if name not in EDITS:
        raise ParameterError(f"no edit {name!r}; the edits are: {', '.join(sorted(EDITS))}")
    return EDITS[name]
