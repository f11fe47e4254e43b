"""Rank, take the first neurons away, rank what is left: do other neurons serve as well?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, ClassVar

from pydantic import Field, model_validator

from onegrain.core.progress import Progress
from onegrain.evaluation import uniqueness
from onegrain.evaluation.options import ElasticNetOptions, EvaluationOptions
from onegrain.evaluation.uniqueness import WITHOUT_USE
from onegrain.studies.entries import StageEntry, existing
from onegrain.studies.parameters import require_parameters
from onegrain.studies.places import activations_path
from onegrain.studies.stages.rank import RankingEntry, require_ranked
from onegrain.studies.stages.stage import Stage, Step
from onegrain.studies.study import Study
from onegrain.studies.workspace import Workspace

__all__ = ["MeasureUniqueness", "UniquenessEntry"]

PROBE = tuple(
    option.name
    for options in (EvaluationOptions, ElasticNetOptions)
    for option in fields(options)
    if option.name not in WITHOUT_USE
)


class UniquenessEntry(StageEntry):
    """The uniqueness of the first neurons of rankings; see :func:`onegrain.uniqueness`.

    Each ranking is made again with its method, corpus, label, sites and parameters, but without its held-out
    words.

    Attributes:
        models: the models.
        rankings: rankings of those models with a label; each gives one record per model.
        test: words that probes are tested on; by default part of the ranking's corpus.
        parameters: further parameters of the function and of its probe.
    """

    TABLE: ClassVar[str] = "uniqueness"
    rankings: tuple[str, ...] = Field(min_length=1)
    test: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)

    @property
    def corpora(self) -> tuple[str, ...]:
        """The tested words; the others are those of the rankings."""
        return existing(self.test)

    @property
    def extracted(self) -> tuple[str, ...]:
        """The tested words."""
        return self.corpora

    @model_validator(mode="after")
    def _parameters_exist(self) -> UniquenessEntry:
        require_parameters(uniqueness, self.parameters, keys=("label", "ranking"), more=PROBE)
        return self

    def check(self, where: str, tables: Mapping[str, Mapping[str, StageEntry]]) -> None:
        """Check that the rankings exist, have labels, and are not made from the tested words."""
        require_ranked(where, self, self.rankings, tables)
        for name in self.rankings:
            ranking = tables[RankingEntry.TABLE][name]
            assert isinstance(ranking, RankingEntry)
            if ranking.compares or ranking.label is None:
                lack = "compares models" if ranking.compares else "has no label for probes to learn"
                raise ValueError(f"{where}: {name!r} {lack}; name a ranking of one model's words by a label")
            if ranking.corpus == self.test:
                raise ValueError(
                    f"{where}: {name!r} is made from the tested words; test on others than {self.test!r}"
                )


class MeasureUniqueness(Stage):
    """Measure the uniqueness of every ranking of an entry; the output is one record for each."""

    name = "uniqueness"
    entry = UniquenessEntry

    def plan(self, study: Study) -> Iterator[Step]:
        """Yield one step per entry, model and ranking."""
        rankings = study.entries(RankingEntry)
        for name, entry in study.entries(UniquenessEntry).items():
            for ranking in entry.rankings:
                recipe = {
                    "uniqueness": entry.model_dump(mode="json", exclude={"models", "rankings"}),
                    "ranking": rankings[ranking].recipe(),
                    "seed": study.seed,
                }
                for model in entry.models:
                    yield Step(
                        self,
                        f"{name} of {model} by {ranking}",
                        f"uniqueness/{name}--{ranking}--{model}.parquet",
                        recipe,
                        tuple(
                            activations_path(model, corpus)
                            for corpus in (rankings[ranking].corpus, *entry.corpora)
                        ),
                        {"entry": name, "model": model, "ranking": ranking},
                    )

    def perform(self, workspace: Workspace, step: Step, progress: Progress) -> None:
        """Measure the uniqueness of one ranking of one model."""
        entry = workspace.study.entries(UniquenessEntry)[step.entry["entry"]]
        ranking = workspace.study.entries(RankingEntry)[step.entry["ranking"]]
        model = step.entry["model"]
        record = uniqueness(
            ranking.method,
            workspace.activations(model, ranking.corpus, ranking.sites),
            workspace.held_out(model, entry.test, ranking.sites),
            label=str(ranking.label),
            ranking=ranking.parameters,
            seed=workspace.study.seed,
            progress=progress,
            **entry.parameters,
        )
        record.save(workspace.out / step.output, force=True)
