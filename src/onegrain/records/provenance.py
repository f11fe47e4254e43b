"""The Provenance record: what a result was made from, so that another person can make it again."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from onegrain.errors import MismatchError
from onegrain.records.corpus import Corpus

__all__ = ["CorpusIdentity", "ModelIdentity", "Provenance", "package_version"]


def package_version() -> str:
    """The version of onegrain that is running."""
    from importlib.metadata import version

    return version("onegrain")


class CorpusIdentity(BaseModel):
    """Which corpus: where it came from, and the hash of its words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    content_hash: str
    n_sentences: int
    n_words: int

    @classmethod
    def of(cls, corpus: Corpus) -> CorpusIdentity:
        """The identity of a corpus in memory."""
        return cls(
            source=corpus.source,
            content_hash=corpus.content_hash,
            n_sentences=corpus.n_sentences,
            n_words=corpus.n_words,
        )


class ModelIdentity(BaseModel):
    """Which model: the folder or hub id it was loaded from, its class, and the SHA-256 of its weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    architecture: str
    weight_hash: str


class Provenance(BaseModel):
    """What a record was made from. Holds no time and no machine: the same input gives the same bytes.

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
        """The dictionaries whose latents the record is about, by the latents' site: their identities.

        Its own, else those of its first input; empty where it is about neurons of the model itself.
        """
        record = self
        while "dictionaries" not in record.parameters and record.inputs:
            record = record.inputs[0]
        return dict(record.parameters.get("dictionaries", {}))

    def subject(self) -> ModelIdentity | None:
        """The model that the record is about: its own, else that of its first input."""
        record = self
        while record.model is None:
            if not record.inputs:
                return None
            record = record.inputs[0]
        return record.model

    def made_by(self, stage: str) -> Provenance:
        """The record of a stage that this one is, or was derived from by its first inputs; else this one."""
        record = self
        while record.stage != stage:
            if not record.inputs:
                return self
            record = record.inputs[0]
        return record

    def require_same_model(self, what: str, other: Provenance, that: str) -> None:
        """Raise MismatchError where this record and another name different models or dictionaries.

        Args:
            what: this record, for the message.
            other: of another record.
            that: that record, for the message.
        """
        own, theirs = self.subject(), other.subject()
        if own is not None and theirs is not None and own.weight_hash != theirs.weight_hash:
            raise MismatchError(
                f"{what}: of {own.id} (weights {own.weight_hash[:12]}); {that}: of {theirs.id} (weights "
                f"{theirs.weight_hash[:12]}); neurons of different models do not belong together"
            )
        told = other.dictionaries()
        for site, identity in self.dictionaries().items():
            if told.get(site, identity) != identity:
                raise MismatchError(
                    f"{what}: latents of dictionary {identity[:12]} at {site!r}; {that}: of dictionary "
                    f"{told[site][:12]}; latents of different dictionaries do not belong together"
                )
