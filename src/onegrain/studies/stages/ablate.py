"""Erase ranked neurons in the running models and measure what is lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from pydantic import Field, model_validator

from onegrain.core.progress import Progress
from onegrain.errors import ParameterError
from onegrain.interventions import ablate, checkpoint_beside
from onegrain.metrics.registry import create_metric, require_metric_parameters
from onegrain.studies.entries import StageEntry
from onegrain.studies.parameters import require_parameters
from onegrain.studies.places import ranking_path, trained_first
from onegrain.studies.stages.rank import require_ranked
from onegrain.studies.stages.stage import Stage, Step
from onegrain.studies.study import Study
from onegrain.studies.workspace import Workspace

__all__ = ["Ablate", "AblationEntry"]


class AblationEntry(StageEntry):
    """Erasing ranked neurons in the running models.

    Attributes:
        models: the models to erase in.
        rankings: rankings of those models.
        metric: a name of :data:`onegrain.metrics.METRICS`, e.g. ``perplexity`` or ``minimal_pairs``.
        corpus: the corpus that the metric is measured on.
        parameters: further parameters of :func:`onegrain.interventions.ablate`.
        metric_parameters: further parameters of the metric, e.g. ``beams``.
    """

    TABLE: ClassVar[str] = "ablations"
    rankings: tuple[str, ...]
    metric: str
    corpus: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    metric_parameters: dict[str, Any] = Field(default_factory=dict)

    @property
    def corpora(self) -> tuple[str, ...]:
        """The corpus that the metric is measured on."""
        return (self.corpus,)

    @property
    def extracted(self) -> tuple[str, ...]:
        """No corpus: an ablation runs the model and reads no stored activations."""
        return ()

    @property
    def divided(self) -> tuple[str, ...]:
        """The corpus, if the metric is of documents."""
        return (self.corpus,) if self.metric == "document_perplexity" else ()

    @model_validator(mode="after")
    def _metric_and_parameters_exist(self) -> AblationEntry:
        try:
            require_metric_parameters(self.metric, self.metric_parameters)
        except ParameterError as error:
            raise ValueError(str(error)) from None
        require_parameters(ablate, self.parameters)
        return self

    def check(self, where: str, tables: Mapping[str, Mapping[str, StageEntry]]) -> None:
        """Check that the rankings exist, of all the models."""
        require_ranked(where, self, self.rankings, tables)


class Ablate(Stage):
    """Erase the neurons of every ranking of an ablation; the output is a curve."""

    name = "ablate"
    entry = AblationEntry

    def plan(self, study: Study) -> Iterator[Step]:
        """Yield one step per ablation, model and ranking."""
        for name, entry in study.entries(AblationEntry).items():
            recipe = {
                "ablation": entry.model_dump(mode="json", exclude={"models", "rankings"}),
                "corpora": study.corpora_recipe(entry.corpus),
                "seed": study.seed,
            }
            for model in entry.models:
                for ranking in entry.rankings:
                    yield Step(
                        self,
                        f"{name} of {model} by {ranking}",
                        f"curves/{name}--{ranking}--{model}.parquet",
                        recipe,
                        (*trained_first(study, model), ranking_path(ranking, model)),
                        {"ablation": name, "model": model, "ranking": ranking},
                    )

    def perform(self, workspace: Workspace, step: Step, progress: Progress) -> None:
        """Erase the neurons of one model by one ranking, or resume that."""
        entry = workspace.study.entries(AblationEntry)[step.entry["ablation"]]
        model = step.entry["model"]
        out = workspace.out / step.output
        checkpoint = checkpoint_beside(out)
        curve = ablate(
            workspace.model(model),
            workspace.ranking(step.entry["ranking"], model),
            create_metric(entry.metric, workspace.corpus(entry.corpus), **entry.metric_parameters),
            seed=workspace.study.seed,
            checkpoint=checkpoint,
            progress=progress,
            **entry.parameters,
        )
        curve.save(out, force=True)
        checkpoint.unlink(missing_ok=True)
