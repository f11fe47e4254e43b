"""The base of stages that make one record for each entry, model and ranking."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

from onegrain.core.progress import Progress
from onegrain.errors import ParameterError
from onegrain.records.ranking import Ranking
from onegrain.studies.entries import StageEntry
from onegrain.studies.places import activations_path, ranking_path, trained_first
from onegrain.studies.stages.stage import Stage, Step
from onegrain.studies.study import Study
from onegrain.studies.workspace import Workspace

__all__ = ["EditedStage"]


class EditedStage(Stage):
    """A stage that edits the first neurons of each ranking of an entry in each of its models.

    Attributes:
        entry: the entries; each has ``rankings``.
        refused: the kinds of trained models that the stage cannot work on, each with the reason.
    """

    entry: ClassVar[type[StageEntry]]
    refused: ClassVar[dict[str, str]] = {}

    @abstractmethod
    def measure(
        self, workspace: Workspace, entry: Any, model: str, ranking: Ranking, progress: Progress
    ) -> Any:
        """Return the record of one model and ranking."""

    def plan(self, study: Study) -> Iterator[Step]:
        """Yield one step per entry, model and ranking.

        Raises:
            ParameterError: a model is of a kind that the stage cannot work on.
        """
        for name, entry in study.entries(self.entry).items():
            for model in entry.models:
                if reason := self.refused.get(study.models[model].kind or ""):
                    raise ParameterError(f"{self.entry.TABLE}.{name}: {model} {reason}")
            rankings: tuple[str, ...] = entry.rankings  # type: ignore[attr-defined]
            recipe = {
                self.name: entry.model_dump(mode="json", exclude={"models", "rankings"}),
                "corpora": study.corpora_recipe(*dict.fromkeys(entry.corpora)),
                "seed": study.seed,
            }
            for model in entry.models:
                stores = [activations_path(model, corpus) for corpus in entry.extracted]
                for ranking in rankings:
                    yield Step(
                        self,
                        f"{name} of {model} by {ranking}",
                        f"{self.entry.TABLE}/{name}--{ranking}--{model}.parquet",
                        recipe,
                        (*trained_first(study, model), ranking_path(ranking, model), *stores),
                        {"entry": name, "model": model, "ranking": ranking},
                    )

    def perform(self, workspace: Workspace, step: Step, progress: Progress) -> None:
        """Measure one model by one ranking."""
        entry = workspace.study.entries(self.entry)[step.entry["entry"]]
        model = step.entry["model"]
        ranking = workspace.ranking(step.entry["ranking"], model)
        record = self.measure(workspace, entry, model, ranking, progress)
        record.save(workspace.out / step.output, force=True)
