"""The base of all edits: a kind with its parameters, as a value that prints, compares and is saved as JSON."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol

import numpy as np
from torch import Tensor

from onegrain.models.passing import Position

__all__ = ["Change", "NeuronEdit", "SiteReference"]


class SiteReference(Protocol):
    """Reference statistics of some neurons of one site, and their values at paired sentences."""

    units: np.ndarray

    def statistic(self, name: str, label: str | None = None) -> np.ndarray:
        """Return a statistic of each neuron, float64 (neurons,), over all words or the words of a label.

        Raises:
            ParameterError: there is no reference, or it lacks the statistic or the label.
        """

    def samples(self) -> np.ndarray:
        """Return the values at some words of the reference, float32 (words, neurons).

        Raises:
            ParameterError: there is no reference, or it was measured without samples.
        """

    def paired(self, sentence: int) -> Tensor:
        """Return the values on the paired sentence, (subwords, neurons), the first subword first.

        Raises:
            ParameterError: no paired sentences were given.
        """


class Change(ABC):
    """An edit of some neurons of one site, ready to run."""

    @property
    def needs_position(self) -> bool:
        """True if the new values depend on what is read at a position, not on the values alone."""
        return False

    @abstractmethod
    def __call__(self, values: Tensor, position: Position | None) -> Tensor:
        """Return the new values.

        Args:
            values: the neurons' values, (rows, time, neurons), or (rows, neurons) in a step of a decoder; they
                are not overwritten.
            position: what the pass reads; None if the site was passed before the model itself was.

        Returns:
            A tensor that broadcasts to the shape of the values, of the same dtype and on the same device.
        """

    def inside(self, values: Tensor) -> Tensor | None:
        """Return a mask, bool like the values, of those that the edit is for; None for all."""
        return None


@dataclass(frozen=True)
class NeuronEdit(ABC):
    """A way to change neurons, with its parameters. Each kind is one subclass, one file and one entry in EDITS.

    Two edits are equal if their kind and parameters are. ``str(edit)`` is what the command line takes:
    ``zero`` or ``clamp(value=3.0)``; :func:`onegrain.interventions.edits.registry.parse_edit` reads it.
    """

    kind: ClassVar[str]
    summary: ClassVar[str]
    """Description of the edit in a few words, for help texts."""

    @abstractmethod
    def at(self, reference: SiteReference) -> Change:
        """Return the edit of some neurons of one site.

        Raises:
            ParameterError: the edit needs something that the reference lacks.
        """

    @property
    def statistics(self) -> frozenset[str]:
        """The statistics of the reference that the edit needs; empty if it needs no reference."""
        return frozenset()

    @property
    def needs_samples(self) -> bool:
        """True if the edit needs values at single words of the reference."""
        return False

    @property
    def needs_pairs(self) -> bool:
        """True if the edit needs a paired sentence for each sentence."""
        return False

    def parameters(self) -> dict[str, Any]:
        """Return the parameters that are not None, by name."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def to_json(self) -> dict[str, Any]:
        """Return kind and parameters as plain values; edits inside an edit likewise."""
        plain = {
            name: value.to_json() if isinstance(value, NeuronEdit) else value
            for name, value in self.parameters().items()
        }
        return {"kind": self.kind, **plain}

    def __str__(self) -> str:
        parts = [
            f"{name}={value if isinstance(value, NeuronEdit) else repr(value)}"
            for name, value in self.parameters().items()
        ]
        return f"{self.kind}({', '.join(parts)})" if parts else self.kind
