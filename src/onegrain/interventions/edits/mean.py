"""The edit ``mean``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from onegrain.errors import ParameterError
from onegrain.interventions.edits.clamp import require_finite
from onegrain.interventions.edits.constants import Constant
from onegrain.interventions.edits.edit import Change, NeuronEdit, SiteReference

__all__ = ["Mean"]


@dataclass(frozen=True)
class Mean(NeuronEdit):
    """Set each neuron to its mean over the words of a reference, or over the words of one label.

    With ``against`` and ``beta``, the mean a1 of the label is moved away from the mean a2 of another label, to
    a1 + beta (a1 - a2) [Bau et al., *Identifying and controlling important neurons in neural machine
    translation*, ICLR 2019].

    Attributes:
        label: a label of the reference; None for all words.
        against: another label, from whose mean the label's is moved away.
        beta: how far, in distances between the two means; 0 sets the label's mean, -1 that of ``against``.

    Raises:
        ParameterError: ``against`` and ``beta`` are not given together and with a label, the labels are the
            same, or ``beta`` is not finite.
    """

    kind: ClassVar[str] = "mean"
    summary: ClassVar[str] = (
        "sets neurons to their mean over a reference, or over the words of label=, perhaps moved away from "
        "that of against= by beta= distances"
    )

    label: str | None = None
    against: str | None = None
    beta: float | None = None

    def __post_init__(self) -> None:
        if (self.against is None) != (self.beta is None):
            raise ParameterError(
                "mean takes against and beta together, e.g. mean(label=A, against=B, beta=1.0)"
            )
        if self.against is not None and (self.label is None or self.label == self.against):
            raise ParameterError("mean needs a label that differs from against, e.g. label=A, against=B")
        require_finite(self.kind, beta=self.beta)

    @property
    def statistics(self) -> frozenset[str]:
        """The mean."""
        return frozenset({"mean"})

    def at(self, reference: SiteReference) -> Change:
        """Return the edit of the reference's neurons."""
        mean = reference.statistic("mean", self.label)
        if self.against is None or self.beta is None:
            return Constant(mean)
        return Constant(mean + self.beta * (mean - reference.statistic("mean", self.against)))
