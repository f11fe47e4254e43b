"""``onegrain rank``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onegrain.cli.console import Force, Json, Sites, emit, progress
from onegrain.cli.pairs import parameters_from

if TYPE_CHECKING:
    from onegrain.core.activations import Activations

NAME = "rank"


def run(
    method: Annotated[str, typer.Argument(help="lca, maxcorr, mincorr, linreg, svcca or random.")],
    store: Annotated[str, typer.Argument(help="The activations to rank the neurons of, a folder or a URL.")],
    out: Annotated[Path, typer.Option(help="The ranking to write, *.parquet.")],
    label: Annotated[str | None, typer.Option(help="The label layer (lca).")] = None,
    dev: Annotated[str | None, typer.Option(help="Held-out store for the method's choices.")] = None,
    test: Annotated[str | None, typer.Option(help="Held-out store for the evaluation.")] = None,
    others: Annotated[
        list[str] | None, typer.Option(help="Store of another model on the same words; may be repeated.")
    ] = None,
    sites: Sites = None,
    seed: Annotated[int, typer.Option(help="Of whatever is random.")] = 0,
    memory: Annotated[
        str | None,
        typer.Option(help="What the process may hold, such as 4GiB; the rest goes to scratch files (lca)."),
    ] = None,
    device: Annotated[str | None, typer.Option(help="Where to compute, such as cuda (lca).")] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option("--set", help="A parameter of the method, NAME=VALUE (JSON); may be repeated."),
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Order all neurons of a store by one method."""
    given = parameters_from(parameters)
    from onegrain.activations import open_activations
    from onegrain.core.output import require_free
    from onegrain.rankings import rank

    require_free(out, force=force)

    def opened(path: str) -> Activations:
        return open_activations(path).restrict(sites)

    ranking = rank(
        method,
        opened(store),
        label=label,
        dev=opened(dev) if dev is not None else None,
        test=opened(test) if test is not None else None,
        others=[opened(path) for path in others or []],
        seed=seed,
        memory=memory,
        device=device,
        progress=progress(),
        **given,
    )
    ranking.save(out, force=force)
    facts = {
        "ranking": str(out),
        "neurons": ranking.space.size,
        "ranked": ranking.n_ranked,
        "top": ", ".join(ranking.top(5)),
    }
    full = (ranking.details.get("evaluation") or {}).get("full")
    if full:
        facts |= {"accuracy": full["accuracy"], "majority": ranking.details["evaluation"]["majority"]}
    emit(facts, as_json)
