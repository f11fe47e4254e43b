"""Options for the engine."""

from __future__ import annotations

from typing import Annotated

import typer

from onegrain.cli.options.headings import ENGINE

__all__ = ["Address", "EngineName", "Workers"]

EngineName = Annotated[
    str,
    typer.Option(
        "--engine", help="Engine: local (this process) or ray (a Ray cluster).", rich_help_panel=ENGINE
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        help="Address of a running Ray cluster, HOST:PORT or auto; local starts a new one.",
        rich_help_panel=ENGINE,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        help="Largest number of Ray workers; by default one for each GPU, else one for each node.",
        rich_help_panel=ENGINE,
    ),
]
