"""The Provenance record: what a result was made from, so that another person can make it again."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from onegrain.errors import MismatchError
from onegrain.records.corpus import Corpus

__all__ = ["CorpusIdentity", "ModelIdentity", "Provenance", "package_version"]


def package_version() -> str:
    """Return the version of onegrain that is running."""
    from importlib.metadata import version

    return version("onegrain")


class CorpusIdentity(BaseModel):
    """The identity of a corpus: where it came from, and the hash of its words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    content_hash: str
    n_sentences: int
    n_words: int

    @classmethod
    def of(cls, corpus: Corpus) -> CorpusIdentity:
        """Return the identity of a corpus in memory."""
        return cls(
            source=corpus.source,
            content_hash=corpus.content_hash,
            n_sentences=corpus.n_sentences,
            n_words=corpus.n_words,
        )


class ModelIdentity(BaseModel):
    """The identity of a model: the folder or hub id it was loaded from, its class, and its weights' SHA-256."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    architecture: str
    weight_hash: str


class Provenance(BaseModel):
    """A record of what a result was made from, without time or machine: the same input gives the same bytes.

    Attributes:
        stage: the verb that made the record: ``extract``, ``rank``, ``ablate``, ...
        parameters: every parameter of that verb which the result depends on.
        inputs: the provenance of the records that it read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: str
    version: str = Field(default_factory=package_version)
    model: ModelIdentity | None = None
    corpus: CorpusIdentity | None = None
    sites: tuple[str, ...] = ()
    parameters: dict[str, Any] = Field(default_factory=dict)
    seed: int | None = None
    inputs: tuple[Provenance, ...] = ()

    @field_validator("parameters")
    @classmethod
    def _dictionaries_are_identities(cls, parameters: dict[str, Any]) -> dict[str, Any]:
        named = parameters.get("dictionaries", {})
        if not isinstance(named, dict) or not all(
            isinstance(text, str) for pair in named.items() for text in pair
        ):
            raise ValueError("dictionaries are not identities by site")
        return parameters

    def dictionaries(self) -> dict[str, str]:
        """Return the identities of the dictionaries whose latents the record is about, by the latents' site.

        They are those of this record, else of its first input; none if it is about neurons of the model itself.
        """
        record = self
        while "dictionaries" not in record.parameters and record.inputs:
            record = record.inputs[0]
        return dict(record.parameters.get("dictionaries", {}))

    def subject(self) -> ModelIdentity | None:
        """Return the model that the record is about: that of this record, else of its first input."""
        record = self
        while record.model is None:
            if not record.inputs:
                return None
            record = record.inputs[0]
        return record.model

    def made_by(self, stage: str) -> Provenance:
        """Return the first record of a stage among this one and its first inputs; this one if there is none."""
        record = self
        while record.stage != stage:
            if not record.inputs:
                return self
            record = record.inputs[0]
        return record

    def require_same_model(self, what: str, other: Provenance, that: str) -> None:
        """Raise MismatchError if this record and another name different models or dictionaries.

        Args:
            what: the name of this record in the message.
            other: the provenance of the other record.
            that: the name of the other record in the message.
        """
        model, other_model = self.subject(), other.subject()
        if model is not None and other_model is not None and model.weight_hash != other_model.weight_hash:
            raise MismatchError(
                f"{what}: of {model.id} (weights {model.weight_hash[:12]}); {that}: of {other_model.id} "
                f"(weights {other_model.weight_hash[:12]}); neurons of different models do not belong together"
            )
        identities = other.dictionaries()
        for site, identity in self.dictionaries().items():
            if identities.get(site, identity) != identity:
                raise MismatchError(
                    f"{what}: latents of dictionary {identity[:12]} at {site!r}; {that}: of dictionary "
                    f"{identities[site][:12]}; latents of different dictionaries do not belong together"
                )
