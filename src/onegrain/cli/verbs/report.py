"""``onegrain report``."""

from __future__ import annotations

import sys
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
    from onegrain.core.text import visible
    from onegrain.studies import write_folder_report

    left_out: list[str] = []

    def notify(line: str) -> None:
        left_out.append(line)
        sys.stderr.write(f"left out: {visible(line)}\n")

    page = write_folder_report(folder, out or folder / "report.html", title=title, force=force, notify=notify)
    emit({"report": str(page), **({"left out": left_out} if as_json else {})}, as_json)
