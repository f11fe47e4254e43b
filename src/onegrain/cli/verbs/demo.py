"""``onegrain demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onegrain.cli.console import progress
from onegrain.cli.options.output import Json, out_option
from onegrain.cli.verbs.study import emit_run

NAME = "demo"


def run(
    out: Annotated[Path, out_option("Folder of the records and the report.")] = Path("demo-out"),
    workers: Annotated[int, typer.Option(help="Number of parallel processes.")] = 2,
    as_json: Json = False,
) -> None:
    """Run the demo study in minutes, offline: train small models, extract, rank, erase and report."""
    from onegrain.studies.run import demo_study, walk_study

    emit_run(walk_study(demo_study(), out, workers=workers, progress=progress()), as_json)
