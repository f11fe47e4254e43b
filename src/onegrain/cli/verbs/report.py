"""``onegrain report``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from onegrain.cli.console import emit
from onegrain.cli.options.output import Force, Json, out_option
from onegrain.cli.repeating import end_repeat

NAME = "report"


def run(
    folder: Annotated[Path, typer.Argument(help="Folder of rankings, curves and stores.")],
    out: Annotated[Path | None, out_option("Page to write; FOLDER/report.html by default.")] = None,
    title: Annotated[str | None, typer.Option(help="Title of the page.")] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write one self-contained HTML page, and its charts as PNG, from the records in a folder."""
    from onegrain.core.text import visible
    from onegrain.studies import write_folder_report

    left_out: list[str] = []

    def notify(line: str) -> None:
        left_out.append(line)
        sys.stderr.write(f"left out: {visible(line)}\n")

    page = out or folder / "report.html"
    write_folder_report(folder, page, title=title, force=force, notify=notify, on_repeat=end_repeat(page))
    emit({"report": str(page), **({"left out": left_out} if as_json else {})}, as_json)
