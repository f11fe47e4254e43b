"""``onegrain index``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onegrain.cli.console import emit, progress
from onegrain.cli.options.computing import Seed
from onegrain.cli.options.headings import COMPUTING
from onegrain.cli.options.output import Force, Json, out_option

NAME = "index"


def run(
    store: Annotated[str, typer.Argument(help="Store, a folder or a URL.")],
    out: Annotated[
        Path | None, out_option("Index to write, a folder *.index; by default beside the store.")
    ] = None,
    seed: Seed = 0,
    buffer: Annotated[
        str,
        typer.Option(
            help="Memory for the neurons that are indexed at once, such as 1GiB.", rich_help_panel=COMPUTING
        ),
    ] = "640MiB",
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Index a store, so that a page about any neuron opens at once and a search takes seconds."""
    from onegrain.searching import index_neurons
    from onegrain.searching.options import IndexOptions

    index = index_neurons(
        store,
        path=out,
        options=IndexOptions(seed=seed),
        buffer=buffer,
        force=force,
        progress=progress(),
    )
    emit({"index": str(index.path)} | index.summary(), as_json)
