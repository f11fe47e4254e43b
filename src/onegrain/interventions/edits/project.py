"""The edit ``project``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from onegrain.errors import ParameterError
from onegrain.interventions.edits.edit import Change, NeuronEdit, SiteReference
from onegrain.models.passing import Position

__all__ = ["Project"]


@dataclass(frozen=True)
class Project(NeuronEdit):
    """Take the direction between the means of two labels out of the neurons' values.

    The direction d runs from the neurons' mean over the words of one label to that over the words of the other,
    at each site apart. The part of the values along d, measured from the middle between the two means, is taken
    away: x - d d'(x - m) with d of length 1.

    Attributes:
        label: a label of the reference.
        against: another label of the reference.
    """

    kind: ClassVar[str] = "project"
    summary: ClassVar[str] = "takes out the direction from the mean of label= to that of against="

    label: str
    against: str

    @property
    def statistics(self) -> frozenset[str]:
        """The mean."""
        return frozenset({"mean"})

    def at(self, reference: SiteReference) -> Change:
        """Return the edit of the reference's neurons.

        Raises:
            ParameterError: both labels have the same mean.
        """
        first, second = (reference.statistic("mean", label) for label in (self.label, self.against))
        direction = second - first
        length = float(np.linalg.norm(direction))
        if length == 0.0:
            raise ParameterError(
                f"{self.label!r} and {self.against!r} have the same mean; nothing lies between"
            )
        return _Projected(direction / length, (first + second) / 2.0)


class _Projected(Change):
    """A change that takes away the part of the values along a direction of length 1."""

    def __init__(self, direction: np.ndarray, middle: np.ndarray) -> None:
        self._direction, self._middle = torch.from_numpy(direction), torch.from_numpy(middle)

    def __call__(self, values: Tensor, position: Position | None) -> Tensor:
        """Return the values without their part along the direction."""
        exact = values.to(torch.promote_types(values.dtype, torch.float32))
        direction = self._direction.to(exact)
        along = (exact - self._middle.to(exact)) @ direction
        return (exact - along[..., None] * direction).to(values.dtype)
