"""``onegrain similarity``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onegrain.cli.console import emit_table, progress
from onegrain.cli.options.computing import Device, Memory
from onegrain.cli.options.neurons import Sites
from onegrain.cli.options.output import Force, Json, out_option
from onegrain.cli.repeating import already_made, holds_request, identity_of, request_hash, with_request

NAME = "similarity"

Store = Annotated[str, typer.Argument(help="Store of one of two models on the same words, a folder or a URL.")]


def run(
    store_a: Store,
    store_b: Store,
    measure: Annotated[
        list[str] | None, typer.Option(help="Measure: cka, pwcca or svcca; may be repeated. All by default.")
    ] = None,
    sites: Sites = None,
    by_site: Annotated[
        bool, typer.Option(help="One row for each pair of sites, or one row for all sites side by side.")
    ] = True,
    variance: Annotated[float, typer.Option(help="Share of each side's variance that svcca keeps.")] = 0.99,
    memory: Memory = None,
    device: Device = None,
    out: Annotated[Path | None, out_option("Record to write, *.parquet.")] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Measure how alike the sites of two models are: linear CKA, SVCCA and PWCCA.

    The models may have different tokenizers and widths; the stores must hold the same words.
    """
    from onegrain.activations import open_activations
    from onegrain.core.output import require_free, require_writable_output
    from onegrain.rankings import similarity
    from onegrain.records.similarity import MEASURES

    if out is not None:
        require_writable_output(out, force=force or out.is_file(), suffixes=(".parquet",))
    places = (store_a, store_b)
    first, second = (open_activations(place).restrict(sites) for place in places)
    request = request_hash(
        "similarity",
        stores=[identity_of(*pair) for pair in zip((first, second), places, strict=True)],
        options=[measure, by_site, variance, device],
    )
    if out is not None:
        if not force and holds_request(out, request):
            raise already_made(out)
        require_free(out, force=force)
    record = similarity(
        first,
        second,
        measures=measure or MEASURES,
        by_site=by_site,
        variance=variance,
        memory=memory,
        device=device,
        progress=progress(),
    )
    if out is not None:
        with_request(record, request).save(out, force=force)
    emit_table(record.table, f"Similarity of sites, {record.details['words']:,} words", as_json)
