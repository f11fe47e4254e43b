"""The edit ``scale``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from onegrain.interventions.edits.clamp import require_finite
from onegrain.interventions.edits.edit import Change, NeuronEdit, SiteReference
from onegrain.models.passing import Position

__all__ = ["Scale"]


@dataclass(frozen=True)
class Scale(NeuronEdit):
    """Multiply neurons by a factor.

    Attributes:
        factor: the factor; 0 gives the edit ``zero`` where values are finite.

    Raises:
        ParameterError: the factor is not finite.
    """

    kind: ClassVar[str] = "scale"
    summary: ClassVar[str] = "multiplies neurons by factor="

    factor: float

    def __post_init__(self) -> None:
        require_finite(self.kind, factor=self.factor)

    def at(self, reference: SiteReference) -> Change:
        """Return the edit; it needs no reference."""
        return _Scaled(self.factor)


class _Scaled(Change):
    """A change that multiplies the values."""

    def __init__(self, factor: float) -> None:
        self._factor = factor

    def __call__(self, values: Tensor, position: Position | None) -> Tensor:
        """Return the values times the factor."""
        return values * self._factor
