"""One neuron's card: the fields, and what a valid one is like."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    PlainSerializer,
    model_validator,
)

__all__ = ["CardContext", "CardDirection", "CardPlace", "CardStatistics", "CardWord", "NeuronCard"]

INFINITIES = {"Infinity": math.inf, "-Infinity": -math.inf}


def _score_from_json(value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):
        raise ValueError("a score that is missing is null, not NaN")
    return INFINITIES.get(value, value) if isinstance(value, str) else value


def _score_to_json(value: float | None) -> float | str | None:
    return next((name for name, number in INFINITIES.items() if value == number), value)


Score = Annotated[
    Annotated[float, Field(strict=True)] | None,
    BeforeValidator(_score_from_json),
    PlainSerializer(_score_to_json, when_used="json"),
]
"""A score; None where the method has none; an infinite one is the text ``Infinity`` in JSON."""

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    """Not to be changed, and without fields that are not named."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CardWord(_Part):
    """A word type, how often it occurs, and its mean deviation from the neuron's mean (in its std)."""

    word: str
    count: Annotated[int, Field(ge=1)]
    deviation: FiniteFloat


class CardContext(_Part):
    """One word in its sentence: the neuron's value there, and up to six words on both sides."""

    word: str
    deviation: FiniteFloat
    value: FiniteFloat
    sentence: Count
    position: Count
    left: str
    right: str


class CardDirection(_Part):
    """What moves a neuron furthest in one direction, strongest first."""

    words: tuple[CardWord, ...]
    contexts: tuple[CardContext, ...]


class CardStatistics(_Part):
    """What a neuron's values are like over the words that have an activation.

    Attributes:
        words: how many.
        mean, std, minimum, maximum: of its values; ``std`` is that of the population.
        share_positive, share_negative: part of the words at which it is above and below 0.
        constant: whether it never changes.
    """

    words: Annotated[int, Field(ge=1)]
    mean: FiniteFloat
    std: Annotated[FiniteFloat, Field(ge=0.0)]
    minimum: FiniteFloat
    maximum: FiniteFloat
    share_positive: Share
    share_negative: Share
    constant: bool

    @model_validator(mode="after")
    def _agree(self) -> CardStatistics:
        if self.minimum > self.maximum:
            raise ValueError("minimum is above maximum")
        if len({self.constant, self.std == 0, self.minimum == self.maximum}) > 1:
            raise ValueError("constant, std, minimum and maximum contradict each other")
        return self


class CardPlace(_Part):
    """Where a ranking has a neuron: its rank from 1, whether it is really ranked, and its scores."""

    rank: Annotated[int, Field(ge=1)]
    ranked: bool
    score: Score
    label_scores: dict[str, Score]


class NeuronCard(_Part):
    """What is known of one neuron.

    Attributes:
        site, unit: which neuron of the model.
        statistics: of its values.
        high, low: the words and contexts that move it most, up and down.
        rankings: by the ranking's name in the file, its place there; a ranking of other sites has none.
    """

    site: Annotated[str, Field(min_length=1)]
    unit: Count
    statistics: CardStatistics
    high: CardDirection
    low: CardDirection
    rankings: dict[str, CardPlace]

    @property
    def name(self) -> str:
        """``site:unit``."""
        return f"{self.site}:{self.unit}"
