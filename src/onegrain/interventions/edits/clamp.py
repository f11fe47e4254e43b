"""The edit ``clamp``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from onegrain.errors import ParameterError
from onegrain.interventions.edits.constants import Constant
from onegrain.interventions.edits.edit import Change, NeuronEdit, SiteReference

__all__ = ["Clamp"]


@dataclass(frozen=True)
class Clamp(NeuronEdit):
    """Set neurons to a value, or to their mean plus some standard deviations over a reference.

    Attributes:
        value: the value.
        deviations: the number of standard deviations above the mean, in place of a value; below it if negative.

    Raises:
        ParameterError: both or neither are given, or the number is not finite.
    """

    kind: ClassVar[str] = "clamp"
    summary: ClassVar[str] = "sets neurons to value=, or to their mean plus deviations= standard deviations"

    value: float | None = None
    deviations: float | None = None

    def __post_init__(self) -> None:
        if (self.value is None) == (self.deviations is None):
            raise ParameterError("clamp needs either value or deviations, e.g. clamp(value=3.0)")
        require_finite(self.kind, value=self.value, deviations=self.deviations)

    @property
    def statistics(self) -> frozenset[str]:
        """Mean and deviation, if the value depends on them."""
        return frozenset() if self.deviations is None else frozenset({"mean", "deviation"})

    def at(self, reference: SiteReference) -> Change:
        """Return the edit of the reference's neurons."""
        if self.deviations is None:
            return Constant(np.full(len(reference.units), self.value))
        return Constant(reference.statistic("mean") + self.deviations * reference.statistic("deviation"))


def require_finite(kind: str, **numbers: float | None) -> None:
    """Raise ParameterError unless each number is finite, or None."""
    for name, number in numbers.items():
        if number is None:
            continue
        if isinstance(number, bool) or not isinstance(number, int | float) or not np.isfinite(number):
            raise ParameterError(f"{name} of {kind} must be a finite number, got {number!r}")
