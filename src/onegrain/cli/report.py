"""``onegrain report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onegrain.cli.console import Force, Json, emit

NAME = "report"


def run(
    folder: Annotated[Path, typer.Argument(help="The folder that holds rankings, curves and stores.")],
    out: Annotated[Path | None, typer.Option(help="The page to write; DIR/report.html by default.")] = None,
    title: Annotated[str | None, typer.Option(help="The page's title.")] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """One self-contained HTML page, with its charts as PNG beside it, from whichever records a folder holds."""
    from onegrain.studies import write_folder_report

    made = write_folder_report(folder, out or folder / "report.html", title=title, force=force)
    emit({"report": str(made)}, as_json)
