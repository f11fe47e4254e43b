"""Compare rankings of the same neurons by probes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, ClassVar

from pydantic import Field, model_validator

from onegrain.core.progress import Progress
from onegrain.evaluation import evaluate
from onegrain.evaluation.options import ElasticNetOptions, EvaluationOptions
from onegrain.studies.entries import StageEntry, existing
from onegrain.studies.parameters import require_parameters
from onegrain.studies.places import activations_path, ranking_path
from onegrain.studies.stages.rank import RankingEntry, require_ranked
from onegrain.studies.stages.stage import Stage, Step
from onegrain.studies.study import Study
from onegrain.studies.workspace import Workspace

__all__ = ["ComparisonEntry", "Evaluate"]

OPTIONS = (EvaluationOptions, ElasticNetOptions)


class ComparisonEntry(StageEntry):
    """Rankings of the same neurons side by side: masking, retraining, and the ablation curves that exist.

    Attributes:
        models: the models whose rankings are compared.
        rankings: two or more rankings of the same sites of those models.
        label: the label layer that probes learn.
        train: words that the probes learn from.
        test: words that the probes are tested on, from which no ranking is made; by default part of ``train``.
        dev: words on which the probe's penalties are chosen; by default part of ``train``.
        parameters: further parameters of :func:`onegrain.evaluate` and its probe.
    """

    TABLE: ClassVar[str] = "comparisons"
    rankings: tuple[str, ...] = Field(min_length=2)
    label: str
    train: str
    test: str | None = None
    dev: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)

    @property
    def corpora(self) -> tuple[str, ...]:
        """The corpora that are read, first the one that the probes learn from."""
        return existing(self.train, self.dev, self.test)

    @property
    def extracted(self) -> tuple[str, ...]:
        """All the corpora."""
        return self.corpora

    @model_validator(mode="after")
    def _parameters_exist(self) -> ComparisonEntry:
        more = [option.name for options in OPTIONS for option in fields(options)]
        require_parameters(evaluate, self.parameters, keys=("label", "dev", "test"), more=more)
        return self

    def check(self, where: str, tables: Mapping[str, Mapping[str, StageEntry]]) -> None:
        """Check that the rankings exist, are of the same sites, and are not made from the tested words."""
        require_ranked(where, self, self.rankings, tables)
        table = tables[RankingEntry.TABLE]
        entries = {name: entry for name in self.rankings if isinstance(entry := table[name], RankingEntry)}
        if len({entry.sites for entry in entries.values()}) > 1:
            raise ValueError(f"{where}: {', '.join(entries)} rank different sites; give all the same")
        for name, entry in entries.items():
            if entry.corpus == self.test:
                raise ValueError(
                    f"{where}: {name!r} is made from the tested words; test on others than {self.test!r}"
                )


class Evaluate(Stage):
    """Evaluate the rankings of every comparison; the output is an evaluation."""

    name = "evaluate"
    entry = ComparisonEntry

    def plan(self, study: Study) -> Iterator[Step]:
        """Yield one step per comparison and model."""
        for name, entry in study.entries(ComparisonEntry).items():
            for model in entry.models:
                yield Step(
                    self,
                    f"{name} of {model}",
                    f"evaluations/{name}--{model}.parquet",
                    {"comparison": entry.model_dump(mode="json", exclude={"models"}), "seed": study.seed},
                    (
                        *(activations_path(model, corpus) for corpus in entry.corpora),
                        *(ranking_path(ranking, model) for ranking in entry.rankings),
                    ),
                    {"comparison": name, "model": model},
                )

    def perform(self, workspace: Workspace, step: Step, progress: Progress) -> None:
        """Evaluate the rankings of one model."""
        model = step.entry["model"]
        entry = workspace.study.entries(ComparisonEntry)[step.entry["comparison"]]
        rankings = {name: workspace.ranking(name, model) for name in entry.rankings}
        sites = next(iter(rankings.values())).space.sites
        evaluation = evaluate(
            rankings,
            workspace.activations(model, entry.train, sites),
            label=entry.label,
            seed=workspace.study.seed,
            progress=progress,
            dev=workspace.held_out(model, entry.dev, sites),
            test=workspace.held_out(model, entry.test, sites),
            **entry.parameters,
        )
        evaluation.save(workspace.out / step.output, force=True)
