"""Measure how far a ranking depends on its sentences."""

from __future__ import annotations

from collections.abc import Iterator

from onegrain.core.progress import Progress
from onegrain.errors import ParameterError
from onegrain.evaluation import stability
from onegrain.studies.places import activations_path, ranking_path
from onegrain.studies.stages.rank import RankingEntry
from onegrain.studies.stages.stage import Stage, Step
from onegrain.studies.study import Study
from onegrain.studies.workspace import Workspace

__all__ = ["MeasureStability"]


class MeasureStability(Stage):
    """Make the rankings that ask for it again on draws of their sentences."""

    name = "stability"

    def plan(self, study: Study) -> Iterator[Step]:
        """Yield one step per ranking with ``stability`` and model."""
        for name, entry in study.entries(RankingEntry).items():
            for model in entry.models if entry.stability is not None else ():
                yield Step(
                    self,
                    f"{name} of {model}",
                    f"stability/{name}--{model}.parquet",
                    {"stability": entry.stability, "seed": study.seed},
                    (
                        *(activations_path(read, entry.corpus) for read in (model, *entry.others(model))),
                        ranking_path(name, model),
                    ),
                    {"ranking": name, "model": model},
                )

    def perform(self, workspace: Workspace, step: Step, progress: Progress) -> None:
        """Measure the stability of one ranking."""
        name, model = step.entry["ranking"], step.entry["model"]
        entry = workspace.study.entries(RankingEntry)[name]
        activations = workspace.activations(model, entry.corpus, entry.sites)
        others = [workspace.activations(other, entry.corpus, entry.sites) for other in entry.others(model)]
        parameters = {"seed": workspace.study.seed, **(entry.stability or {})}
        try:
            record = stability(
                workspace.ranking(name, model), activations, others=others, progress=progress, **parameters
            )
        except TypeError as error:
            raise ParameterError(f"{RankingEntry.TABLE}.{name}.stability: {error}") from None
        record.save(workspace.out / step.output, force=True)
