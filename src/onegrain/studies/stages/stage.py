"""A stage of a study, which plans steps and carries out each of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from onegrain.core.output import require_free
from onegrain.core.progress import Progress
from onegrain.studies.entries import StageEntry
from onegrain.studies.study import Study
from onegrain.studies.workspace import Workspace

__all__ = ["OutputKind", "RecordFile", "Stage", "Step"]


class OutputKind(ABC):
    """The output of a step on disk: one file, or a folder with a file that describes the others."""

    @abstractmethod
    def sealing_file(self, output: Path) -> Path:
        """Return the file whose checksum stands for the whole output."""

    @abstractmethod
    def is_complete(self, output: Path) -> bool:
        """Return True if an output whose sealing file is intact has everything else, too."""

    @abstractmethod
    def require_ours(self, output: Path) -> None:
        """Check that an existing output was written by onegrain.

        Raises:
            OutputExistsError: it was not, or cannot be recognised.
        """


class RecordFile(OutputKind):
    """A record in one file."""

    def sealing_file(self, output: Path) -> Path:
        """Return the file itself."""
        return output

    def is_complete(self, output: Path) -> bool:
        """Return True: the file is everything."""
        return True

    def require_ours(self, output: Path) -> None:
        """Check that the file is a record of onegrain."""
        require_free(output, force=True)


class Stage(ABC):
    """A kind of step: what it reads, what it makes and what it does.

    Attributes:
        name: name of the stage in progress reports.
        entry: the entries of the table that the stage adds to the study file; None if it adds no table.
        output: kind of output that its steps write.
    """

    name: ClassVar[str]
    entry: ClassVar[type[StageEntry] | None] = None
    output: ClassVar[OutputKind] = RecordFile()

    @abstractmethod
    def plan(self, study: Study) -> Iterator[Step]:
        """Yield the steps of a study.

        Raises:
            ParameterError: the study asks for something that the stage cannot do.
        """

    @abstractmethod
    def perform(self, workspace: Workspace, step: Step, progress: Progress) -> None:
        """Do one step: replace what remains of an earlier output, or resume it where that is possible."""


@dataclass(frozen=True)
class Step:
    """One record to make.

    Attributes:
        stage: the stage that plans and does the step.
        name: unique within the stage.
        output: the record's path, relative to the study's folder.
        recipe: everything in the study file that the record depends on, as JSON-able data.
        needs: outputs of other steps that it reads.
        entry: the names that the stage needs to do the step, e.g. of the model and the corpus.
    """

    stage: Stage
    name: str
    output: str
    recipe: dict[str, Any]
    needs: tuple[str, ...]
    entry: dict[str, str]
