"""The state of a sweep, which its address spells out, and the choice among things by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypeVar

from pydantic import Field

from onegrain.explorer.addresses import PageQuery
from onegrain.explorer.errors import NotFoundError

__all__ = ["SweepQuery", "chosen_by_name"]

SweepKind = Literal["zero", "mean", "mode", "resample"]
SweepLine = Literal["top", "bottom", "random", "keep"]


class SweepQuery(PageQuery):
    """The state of a sweep: what is swept and measured, or the job that does it."""

    model: str = Field("", max_length=400, description="The model, by its name; the first by default.")
    ranking: tuple[str, ...] = Field((), max_length=8, description="Rankings of the model, by their names.")
    kind: tuple[SweepKind, ...] = Field(("zero",), min_length=1, max_length=4, description="Kinds of edits.")
    measure: str = Field("", max_length=500, description="METRIC@CORPUS; the first on offer by default.")
    line: tuple[SweepLine, ...] = Field(
        ("top", "bottom", "random"), min_length=1, max_length=4, description="Lines of the sweep."
    )
    steps: int = Field(8, ge=1, le=50, description="Points of each line besides the intact model.")
    orders: int = Field(3, ge=1, le=20, description="Number of random orders.")
    sentences: int = Field(200, ge=2, le=5000, description="Largest number of sentences to measure on.")
    job: str = Field("", max_length=40, description="A sweep that was started.")


class Named(Protocol):
    """Something with a name."""

    @property
    def name(self) -> str:
        """The name."""


Choice = TypeVar("Choice", bound=Named)


def chosen_by_name(choices: Sequence[Choice], name: str, unknown: str) -> Choice | None:
    """Return the choice that a state names, else the first; None without choices.

    Args:
        choices: what can be chosen.
        name: the name in the state; empty if it names none.
        unknown: the message if nothing has this name.

    Raises:
        NotFoundError: no choice has the name.
    """
    if not name:
        return choices[0] if choices else None
    for choice in choices:
        if choice.name == name:
            return choice
    raise NotFoundError(unknown)
