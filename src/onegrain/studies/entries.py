"""The tables that every study file has, and the base of those that stages add."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

__all__ = ["LANGUAGES", "CorpusSource", "Entry", "ModelSource", "SandboxSource", "StageEntry", "existing"]

LANGUAGES = ("source_language", "target_language")


class Entry(BaseModel):
    """Base of every table of a study file: unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SandboxSource(Entry):
    """A corpus of the sandbox language; see :func:`onegrain.synthetic.sandbox_parts` for the arguments.

    Attributes:
        take: ``valid``, ``test``, or the number of the training part, from 0.
        pairs: in place of ``take``, ``number``, ``tense`` or ``gender``: ``held_out`` minimal pairs; see
            :func:`onegrain.sandbox_pairs`.
    """

    take: Literal["valid", "test"] | int | None = None
    pairs: Literal["number", "tense", "gender"] | None = None
    parts: int = 3
    sentences: int = 4000
    held_out: int = 500
    seed: int = 0
    language: str = "en"
    parallel: str | None = None

    @model_validator(mode="after")
    def _one_choice(self) -> SandboxSource:
        if (self.take is None) == (self.pairs is None):
            raise ValueError("give one of: take, pairs")
        return self

    @model_serializer(mode="wrap")
    def _without_unused_pairs(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out ``pairs`` unless it is chosen, so that records made before it existed are still valid."""
        content: dict[str, Any] = handler(self)
        return content if self.pairs is not None else {k: v for k, v in content.items() if k != "pairs"}


class CorpusSource(Entry):
    """The source of a corpus: a file, a pair of files, or the sandbox language.

    Attributes:
        path: a corpus file, relative to the data folder.
        labels, format, columns: as :func:`onegrain.corpora.read_corpus` takes them.
        source, target: two parallel files with one sentence per line, in place of ``path``.
        sandbox: the sandbox language, in place of files.
        lower: convert the words to lower case.
        part: (k, n): every n-th sentence, starting with the k-th; k counts from 1.
        limit: the largest number of sentences, applied after ``part``.
        annotate: further label layers of the (source) words by their form: the words of each label, or the name
            of a corpus with the layer, whose words nearly always have one label
            (:func:`onegrain.value_lexicon`).
    """

    path: str | None = None
    labels: dict[str, str] | None = None
    format: str | None = None
    columns: tuple[str, ...] | None = None
    source: str | None = None
    target: str | None = None
    sandbox: SandboxSource | None = None
    lower: bool = False
    part: tuple[int, int] | None = None
    limit: int | None = Field(default=None, ge=1)
    annotate: dict[str, str | dict[str, tuple[str, ...]]] = Field(default_factory=dict)

    @property
    def lexicons(self) -> tuple[str, ...]:
        """The names of the corpora from which words are annotated."""
        return tuple(source for source in self.annotate.values() if isinstance(source, str))

    @model_validator(mode="after")
    def _one_origin(self) -> CorpusSource:
        pair = self.source is not None and self.target is not None
        if (self.source is None) != (self.target is None):
            raise ValueError("source and target go together")
        if [self.path is not None, pair, self.sandbox is not None].count(True) != 1:
            raise ValueError("give one of: path; source and target; sandbox")
        if self.part is not None and not 1 <= self.part[0] <= self.part[1]:
            raise ValueError("part = [k, n] needs 1 <= k <= n")
        for layer, source in self.annotate.items():
            words = (
                [word for listed in source.values() for word in listed] if isinstance(source, dict) else [""]
            )
            if not words or len(set(words)) < len(words):
                raise ValueError(f"annotate.{layer} needs words, each with one label")
        return self

    @model_serializer(mode="wrap")
    def _without_unused_annotations(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out ``annotate`` unless it is used, so that records made before it existed are still valid."""
        content: dict[str, Any] = handler(self)
        return content if self.annotate else {k: v for k, v in content.items() if k != "annotate"}


class ModelSource(Entry):
    """A model: one to train (``kind``, ``train``, ``valid``), or one that exists (``path``).

    Attributes:
        path: a model folder, relative to the study file, or a hub id.
        source_language, target_language: languages of the model at ``path``, as :func:`onegrain.load_model`
            takes them.
        sites: glob patterns of the sites that are extracted; by default those that :func:`onegrain.extract`
            takes.
        kind: ``nlm`` or ``nmt``.
        train, valid: corpora to train and validate on.
        test: the corpus on which the model is measured.
        options: fields of :class:`onegrain.models.TrainingOptions`.
    """

    path: str | None = None
    source_language: str | None = None
    target_language: str | None = None
    sites: tuple[str, ...] | None = Field(default=None, min_length=1)
    kind: Literal["nlm", "nmt"] | None = None
    train: str | None = None
    valid: str | None = None
    test: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_origin(self) -> ModelSource:
        trained = self.kind is not None and self.train is not None and self.valid is not None
        if (self.path is not None) == trained:
            raise ValueError("give either path, or kind, train and valid")
        if self.path is None and self.languages:
            raise ValueError(f"{self.languages[0]} needs a path; a model that is trained has no languages")
        return self

    @property
    def languages(self) -> tuple[str, ...]:
        """The keys of the languages that the entry states."""
        return tuple(name for name in LANGUAGES if getattr(self, name) is not None)

    def recipe(self, *, exclude: set[str] | None = None) -> dict[str, Any]:
        """Return the entry as JSON-able data.

        Languages and sites that are not stated are left out, so that records made before a study could state
        them are still valid.
        """
        unstated = {name for name in (*LANGUAGES, "sites") if getattr(self, name) is None}
        return self.model_dump(mode="json", exclude=unstated | (exclude or set()))


class StageEntry(Entry, ABC):
    """Base of the entries of a table that a stage adds to the study file.

    Attributes:
        TABLE: the name of the table.
        models: the models that the stage works on.
    """

    TABLE: ClassVar[str]
    models: tuple[str, ...] = Field(min_length=1)

    @property
    @abstractmethod
    def corpora(self) -> tuple[str, ...]:
        """The names of the corpora that the entry mentions."""

    @property
    @abstractmethod
    def extracted(self) -> tuple[str, ...]:
        """The names of the corpora on which the activations of every model are read."""

    @property
    def divided(self) -> tuple[str, ...]:
        """The names of the corpora whose division into documents matters; none by default."""
        return ()

    @abstractmethod
    def check(self, where: str, tables: Mapping[str, Mapping[str, StageEntry]]) -> None:
        """Check that what the entry names in other tables exists and fits.

        Args:
            where: name of the entry in errors, e.g. ``ablations.perplexity``.
            tables: the tables of all stages, by name.

        Raises:
            ValueError: something that the entry names does not exist or does not fit.
        """


def existing(*names: str | None) -> tuple[str, ...]:
    """Return the names that are not None."""
    return tuple(name for name in names if name is not None)
