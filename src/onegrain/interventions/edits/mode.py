"""The edit ``mode``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from onegrain.interventions.edits.constants import Constant
from onegrain.interventions.edits.edit import Change, NeuronEdit, SiteReference

__all__ = ["Mode"]


@dataclass(frozen=True)
class Mode(NeuronEdit):
    """Set each neuron to the peak of its histogram over a reference.

    Ablation at the most frequent value disturbs a model less than zero or a random value does
    (arXiv 2408.17322).
    """

    kind: ClassVar[str] = "mode"
    summary: ClassVar[str] = "sets neurons to their most frequent value over a reference"

    @property
    def statistics(self) -> frozenset[str]:
        """The mode."""
        return frozenset({"mode"})

    def at(self, reference: SiteReference) -> Change:
        """Return the edit of the reference's neurons."""
        return Constant(reference.statistic("mode"))
