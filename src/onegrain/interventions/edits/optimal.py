"""The edit ``optimal``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from onegrain.errors import ParameterError
from onegrain.interventions.edits.constants import Constant
from onegrain.interventions.edits.edit import Change, NeuronEdit, SiteReference

__all__ = ["FoundConstants", "Optimal"]


@dataclass(frozen=True)
class Optimal(NeuronEdit):
    """Set each neuron to the constant with which the edited model loses least on a reference corpus.

    The constants are found by gradient descent (Li and Janson 2024, arXiv 2409.09951); see
    :func:`onegrain.optimal_constants`.
    """

    kind: ClassVar[str] = "optimal"
    summary: ClassVar[str] = "sets neurons to the constants that cost the model least on a reference corpus"

    @property
    def statistics(self) -> frozenset[str]:
        """The optimal constants."""
        return frozenset({"optimal"})

    def at(self, reference: SiteReference) -> Change:
        """Return the edit of the reference's neurons.

        Raises:
            ParameterError: the reference has no optimal constants, or none for one of these neurons.
        """
        constants = reference.statistic("optimal")
        missing = np.flatnonzero(np.isnan(constants))
        if missing.size:
            raise ParameterError(
                f"the reference has no optimal constant for {missing.size} of {constants.size} neurons of a "
                f"site, the first of them unit {int(reference.units[missing[0]])}; find the constants of the "
                "neurons that are edited together with onegrain.optimal_constants"
            )
        return Constant(constants)


@dataclass(frozen=True, eq=False)
class FoundConstants(NeuronEdit):
    """The edit ``optimal`` of some units of one site, with the constants that were found for them.

    Attributes:
        units: the units, ascending.
        constants: float64 (units,).
    """

    kind: ClassVar[str] = Optimal.kind
    summary: ClassVar[str] = Optimal.summary
    units: tuple[int, ...]
    constants: np.ndarray

    def parameters(self) -> dict[str, Any]:
        """Empty: the constants follow from the neurons and the reference."""
        return {}

    def at(self, reference: SiteReference) -> Change:
        """Return the edit of the reference's neurons, which are among the units."""
        return Constant(self.constants[np.searchsorted(np.array(self.units), reference.units)])
