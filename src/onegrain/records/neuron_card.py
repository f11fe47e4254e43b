"""The card of one neuron: its fields, and their validation."""

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
"""A score, or None if the method has none. In JSON an infinite score is the text ``Infinity``."""

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    """A part of a card: immutable, and without other fields than those declared."""

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
    """The words and contexts that move a neuron most in one direction, strongest first."""

    words: tuple[CardWord, ...]
    contexts: tuple[CardContext, ...]


class CardStatistics(_Part):
    """Statistics of a neuron's values over the words that have an activation.

    Attributes:
        words: the number of these words.
        mean, std, minimum, maximum: statistics of its values; ``std`` is that of the population.
        share_positive, share_negative: the shares of the words at which it is above and below 0.
        constant: True if it never changes.
    """

    words: Annotated[int, Field(ge=1)]
    mean: FiniteFloat
    std: Annotated[FiniteFloat, Field(ge=0.0)]
    minimum: FiniteFloat
    maximum: FiniteFloat
    share_positive: Share
    share_negative: Share
    constant: bool

    @classmethod
    def of_moments(cls, words: int, moments: tuple[float, float, float, float, int, int]) -> CardStatistics:
        """Return the statistics of a neuron from what one pass over its values gives.

        Args:
            words: number of words that have an activation.
            moments: mean, standard deviation, minimum, maximum, and numbers of words above and below 0.
        """
        mean, std, minimum, maximum, above, below = moments
        return cls(
            words=words,
            mean=mean,
            std=std,
            minimum=minimum,
            maximum=maximum,
            share_positive=above / words,
            share_negative=below / words,
            constant=std == 0,
        )

    @model_validator(mode="after")
    def _agree(self) -> CardStatistics:
        if self.minimum > self.maximum:
            raise ValueError("minimum is above maximum")
        if len({self.constant, self.std == 0, self.minimum == self.maximum}) > 1:
            raise ValueError("constant, std, minimum and maximum contradict each other")
        return self


class CardPlace(_Part):
    """The place of a neuron in a ranking: its rank from 1, whether the method ranks it, and its scores."""

    rank: Annotated[int, Field(ge=1)]
    ranked: bool
    score: Score
    label_scores: dict[str, Score]


class NeuronCard(_Part):
    """A card of one neuron.

    Attributes:
        site, unit: the neuron.
        statistics: statistics of its values.
        high, low: the words and contexts that move it most, up and down.
        rankings: its place in each ranking of its site, by the ranking's name in the file.
    """

    site: Annotated[str, Field(min_length=1)]
    unit: Count
    statistics: CardStatistics
    high: CardDirection
    low: CardDirection
    rankings: dict[str, CardPlace]

    @property
    def name(self) -> str:
        """The neuron as ``site:unit``."""
        return f"{self.site}:{self.unit}"
