"""Options for how neurons are edited in the running model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from onegrain.cli.options.headings import ABLATION

__all__ = ["EditingOptions", "OpenedEdit", "Recurrent", "open_reference"]

Recurrent = Annotated[
    bool,
    typer.Option("--recurrent", help="Edit the state of LSTM layers too.", rich_help_panel=ABLATION),
]


@dataclass(frozen=True)
class EditingOptions:
    """The options for an edit, and for the reference that it takes its values from."""

    edit: Annotated[
        str,
        typer.Option(
            help="Edit of the neurons: zero, mean, mode, resample, optimal, clamp(value=3.0), ...",
            rich_help_panel=ABLATION,
        ),
    ] = "zero"
    reference: Annotated[
        str | None,
        typer.Option(
            help="Store of the model's activations, or statistics of its neurons, for edits that need one.",
            rich_help_panel=ABLATION,
        ),
    ] = None

    def opened(self) -> OpenedEdit:
        """Return the options with the reference opened."""
        return OpenedEdit(self.edit, open_reference(self.reference))


@dataclass(frozen=True, eq=False)
class OpenedEdit:
    """An edit as text, with the activations or statistics that it takes its values from, or None."""

    edit: str
    reference: Any

    def arguments(self) -> dict[str, Any]:
        """Return the keywords of the functions that edit."""
        return {"edit": self.edit, "reference": self.reference}

    def identity(self) -> list[Any]:
        """Return what identifies the edit, for the hash of a request."""
        return [self.edit, None if self.reference is None else self.reference.provenance]


def open_reference(place: str | None) -> Any:
    """Return the activations or the statistics at a place; None without a place.

    Raises:
        ParameterError: the place holds another record.
    """
    from onegrain.errors import ParameterError
    from onegrain.library import load
    from onegrain.records.activations import Activations
    from onegrain.records.statistics import NeuronStatistics

    if place is None:
        return None
    record = load(place)
    if not isinstance(record, Activations | NeuronStatistics):
        raise ParameterError(
            f"{place} holds neither activations nor statistics of neurons, but a {type(record).__name__}; give "
            "a store, or what onegrain constants writes"
        )
    return record
