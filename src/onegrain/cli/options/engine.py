"""The options by which a verb is told where its work runs."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["Address", "EngineName", "Workers"]

EngineName = Annotated[str, typer.Option("--engine", help="local: this process; ray: a Ray cluster.")]
Address = Annotated[
    str | None,
    typer.Option("--address", help="Of a running Ray cluster: HOST:PORT, auto; or local, a new one here."),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", help="Of Ray, at most; by default one for each GPU, else for each node."),
]
