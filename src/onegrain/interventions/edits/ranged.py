"""The edit ``range``: another edit, only where a neuron's value lies in a range."""

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

__all__ = ["Range"]


@dataclass(frozen=True)
class Range(NeuronEdit):
    """Edit a neuron only where its value lies in a range, for example that of one label.

    Attributes:
        edit: the edit.
        low: least value of the range; None for no bound.
        high: largest value of the range; None for no bound.
        label: a label of the reference, in place of bounds: the range is the neuron's mean over the label's
            words, plus and minus ``deviations`` standard deviations over them (arXiv 2502.06809).
        deviations: half the width of a label's range in standard deviations.

    Raises:
        ParameterError: neither a bound nor a label is given, or both; a number is not finite; the range is
            empty.
    """

    kind: ClassVar[str] = "range"
    summary: ClassVar[str] = (
        "another edit=, only where values lie from low= to high=, or in the range of label="
    )

    edit: NeuronEdit
    low: float | None = None
    high: float | None = None
    label: str | None = None
    deviations: float = 2.5

    def __post_init__(self) -> None:
        if not isinstance(self.edit, NeuronEdit):
            raise ParameterError(f"range needs another edit, e.g. range(edit=zero, low=1.0), got {self.edit!r}")
        bounded = self.low is not None or self.high is not None
        if bounded == (self.label is not None):
            raise ParameterError("range needs either bounds (low, high) or a label")
        require_finite(self.kind, low=self.low, high=self.high, deviations=self.deviations)
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ParameterError(f"the range from {self.low} to {self.high} is empty")
        if self.deviations <= 0:
            raise ParameterError(f"deviations of range must be above 0, got {self.deviations}")

    @property
    def statistics(self) -> frozenset[str]:
        """The statistics that the inner edit needs; mean and deviation for the range of a label."""
        of_range = frozenset() if self.label is None else frozenset({"mean", "deviation"})
        return self.edit.statistics | of_range

    @property
    def needs_samples(self) -> bool:
        """True if the inner edit needs them."""
        return self.edit.needs_samples

    @property
    def needs_pairs(self) -> bool:
        """True if the inner edit needs them."""
        return self.edit.needs_pairs

    def at(self, reference: SiteReference) -> Change:
        """Return the edit of the reference's neurons."""
        size = len(reference.units)
        if self.label is None:
            low = np.full(size, -np.inf if self.low is None else self.low)
            high = np.full(size, np.inf if self.high is None else self.high)
        else:
            mean = reference.statistic("mean", self.label)
            reach = self.deviations * reference.statistic("deviation", self.label)
            low, high = mean - reach, mean + reach
        return _Ranged(self.edit.at(reference), low, high)


class _Ranged(Change):
    """A change of the values that lie in each neuron's range, both ends included."""

    def __init__(self, change: Change, low: np.ndarray, high: np.ndarray) -> None:
        self._change, self._low, self._high = change, torch.from_numpy(low), torch.from_numpy(high)

    @property
    def needs_position(self) -> bool:
        """True: padding may lie in the range, and does not count as edited."""
        return True

    def __call__(self, values: Tensor, position: Position | None) -> Tensor:
        """Return the changed values; :meth:`inside` says which of them count."""
        return self._change(values, position)

    def inside(self, values: Tensor) -> Tensor | None:
        """Return the mask of the values in the range."""
        mask = (values >= self._low.to(values)) & (values <= self._high.to(values))
        inner = self._change.inside(values)
        return mask if inner is None else mask & inner
