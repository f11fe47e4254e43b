"""Train the models of a study that do not exist yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from onegrain.core.output import require_free
from onegrain.core.progress import Progress
from onegrain.errors import ParameterError
from onegrain.models import TrainingOptions, is_trained, train_nlm, train_nmt
from onegrain.models.lstm.training_files import LAYOUT
from onegrain.studies.places import model_path
from onegrain.studies.stages.stage import OutputKind, Stage, Step
from onegrain.studies.study import Study
from onegrain.studies.workspace import Workspace

__all__ = ["Train"]


class ModelFolder(OutputKind):
    """The folder of a trained model."""

    def sealing_file(self, output: Path) -> Path:
        """Return the file that lists the others with their checksums."""
        return output / "training.json"

    def is_complete(self, output: Path) -> bool:
        """Return True if the folder holds a finished training."""
        return is_trained(output)

    def require_ours(self, output: Path) -> None:
        """Check that the folder holds nothing but a training."""
        require_free(output, force=True, ours=LAYOUT)


class Train(Stage):
    """Train every model of ``models`` that has no path; the output is the model's folder."""

    name = "train"
    output = ModelFolder()

    def plan(self, study: Study) -> Iterator[Step]:
        """Yield one step per model, and check the training options."""
        for name, model in study.models.items():
            _training_options(study, name)
            if model.path is None:
                recipe = {
                    "model": model.recipe(exclude={"test", "sites"}),
                    "seed": study.seed,
                    "corpora": study.corpora_recipe(model.train, model.valid),
                }
                yield Step(self, name, model_path(name), recipe, (), {"model": name})

    def perform(self, workspace: Workspace, step: Step, progress: Progress) -> None:
        """Train a model, or resume its training."""
        model = workspace.study.models[step.entry["model"]]
        options = _training_options(workspace.study, step.entry["model"])
        train = {"nlm": train_nlm, "nmt": train_nmt}[str(model.kind)]
        corpora = workspace.corpus(str(model.train)), workspace.corpus(str(model.valid))
        train(*corpora, workspace.out / step.output, options=options, progress=progress)


def _training_options(study: Study, model: str) -> TrainingOptions:
    """Return the options with which a study trains a model.

    Raises:
        ParameterError: an option does not exist or has an impossible value; table and key are named.
    """
    options = study.models[model].options
    known = [option.name for option in fields(TrainingOptions)]
    for name in options:
        if name not in known:
            raise ParameterError(
                f"[models] {model}.options: there is no option {name!r}; there are: {', '.join(known)}"
            )
    try:
        return TrainingOptions(**{"seed": study.seed, **options})
    except ParameterError as error:
        raise ParameterError(f"[models] {model}.options: {error}") from None
