"""Edit the neurons of several rankings in the running models, in several ways, and measure what changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from pydantic import Field, model_validator

from onegrain.core.progress import Progress
from onegrain.errors import ParameterError
from onegrain.interventions import checkpoint_beside, parse_edit, sweep
from onegrain.metrics.registry import create_metric, require_metric_parameters
from onegrain.studies.entries import StageEntry, existing
from onegrain.studies.parameters import require_parameters
from onegrain.studies.places import activations_path, ranking_path, trained_first
from onegrain.studies.stages.rank import require_ranked
from onegrain.studies.stages.stage import Stage, Step
from onegrain.studies.study import Study
from onegrain.studies.workspace import Workspace

__all__ = ["Sweep", "SweepEntry"]


class SweepEntry(StageEntry):
    """Edits of ranked neurons in the running models: several rankings, metrics and kinds of edit.

    Attributes:
        models: the models to edit.
        rankings: rankings of those models.
        metrics: names of :data:`onegrain.metrics.METRICS`, each with its parameters, such as
            ``{bleu = {beams = 4}}``.
        edits: texts of edits, such as ``mean``.
        corpus: the corpus that the metrics are measured on.
        reference: the corpus on which the model's activations are measured, for edits that need a reference.
        parameters: further parameters of :func:`onegrain.sweep`.
    """

    TABLE: ClassVar[str] = "sweeps"
    rankings: tuple[str, ...] = Field(min_length=1)
    metrics: dict[str, dict[str, Any]] = Field(min_length=1)
    edits: tuple[str, ...] = Field(default=("zero",), min_length=1)
    corpus: str
    reference: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)

    @property
    def corpora(self) -> tuple[str, ...]:
        """The corpus that the metrics are measured on, and that of the reference."""
        return (self.corpus, *existing(self.reference))

    @property
    def extracted(self) -> tuple[str, ...]:
        """The corpus of the reference."""
        return existing(self.reference)

    @model_validator(mode="after")
    def _metrics_edits_and_parameters_exist(self) -> SweepEntry:
        try:
            for name, parameters in self.metrics.items():
                require_metric_parameters(name, parameters)
            edits = [parse_edit(text) for text in self.edits]
        except ParameterError as error:
            raise ValueError(str(error)) from None
        for edit in edits:
            if (edit.statistics or edit.needs_samples) and self.reference is None:
                raise ValueError(f"the edit {edit} needs a reference; name a corpus")
        require_parameters(sweep, self.parameters, keys=("reference",))
        return self

    def check(self, where: str, tables: Mapping[str, Mapping[str, StageEntry]]) -> None:
        """Check that the rankings exist, of all the models."""
        require_ranked(where, self, self.rankings, tables)


class Sweep(Stage):
    """Edit the neurons of every ranking of a sweep; the output is one record for each model."""

    name = "sweep"
    entry = SweepEntry

    def plan(self, study: Study) -> Iterator[Step]:
        """Yield one step per sweep and model."""
        for name, entry in study.entries(SweepEntry).items():
            recipe = {
                "sweep": entry.model_dump(mode="json", exclude={"models"}),
                "corpora": study.corpora_recipe(entry.corpus),
                "seed": study.seed,
            }
            for model in entry.models:
                needs = [*trained_first(study, model), *(ranking_path(each, model) for each in entry.rankings)]
                needs += [activations_path(model, corpus) for corpus in entry.extracted]
                yield Step(
                    self,
                    f"{name} of {model}",
                    f"sweeps/{name}--{model}.parquet",
                    recipe,
                    tuple(needs),
                    {"sweep": name, "model": model},
                )

    def perform(self, workspace: Workspace, step: Step, progress: Progress) -> None:
        """Measure one model, or resume its measurements."""
        entry = workspace.study.entries(SweepEntry)[step.entry["sweep"]]
        model, out = step.entry["model"], workspace.out / step.output
        corpus = workspace.corpus(entry.corpus)
        checkpoint = checkpoint_beside(out)
        record = sweep(
            workspace.model(model),
            {name: workspace.ranking(name, model) for name in entry.rankings},
            {name: create_metric(name, corpus, **parameters) for name, parameters in entry.metrics.items()},
            entry.edits,
            reference=workspace.held_out(model, entry.reference, None),
            seed=workspace.study.seed,
            checkpoint=checkpoint,
            progress=progress,
            **entry.parameters,
        )
        record.save(out, force=True)
        checkpoint.unlink(missing_ok=True)
