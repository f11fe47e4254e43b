"""``onegrain study``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onegrain.cli.console import emit, progress
from onegrain.cli.options.output import Json, out_option

if TYPE_CHECKING:
    from onegrain.studies.run import StudyRun

NAME = "study"


def run(
    study: Annotated[Path, typer.Argument(help="Study file (TOML).")],
    out: Annotated[Path, out_option("Folder of the records and the report.")],
    workers: Annotated[int, typer.Option(help="Number of parallel processes.")] = 1,
    as_json: Json = False,
) -> None:
    """Run an experiment from one file; run it again to resume it.

    Corpora are found in the folder that ONEGRAIN_DATA names, else beside the study file.
    """
    from onegrain.studies.run import walk_study

    emit_run(walk_study(study, out, workers=workers, progress=progress()), as_json)


def emit_run(run: StudyRun, as_json: bool) -> None:
    """Print what a run of a study did, with a note if nothing was left to do."""
    emit({"report": str(run.report), "records made": run.made, "records kept": run.kept}, as_json)
    if run.made == 0:
        typer.echo("onegrain: the study had finished already; its records are unchanged", err=True)
