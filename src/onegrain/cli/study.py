"""``onegrain study``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onegrain.cli.console import Json, emit, progress

NAME = "study"


def run(
    study: Annotated[Path, typer.Argument(help="The study file (TOML).")],
    out: Annotated[Path, typer.Option(help="Folder of the records and the report.")],
    workers: Annotated[int, typer.Option(help="Processes that work side by side.")] = 1,
    as_json: Json = False,
) -> None:
    """A whole experiment from one file; run it again to go on with it.

    Corpora are found in the folder that ONEGRAIN_DATA names, else beside the study file.
    """
    from onegrain.studies import run_study

    report = run_study(study, out, workers=workers, progress=progress())
    emit({"report": str(report)}, as_json)
