"""The state of an edit, which its address spells out: neurons, kind, place and text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from onegrain.explorer.addresses import LONGEST_NAME, PageQuery

__all__ = ["KINDS", "OPTIMAL", "PLACES", "EditQuery", "Kind"]

MOST_NAMED = 200
MOST_RANKED = 1_000_000
OPTIMAL = "optimal"

KindName = Literal[
    "zero", "mean", "mode", "resample", "clamp", "scale", "add", "interchange", "optimal", "other"
]
PlaceName = Literal["everywhere", "label", "regex", "positions", "prompt", "generated"]


@dataclass(frozen=True)
class Kind:
    """A kind of edit.

    Attributes:
        name: its name in addresses.
        title: what it does, in a few words.
        explanation: one sentence.
    """

    name: KindName
    title: str
    explanation: str


KINDS = (
    Kind("zero", "Set to zero", "The neurons give 0, as if they were silent."),
    Kind("clamp", "Set to a value", "Each neuron gives the value of its slider at every place."),
    Kind("scale", "Multiply", "The values are multiplied: 0 silences them, −1 turns them round."),
    Kind("add", "Add", "A number is added to the values."),
    Kind("mean", "Set to the mean", "Each neuron gives its mean over the store, or over the words of a label."),
    Kind("mode", "Set to the mode", "Each neuron gives the value that it has most often in the store."),
    Kind("resample", "Resample", "The neurons give their values at words drawn from the store."),
    Kind(
        "interchange",
        "Take from a sentence",
        "The neurons give what they give at the same place of a second sentence with as many subwords.",
    ),
    Kind(
        "optimal",
        "Set to the best constant",
        "Each neuron gives the constant with which the model loses least, from a record of onegrain constants.",
    ),
    Kind("other", "Other", "Any edit as onegrain writes it, such as range(edit=zero, low=1)."),
)
"""The kinds of edits; ``optimal`` is on offer where a record has constants."""

PLACES: tuple[tuple[PlaceName, str], ...] = (
    ("everywhere", "everywhere"),
    ("label", "words with a label"),
    ("regex", "words that match"),
    ("positions", "positions"),
    ("prompt", "the prompt"),
    ("generated", "what is generated"),
)
"""Names and titles of the places on offer."""


class EditQuery(PageQuery):
    """The state of an edit: neurons, kind, place and text."""

    neuron: tuple[str, ...] = Field((), max_length=MOST_NAMED, description="Neurons besides the pinned ones.")
    ranking: str = Field(
        "", max_length=LONGEST_NAME, description="Ranking whose first neurons are edited too, by its name."
    )
    ranking_label: str = Field(
        "", max_length=LONGEST_NAME, description="Label of the ranking whose own order is used."
    )
    first: int = Field(10, ge=1, le=MOST_RANKED, description="Number of first neurons of the ranking.")
    kind: KindName = Field("clamp", description="Kind of edit.")
    value: tuple[Annotated[float, Field(allow_inf_nan=False)], ...] = Field(
        (),
        max_length=MOST_NAMED + 20,
        description="For clamp: the value of each neuron, or one for all; each neuron's maximum by default.",
    )
    strength: float = Field(
        100.0,
        ge=-1e4,
        le=1e4,
        description="For clamp: the value of each neuron of the ranking, in per cent of the way from its "
        "minimum over the store to its maximum.",
    )
    factor: float = Field(2.0, ge=-1e6, le=1e6, description="For scale: the factor.")
    amount: float = Field(1.0, ge=-1e6, le=1e6, description="For add: the number.")
    label: str = Field("", max_length=300, description="For mean: LAYER=LABEL, whose words give the mean.")
    pair: str = Field(
        "", max_length=100_000, description="For interchange: the sentence that the values are taken from."
    )
    constants: str = Field(
        "",
        max_length=LONGEST_NAME,
        description="For optimal: record of constants, by its name; the first by default.",
    )
    other: str = Field("", max_length=500, description="For other: the edit as text.")
    where: PlaceName = Field("everywhere", description="Where the edit applies.")
    words: str = Field("", max_length=300, description="For label: LAYER=LABEL.")
    regex: str = Field("", max_length=200, description="For regex: an expression that matches all of a word.")
    positions: str = Field("", max_length=200, description="For positions: numbers with commas between them.")
    text: str = Field("", max_length=100_000, description="The text; by default the sentence of the store.")
    sentence: int = Field(0, ge=0, description="Without a text: a sentence of the store.")
    max_new_tokens: int = Field(30, ge=1, le=200, description="Largest number of subwords to write.")
