"""What a study file says: corpora, models, probes, cross-model rankings, ablations; checked before any work."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from onegrain.errors import ParameterError

__all__ = [
    "Ablation",
    "CorpusSource",
    "CrossModel",
    "ModelSource",
    "Probe",
    "SandboxSource",
    "Study",
    "read_study",
]


class Entry(BaseModel):
    """Base of every table of a study file: unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SandboxSource(Entry):
    """A corpus of the sandbox language; see :func:`onegrain.corpora.sandbox_parts` for the arguments.

    Attributes:
        take: ``valid``, ``test``, or the training part's number, from 0.
    """

    take: Literal["valid", "test"] | int
    parts: int = 3
    sentences: int = 4000
    held_out: int = 500
    seed: int = 0
    language: str = "en"
    parallel: str | None = None


class CorpusSource(Entry):
    """Where a corpus comes from: a file, a pair of files, or the sandbox language.

    Attributes:
        path: a corpus file, relative to the data folder.
        labels, format, columns: as :func:`onegrain.corpora.read_corpus` takes them.
        source, target: two parallel files, one sentence a line, in place of ``path``.
        sandbox: the sandbox language, in place of files.
        lower: lower-case the words.
        part: (k, n): every n-th sentence, from the k-th, k from 1.
        limit: at most so many sentences (after ``part``).
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

    @model_validator(mode="after")
    def _one_origin(self) -> CorpusSource:
        pair = self.source is not None and self.target is not None
        if (self.source is None) != (self.target is None):
            raise ValueError("source and target go together")
        if [self.path is not None, pair, self.sandbox is not None].count(True) != 1:
            raise ValueError("give one of: path; source and target; sandbox")
        if self.part is not None and not 1 <= self.part[0] <= self.part[1]:
            raise ValueError("part = [k, n] needs 1 <= k <= n")
        return self


class ModelSource(Entry):
    """A model: one to train (``kind``, ``train``, ``valid``), or one that exists (``path``).

    Attributes:
        path: a model folder, relative to the study file, or a hub id.
        kind: ``nlm`` or ``nmt``.
        train, valid: corpora to train and validate on.
        test: the corpus on which the model is measured.
        options: fields of :class:`onegrain.models.TrainingOptions`.
    """

    path: str | None = None
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
        return self


class Probe(Entry):
    """Linguistic correlation analysis of some models on one label layer.

    Attributes:
        models: the models to probe.
        label: the label layer.
        train, dev, test: corpora; dev is taken from train by sentence where none is given.
        sites: glob patterns; by default all sites that read source words.
        parameters: further parameters of the ``lca`` method.
        stability: parameters of :func:`onegrain.stability`, to draw the sentences again; none for no draws.
    """

    models: tuple[str, ...]
    label: str
    train: str
    dev: str | None = None
    test: str | None = None
    sites: tuple[str, ...] | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    stability: dict[str, Any] | None = None


class CrossModel(Entry):
    """Cross-model correlation: each model is ranked against the others on one corpus."""

    models: tuple[str, ...] = Field(min_length=2)
    corpus: str
    method: str = "maxcorr"
    sites: tuple[str, ...] | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)


class Ablation(Entry):
    """Erasing ranked neurons in the running models.

    Attributes:
        models: the models to erase in.
        rankings: names of probes and cross-model rankings that those models have.
        metric: ``perplexity`` or ``bleu``.
        corpus: what is measured on.
        parameters: further parameters of :func:`onegrain.interventions.ablate`.
        metric_parameters: further parameters of the metric, e.g. ``beams``.
    """

    models: tuple[str, ...]
    rankings: tuple[str, ...]
    metric: Literal["perplexity", "bleu"]
    corpus: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    metric_parameters: dict[str, Any] = Field(default_factory=dict)


class Study(Entry):
    """A whole experiment.

    Attributes:
        title: of the report.
        seed: of everything random that names no seed of its own.
        neurons: single neurons to show of each model in the report.
        aggregate, dtype: of every extraction.
        show: (model, corpus) whose activations the report takes its words and heat maps from.
    """

    title: str
    seed: int = 0
    neurons: int = Field(default=3, ge=1)
    aggregate: Literal["last", "first", "mean"] = "last"
    dtype: Literal["float16", "float32"] = "float32"
    corpora: dict[str, CorpusSource] = Field(min_length=1)
    models: dict[str, ModelSource] = Field(min_length=1)
    probes: dict[str, Probe] = Field(default_factory=dict)
    crossmodel: dict[str, CrossModel] = Field(default_factory=dict)
    ablations: dict[str, Ablation] = Field(default_factory=dict)
    show: tuple[tuple[str, str], ...] = ()

    @model_validator(mode="after")
    def _names_exist(self) -> Study:
        for where, corpora, models in self._references():
            for name in corpora:
                if name is not None and name not in self.corpora:
                    raise ValueError(f"{where}: no corpus {name!r}; there are: {', '.join(self.corpora)}")
            for name in models:
                if name not in self.models:
                    raise ValueError(f"{where}: no model {name!r}; there are: {', '.join(self.models)}")
        for name, ablation in self.ablations.items():
            for ranking in ablation.rankings:
                if ranking not in {**self.probes, **self.crossmodel}:
                    raise ValueError(f"ablations.{name}: no probe or crossmodel entry {ranking!r}")
                missing = set(ablation.models) - set(self._ranked(ranking))
                if missing:
                    raise ValueError(
                        f"ablations.{name}: {ranking!r} does not rank {', '.join(sorted(missing))}"
                    )
        return self

    def _ranked(self, ranking: str) -> tuple[str, ...]:
        entry: Probe | CrossModel = self.probes[ranking] if ranking in self.probes else self.crossmodel[ranking]
        return entry.models

    def _references(self) -> Iterable[tuple[str, list[str | None], list[str]]]:
        for name, model in self.models.items():
            yield f"models.{name}", [model.train, model.valid, model.test], []
        for name, probe in self.probes.items():
            yield f"probes.{name}", [probe.train, probe.dev, probe.test], list(probe.models)
        for name, cross in self.crossmodel.items():
            yield f"crossmodel.{name}", [cross.corpus], list(cross.models)
        for name, ablation in self.ablations.items():
            yield f"ablations.{name}", [ablation.corpus], list(ablation.models)
        yield "show", [corpus for _, corpus in self.show], [model for model, _ in self.show]


def read_study(path: str | os.PathLike[str]) -> Study:
    """Read and check a study file.

    Raises:
        ParameterError: the file is not there, is not TOML, or says something impossible; every fault is named.
    """
    file = Path(path)
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParameterError(f"{file} does not exist") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ParameterError(f"{file}: {error}") from error
    try:
        return Study.model_validate(content)
    except ValidationError as error:
        faults = [
            ".".join(str(part) for part in fault["loc"]) + (": " if fault["loc"] else "") + fault["msg"]
            for fault in error.errors()
        ]
        raise ParameterError(f"{file}: " + "; ".join(faults)) from error
