"""The edit ``mean``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from onegrain.interventions.edits.constants import Constant
from onegrain.interventions.edits.edit import Change, NeuronEdit, SiteReference

__all__ = ["Mean"]


@dataclass(frozen=True)
class Mean(NeuronEdit):
    """Set each neuron to its mean over the words of a reference, or over the words of one label.

    Attributes:
        label: a label of the reference; None for all words.
    """

    kind: ClassVar[str] = "mean"
    summary: ClassVar[str] = "sets neurons to their mean over a reference, or over the words of label="

    label: str | None = None

    @property
    def statistics(self) -> frozenset[str]:
        """The mean."""
        return frozenset({"mean"})

    def at(self, reference: SiteReference) -> Change:
        """Return the edit of the reference's neurons."""
        return Constant(reference.statistic("mean", self.label))
