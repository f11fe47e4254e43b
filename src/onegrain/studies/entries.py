"""The entries of a study file: corpora, models, rankings, comparisons and ablations, each checked by itself."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from onegrain.errors import ParameterError
from onegrain.evaluation.options import ElasticNetOptions, EvaluationOptions
from onegrain.metrics.registry import require_metric_parameters
from onegrain.rankings.registry import method

__all__ = [
    "LANGUAGES",
    "Ablation",
    "Comparison",
    "CorpusSource",
    "CrossModel",
    "Entry",
    "MethodRanking",
    "ModelSource",
    "Probe",
    "SandboxSource",
]

LANGUAGES = ("source_language", "target_language")
EVALUATED_BY = (EvaluationOptions, ElasticNetOptions)


class Entry(BaseModel):
    """Base of every table of a study file: unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SandboxSource(Entry):
    """A corpus of the sandbox language; see :func:`onegrain.synthetic.sandbox_parts` for the arguments.

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
        source_language, target_language: of the model at ``path``, as :func:`onegrain.load_model` takes them.
        kind: ``nlm`` or ``nmt``.
        train, valid: corpora to train and validate on.
        test: the corpus on which the model is measured.
        options: fields of :class:`onegrain.models.TrainingOptions`.
    """

    path: str | None = None
    source_language: str | None = None
    target_language: str | None = None
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
        """The keys of the languages that are stated."""
        return tuple(name for name in LANGUAGES if getattr(self, name) is not None)


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

    @property
    def corpora(self) -> tuple[str, ...]:
        """What is read, first what the ranking is made from."""
        return _given(self.train, self.dev, self.test)


class CrossModel(Entry):
    """Cross-model correlation: each model is ranked against the others on one corpus."""

    models: tuple[str, ...] = Field(min_length=2)
    corpus: str
    method: str = "maxcorr"
    sites: tuple[str, ...] | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)

    @property
    def corpora(self) -> tuple[str, ...]:
        """What is read."""
        return (self.corpus,)

    @model_validator(mode="after")
    def _method_fits(self) -> CrossModel:
        ranks_by = method(self.method)
        if not ranks_by.needs_others:
            raise ValueError(f"{self.method} compares no models; give it a [rankings] entry")
        ranks_by.require_given(self.parameters, label=False, others=True, heldout=False)
        return self


class MethodRanking(Entry):
    """A ranking of some models' neurons, each by itself, by any method that ranks from a store.

    Attributes:
        models: the models to rank the neurons of.
        method: its name, as ``onegrain rank`` takes it.
        corpus: the words that it is made from.
        label: the label layer, for methods that need one.
        dev, test: held-out words, for methods that use them.
        sites: glob patterns; by default all sites that read source words.
        parameters: further parameters of the method.
    """

    models: tuple[str, ...] = Field(min_length=1)
    method: str
    corpus: str
    label: str | None = None
    dev: str | None = None
    test: str | None = None
    sites: tuple[str, ...] | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)

    @property
    def corpora(self) -> tuple[str, ...]:
        """What is read, first what the ranking is made from."""
        return _given(self.corpus, self.dev, self.test)

    @model_validator(mode="after")
    def _method_fits(self) -> MethodRanking:
        ranks_by = method(self.method)
        if ranks_by.needs_others:
            raise ValueError(f"{self.method} compares models; give it a [crossmodel] entry")
        if ranks_by.needs_model:
            raise ValueError(
                f"{self.method} needs a running model, and a study ranks from stores: use onegrain rank"
            )
        heldout = self.dev is not None or self.test is not None
        ranks_by.require_given(self.parameters, label=self.label is not None, others=False, heldout=heldout)
        return self


class Comparison(Entry):
    """Rankings of the same neurons side by side: masking, retraining, and those ablation curves that there are.

    Attributes:
        models: the models whose rankings are compared.
        rankings: two or more entries, of whatever kind, that rank the same sites of those models.
        label: the label layer that probes learn.
        train: words that they learn from.
        test: words that they are tested on, from which no ranking is made; by default some of ``train``.
        dev: words on which the probe's penalties are chosen; by default some of ``train``.
        parameters: further parameters of :func:`onegrain.evaluate` with its own probe.
    """

    models: tuple[str, ...] = Field(min_length=1)
    rankings: tuple[str, ...] = Field(min_length=2)
    label: str
    train: str
    test: str | None = None
    dev: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)

    @property
    def corpora(self) -> tuple[str, ...]:
        """What is read, first what the probes learn from."""
        return _given(self.train, self.dev, self.test)

    @model_validator(mode="after")
    def _parameters_exist(self) -> Comparison:
        known = [*(one.name for kind in EVALUATED_BY for one in fields(kind)), "memory", "device"]
        unknown = sorted(set(self.parameters) - set(known))
        if unknown:
            raise ValueError(f"evaluate takes no parameter {', '.join(unknown)}; there are: {', '.join(known)}")
        return self


class Ablation(Entry):
    """Erasing ranked neurons in the running models.

    Attributes:
        models: the models to erase in.
        rankings: names of probes, cross-model and other rankings that those models have.
        metric: a name of :data:`onegrain.metrics.METRICS`: ``perplexity``, ``bleu`` or ``chrf``.
        corpus: what is measured on.
        parameters: further parameters of :func:`onegrain.interventions.ablate`.
        metric_parameters: further parameters of the metric, e.g. ``beams``.
    """

    models: tuple[str, ...]
    rankings: tuple[str, ...]
    metric: str
    corpus: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    metric_parameters: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _metric_exists(self) -> Ablation:
        try:
            require_metric_parameters(self.metric, self.metric_parameters)
        except ParameterError as error:
            raise ValueError(str(error)) from None
        return self


def _given(*names: str | None) -> tuple[str, ...]:
    return tuple(name for name in names if name is not None)
