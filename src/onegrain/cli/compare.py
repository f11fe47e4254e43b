"""``onegrain compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onegrain.cli.console import Force, Json, Sites, emit_table, progress

NAME = "compare"


def run(
    a: Annotated[str, typer.Argument(help="The first model's activations, a folder or a URL.")],
    b: Annotated[str, typer.Argument(help="The second's, on the same words.")],
    measure: Annotated[
        list[str] | None, typer.Option(help="cka, pwcca or svcca; may be repeated. All by default.")
    ] = None,
    sites: Sites = None,
    by_site: Annotated[
        bool, typer.Option(help="A row for each pair of sites; else all sites of a model side by side.")
    ] = True,
    variance: Annotated[float, typer.Option(help="What svcca keeps of each side's variance.")] = 0.99,
    memory: Annotated[str | None, typer.Option(help="What the process may hold, such as 4GiB.")] = None,
    device: Annotated[str | None, typer.Option(help="Where to compute, such as cuda.")] = None,
    out: Annotated[Path | None, typer.Option(help="The record to write, *.parquet.")] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """How alike the sites of two models are as wholes. Tokenizers and widths may differ; the words may not."""
    from onegrain.activations import open_activations
    from onegrain.core.output import require_free
    from onegrain.core.similarity import MEASURES
    from onegrain.rankings import similarity

    if out is not None:
        require_free(out, force=force)
    found = similarity(
        open_activations(a).restrict(sites),
        open_activations(b).restrict(sites),
        measures=measure or MEASURES,
        by_site=by_site,
        variance=variance,
        memory=memory,
        device=device,
        progress=progress(),
    )
    if out is not None:
        found.save(out, force=force)
    emit_table(found.table, f"Similarity of sites, {found.details['words']:,} words", as_json)
