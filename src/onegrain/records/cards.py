"""The NeuronCards record: what is known about single neurons, in one JSON file to share."""

from __future__ import annotations

import json
import os
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from onegrain.core.describing import Described
from onegrain.core.sealing import CHECKSUM, read_json, reading, require_checksum, write_sealed_json
from onegrain.errors import MismatchError, ParameterError, RecordError
from onegrain.records.activations import Activations
from onegrain.records.neuron_card import NeuronCard
from onegrain.records.provenance import CorpusIdentity, ModelIdentity, Provenance

__all__ = ["SCHEMA_VERSION", "CardRanking", "NeuronCards"]

KIND = "neuron cards"
SCHEMA_VERSION = 1
"""The version that is written; files of later versions are refused."""


class CardRanking(BaseModel):
    """A ranking that cards cite, and what it was made from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str
    layer: str | None
    labels: tuple[str, ...]
    neurons: Annotated[int, Field(ge=1)]
    n_ranked: Annotated[int, Field(ge=0)]
    provenance: Provenance


class NeuronCards(Described, BaseModel):
    """Cards of some neurons of one model on one corpus.

    Attributes:
        record: ``neuron cards``.
        schema_version: the version of the file format.
        model: the model that the neurons belong to; None if the activations do not say.
        corpus: the words that the statistics are of.
        rankings: the rankings that the cards cite, by name.
        cards: one card per neuron, in the order in which they were requested.
        provenance: provenance of the record.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    record: Literal["neuron cards"] = "neuron cards"
    schema_version: Literal[1] = 1
    model: ModelIdentity | None
    corpus: CorpusIdentity
    rankings: dict[str, CardRanking]
    cards: tuple[NeuronCard, ...]
    provenance: Provenance

    @model_validator(mode="after")
    def _agree(self) -> NeuronCards:
        if (self.model, self.corpus) != (self.provenance.subject(), self.provenance.corpus):
            raise ValueError("model and corpus are not those of provenance")
        names = [card.name for card in self.cards]
        if len(set(names)) < len(names):
            raise ValueError("cards has a neuron twice")
        for card in self.cards:
            for name, place in card.rankings.items():
                ranking = self.rankings.get(name)
                if ranking is None:
                    raise ValueError(f"cards: {card.name} cites a ranking {name!r} that rankings lacks")
                if place.rank > ranking.neurons or place.ranked != (place.rank <= ranking.n_ranked):
                    raise ValueError(f"cards: the rank of {card.name} in {name!r} is outside the ranking")
                if tuple(place.label_scores) not in ((), ranking.labels):
                    raise ValueError(f"cards: the label_scores of {card.name} in {name!r} are of other labels")
        return self

    def __len__(self) -> int:
        return len(self.cards)

    def card(self, name: str) -> NeuronCard:
        """Return the card of a neuron written ``site:unit``."""
        for card in self.cards:
            if card.name == name:
                return card
        raise ParameterError(
            f"no card of {name!r}; the cards are of {', '.join(card.name for card in self.cards)}"
        )

    def require_model(self, identity: ModelIdentity) -> None:
        """Raise MismatchError unless the cards are of a model with these weights, or do not name a model."""
        self.provenance.require_same_model("cards", Provenance(stage="model", model=identity), "model")

    def require_of(self, activations: Activations) -> None:
        """Raise MismatchError unless activations have the neurons of the cards, of the same model.

        Their words may differ. If either does not name its model, only sites and units are compared.
        """
        self.provenance.require_same_model("cards", activations.provenance, activations.describe())
        widths = dict(zip(activations.space.sites, activations.space.widths, strict=True))
        for card in self.cards:
            if card.unit >= widths.get(card.site, 0):
                raise MismatchError(
                    f"cards: neuron {card.name} is not in {activations.describe()}, which has "
                    f"{activations.space.describe()}"
                )

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per card: site, unit, statistics, ``rank:NAME`` and ``score:NAME`` of each ranking."""
        rows = []
        for card in self.cards:
            row: dict[str, Any] = {"site": card.site, "unit": card.unit, **card.statistics.model_dump()}
            for name in self.rankings:
                place = card.rankings.get(name)
                row |= {f"rank:{name}": place and place.rank, f"score:{name}": place and place.score}
            rows.append(row)
        return pd.DataFrame(rows)

    def summary(self) -> dict[str, Any]:
        """Return the facts: the model and corpus of the cards, and the rankings they cite."""
        return {
            "record": self.record,
            "schema version": self.schema_version,
            "model": self.model.id if self.model else None,
            "weights": self.model.weight_hash if self.model else None,
            "corpus": self.corpus.source,
            "words": self.corpus.n_words,
            "rankings": [
                f"{name} ({ranking.method}{f', {ranking.layer}' if ranking.layer else ''})"
                for name, ranking in self.rankings.items()
            ],
        }

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return one row per card."""
        return {"cards": self.to_pandas()}

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write the record as one JSON file with its checksum; the same record gives the same bytes."""
        write_sealed_json(path, self.model_dump(mode="json"), force=force)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> NeuronCards:
        """Read a record that :meth:`save` wrote, perhaps elsewhere.

        Raises:
            RecordError: the file holds another record or a later schema version, has an invalid field, which
                the message names, or differs from its checksum.
        """
        content = read_json(path, KIND)
        if content.get("record") != KIND:
            raise RecordError(f"{path} is JSON, but not neuron cards: its record is not {KIND!r}")
        version = content.get("schema_version")
        if version is None:
            raise RecordError(f"{path}: schema_version: Field required")
        if isinstance(version, int) and version > SCHEMA_VERSION:
            raise RecordError(
                f"{path}: schema_version is {version}, and this onegrain reads up to {SCHEMA_VERSION}; install "
                "a newer one"
            )
        with reading(path, KIND):
            try:
                fields = {key: value for key, value in content.items() if key != CHECKSUM}
                cards = cls.model_validate_json(json.dumps(fields), strict=True)
            except ValidationError as error:
                raise RecordError(f"{path}: {_first_error(error)}") from error
            require_checksum(path, KIND, content)
        return cards


def _first_error(error: ValidationError) -> str:
    """Return which field is invalid, and why, in one line."""
    faults = error.errors(include_url=False, include_input=False)
    first = faults[0]
    field = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    more = f" (and {len(faults) - 1} more fields)" if len(faults) > 1 else ""
    return f"{field}: {message}{more}" if field else message + more
