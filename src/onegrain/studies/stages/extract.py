"""Extract the activations that later stages and the report read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from onegrain.activations import extract, open_activations
from onegrain.activations.store.layout import MANIFEST
from onegrain.activations.store.places.locate import folder_at
from onegrain.activations.store.writer import require_writable
from onegrain.core.progress import Progress
from onegrain.errors import RecordError
from onegrain.studies.places import activations_path, trained_first
from onegrain.studies.stages.stage import OutputKind, Stage, Step
from onegrain.studies.study import Study
from onegrain.studies.workspace import Workspace

__all__ = ["Extract"]


class StoreFolder(OutputKind):
    """A store of activations."""

    def sealing_file(self, output: Path) -> Path:
        """Return the store's manifest."""
        return output / MANIFEST

    def is_complete(self, output: Path) -> bool:
        """Return True if the store opens."""
        try:
            open_activations(output)
        except RecordError:
            return False
        return True

    def require_ours(self, output: Path) -> None:
        """Check that the folder is a store."""
        require_writable(folder_at(output), force=True)


class Extract(Stage):
    """Read each corpus with each model that an entry asks for; the output is a store."""

    name = "extract"
    output = StoreFolder()

    def plan(self, study: Study) -> Iterator[Step]:
        """Yield one step per model and corpus."""
        for model, corpus in dict.fromkeys(study.readings()):
            recipe = {
                "model": study.models[model].recipe(),
                "corpora": study.corpora_recipe(corpus),
                "aggregate": study.aggregate,
                "dtype": study.dtype,
            }
            yield Step(
                self,
                f"{model} on {corpus}",
                activations_path(model, corpus),
                recipe,
                trained_first(study, model),
                {"model": model, "corpus": corpus},
            )

    def perform(self, workspace: Workspace, step: Step, progress: Progress) -> None:
        """Extract one store, or resume its extraction."""
        model = step.entry["model"]
        extract(
            workspace.model(model),
            workspace.corpus(step.entry["corpus"]),
            workspace.out / step.output,
            sites=workspace.study.models[model].sites,
            aggregate=workspace.study.aggregate,
            dtype=workspace.study.dtype,
            progress=progress,
        )
