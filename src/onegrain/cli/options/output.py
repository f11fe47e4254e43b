"""Options for output files and printing."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from onegrain.cli.options.headings import OUTPUT

__all__ = ["Force", "Json", "out_option"]

Json = Annotated[
    bool,
    typer.Option("--json", "-j", help="Print one JSON object, for scripts.", rich_help_panel=OUTPUT),
]
Force = Annotated[
    bool, typer.Option("--force", "-f", help="Replace the output if it exists.", rich_help_panel=OUTPUT)
]


def out_option(help: str) -> Any:
    """Return the option ``--out`` of a verb; its help names what the verb writes."""
    return typer.Option("--out", "-o", help=help, rich_help_panel=OUTPUT)
