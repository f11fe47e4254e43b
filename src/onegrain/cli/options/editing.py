"""Options for how neurons are edited in the running model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onegrain.cli.options.headings import ABLATION

if TYPE_CHECKING:
    from onegrain.interventions import Where

__all__ = [
    "EDIT_HELP",
    "EditingOptions",
    "OpenedEdit",
    "PlaceOptions",
    "Recurrent",
    "Reference",
    "WhereOptions",
    "open_reference",
]

EDIT_HELP = "Edit of the neurons: zero, mean, mode, resample, optimal, clamp(value=3.0), ..."
EditText = Annotated[str, typer.Option("--edit", help=EDIT_HELP, rich_help_panel=ABLATION)]
Reference = Annotated[
    str | None,
    typer.Option(
        "--reference",
        help="Store of the model's activations, or statistics of its neurons, for edits that need one.",
        rich_help_panel=ABLATION,
    ),
]
AtWords = Annotated[
    str | None,
    typer.Option("--at-words", help="Edit only the words with a label, LAYER=LABEL.", rich_help_panel=ABLATION),
]
AtPositions = Annotated[
    str | None,
    typer.Option(
        "--at-positions",
        help="Edit only these positions of subwords, comma-separated, from 0 at the first or -1 at the last.",
        rich_help_panel=ABLATION,
    ),
]
AtPart = Annotated[
    str | None,
    typer.Option(
        "--at-part",
        help="Edit only a part of a generated text: prompt or generated.",
        rich_help_panel=ABLATION,
    ),
]

Recurrent = Annotated[
    bool,
    typer.Option("--recurrent", help="Edit the state of LSTM layers too.", rich_help_panel=ABLATION),
]


@dataclass(frozen=True)
class EditingOptions:
    """The options for an edit, and for the reference that it takes its values from."""

    edit: EditText = "zero"
    reference: Reference = None

    def opened(self) -> OpenedEdit:
        """Return the options with the reference opened."""
        return OpenedEdit(self.edit, open_reference(self.reference))


@dataclass(frozen=True)
class WhereOptions:
    """The options for the positions at which an edit applies."""

    at_words: AtWords = None
    at_positions: AtPositions = None
    at_part: AtPart = None

    def where(self) -> Where:
        """Return where the edit applies."""
        from onegrain.interventions import Where

        positions = None if self.at_positions is None else _positions(self.at_positions)
        part: Any = self.at_part
        return Where(words=self.at_words, positions=positions, part=part)


@dataclass(frozen=True)
class PlaceOptions(WhereOptions):
    """The options for where an edit applies, also inside recurrent layers."""

    recurrent: Recurrent = False


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


def _positions(text: str) -> tuple[int, ...]:
    from onegrain.errors import ParameterError

    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ParameterError(
            f"--at-positions takes whole numbers with commas between them, got {text!r}"
        ) from None
