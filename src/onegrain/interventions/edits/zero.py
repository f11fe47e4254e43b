"""The edit ``zero``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from onegrain.interventions.edits.constants import Constant
from onegrain.interventions.edits.edit import Change, NeuronEdit, SiteReference

__all__ = ["Zero"]


@dataclass(frozen=True)
class Zero(NeuronEdit):
    """Set neurons to 0."""

    kind: ClassVar[str] = "zero"
    summary: ClassVar[str] = "sets neurons to 0"

    def at(self, reference: SiteReference) -> Change:
        """Return the edit of the reference's neurons; it needs no statistics."""
        return Constant(np.zeros(len(reference.units)))
