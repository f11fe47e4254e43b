"""Options for the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from onegrain.cli.options.headings import ENGINE

if TYPE_CHECKING:
    from onegrain.engines import Engine

__all__ = ["Address", "EngineName", "EngineOptions", "Workers"]

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


@dataclass(frozen=True)
class EngineOptions:
    """The options for the engine."""

    engine: EngineName = "local"
    address: Address = None
    workers: Workers = None

    def create(self) -> Engine:
        """Return the engine that the options describe."""
        from onegrain.engines import engine_named

        return engine_named(self.engine, address=self.address, workers=self.workers)
