"""The edit ``add``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from onegrain.errors import ParameterError
from onegrain.interventions.edits.clamp import require_finite
from onegrain.interventions.edits.edit import Change, NeuronEdit, SiteReference
from onegrain.models.passing import Position

__all__ = ["Add"]


@dataclass(frozen=True)
class Add(NeuronEdit):
    """Add a number to neurons, or some of their standard deviations over a reference.

    Attributes:
        value: the number.
        deviations: the number of standard deviations, in place of a value.

    Raises:
        ParameterError: both or neither are given, or the number is not finite.
    """

    kind: ClassVar[str] = "add"
    summary: ClassVar[str] = "adds value=, or deviations= standard deviations, to neurons"

    value: float | None = None
    deviations: float | None = None

    def __post_init__(self) -> None:
        if (self.value is None) == (self.deviations is None):
            raise ParameterError("add needs either value or deviations, e.g. add(deviations=2.0)")
        require_finite(self.kind, value=self.value, deviations=self.deviations)

    @property
    def statistics(self) -> frozenset[str]:
        """The deviation, if the number depends on it."""
        return frozenset() if self.deviations is None else frozenset({"deviation"})

    def at(self, reference: SiteReference) -> Change:
        """Return the edit of the reference's neurons."""
        if self.deviations is None:
            return _Added(np.full(len(reference.units), self.value))
        return _Added(self.deviations * reference.statistic("deviation"))


class _Added(Change):
    """A change that adds a number to each neuron."""

    def __init__(self, amounts: np.ndarray) -> None:
        self._amounts = torch.from_numpy(np.asarray(amounts, dtype=np.float64))

    def __call__(self, values: Tensor, position: Position | None) -> Tensor:
        """Return the values plus the amounts."""
        return values + self._amounts.to(values)
