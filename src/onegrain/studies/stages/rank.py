"""Rank neurons by any method that ranks from stores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from pydantic import Field, model_validator

from onegrain.core.progress import Progress
from onegrain.rankings import rank
from onegrain.rankings.registry import method
from onegrain.studies.entries import StageEntry, existing
from onegrain.studies.places import activations_path, ranking_path
from onegrain.studies.stages.stage import Stage, Step
from onegrain.studies.study import Study
from onegrain.studies.workspace import Workspace

__all__ = ["Rank", "RankingEntry", "require_ranked"]


class RankingEntry(StageEntry):
    """A ranking of some models' neurons.

    Attributes:
        models: the models whose neurons are ranked; for methods that compare models, each against the others.
        method: name of the method, as ``onegrain rank`` takes it.
        corpus: the words that the ranking is made from.
        label: the label layer, for methods that need one.
        dev, test: held-out words, for methods that use them.
        sites: glob patterns; by default all sites that read source words.
        parameters: further parameters of the method.
        stability: parameters of :func:`onegrain.stability`, to make the ranking again on draws of the
            sentences; without it nothing is drawn.
    """

    TABLE: ClassVar[str] = "rankings"
    method: str
    corpus: str
    label: str | None = None
    dev: str | None = None
    test: str | None = None
    sites: tuple[str, ...] | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    stability: dict[str, Any] | None = None

    @property
    def corpora(self) -> tuple[str, ...]:
        """The corpora that are read, first the one that the ranking is made from."""
        return existing(self.corpus, self.dev, self.test)

    @property
    def extracted(self) -> tuple[str, ...]:
        """All the corpora."""
        return self.corpora

    @property
    def compares(self) -> bool:
        """True if the method compares models."""
        return method(self.method).needs_others

    def others(self, model: str) -> list[str]:
        """Return the models that a model is compared with; none for a method that ranks each model alone."""
        return [other for other in self.models if other != model] if self.compares else []

    @model_validator(mode="after")
    def _method_fits(self) -> RankingEntry:
        entry = method(self.method)
        if entry.needs_model:
            raise ValueError(
                f"{self.method} needs a running model, and a study ranks from stores: use onegrain rank"
            )
        if entry.needs_others and len(set(self.models)) < 2:
            raise ValueError(f"{self.method} compares models; name two or more")
        if self.stability is not None and entry.redraw is None:
            raise ValueError(
                f"stability makes a ranking again on draws of sentences, which {self.method} does not allow"
            )
        heldout = self.dev is not None or self.test is not None
        entry.require_given(
            self.parameters, label=self.label is not None, others=entry.needs_others, heldout=heldout
        )
        return self

    def check(self, where: str, tables: Mapping[str, Mapping[str, StageEntry]]) -> None:
        """Do nothing: a ranking names nothing in other tables of stages."""

    def recipe(self) -> dict[str, Any]:
        """Return what a ranking depends on, as JSON-able data.

        Earlier versions had tables for ``lca`` and for methods that compare models. The recipe keeps the form
        of these tables, so that the rankings of earlier versions are still valid.
        """
        content = self.model_dump(mode="json", exclude={"models", "stability"})
        if self.compares:
            used = ("corpus", "method", "sites", "parameters")
            return {"crossmodel": {"models": list(self.models), **{key: content[key] for key in used}}}
        if self.method == "lca":
            former = {"train": content.pop("corpus"), **content}
            return {"probe": {key: value for key, value in former.items() if key != "method"}}
        return {"ranking": content}


class Rank(Stage):
    """Rank the neurons of every model of an entry; the output is a ranking."""

    name = "rank"
    entry = RankingEntry

    def plan(self, study: Study) -> Iterator[Step]:
        """Yield one step per ranking and model."""
        for name, entry in study.entries(RankingEntry).items():
            for model in entry.models:
                read = entry.models if entry.compares else (model,)
                yield Step(
                    self,
                    f"{name} of {model}",
                    ranking_path(name, model),
                    {**entry.recipe(), "seed": study.seed},
                    tuple(activations_path(other, corpus) for other in read for corpus in entry.corpora),
                    {"ranking": name, "model": model},
                )

    def perform(self, workspace: Workspace, step: Step, progress: Progress) -> None:
        """Rank the neurons of one model."""
        entry = workspace.study.entries(RankingEntry)[step.entry["ranking"]]
        model = step.entry["model"]
        ranking = rank(
            entry.method,
            workspace.activations(model, entry.corpus, entry.sites),
            label=entry.label,
            others=[workspace.activations(other, entry.corpus, entry.sites) for other in entry.others(model)],
            seed=workspace.study.seed,
            progress=progress,
            dev=workspace.held_out(model, entry.dev, entry.sites),
            test=workspace.held_out(model, entry.test, entry.sites),
            **entry.parameters,
        )
        ranking.save(workspace.out / step.output, force=True)


def require_ranked(
    where: str, entry: StageEntry, names: tuple[str, ...], tables: Mapping[str, Mapping[str, StageEntry]]
) -> None:
    """Check that ``rankings`` has the rankings that another entry names, of all its models.

    Raises:
        ValueError: a ranking does not exist, or does not rank a model.
    """
    rankings = tables[RankingEntry.TABLE]
    for name in names:
        if name not in rankings:
            raise ValueError(f"{where}: no rankings entry {name!r}; there are: {', '.join(rankings) or 'none'}")
        missing = sorted(set(entry.models) - set(rankings[name].models))
        if missing:
            raise ValueError(f"{where}: {name!r} does not rank {', '.join(missing)}")
