"""``onegrain extract``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onegrain.cli.console import Force, Json, Sites, emit, progress
from onegrain.cli.reading import Columns, Format, Labels, Limit, Lower, Target, corpus_from

NAME = "extract"


def run(
    model: Annotated[str, typer.Argument(help="A model folder or hub id.")],
    corpus: Annotated[Path, typer.Argument(help="The corpus file.")],
    out: Annotated[Path, typer.Option(help="The store to write, *.zarr.")],
    sites: Sites = None,
    aggregate: Annotated[
        str, typer.Option(help="A word's value: last, first or mean of its subwords.")
    ] = "last",
    dtype: Annotated[str, typer.Option(help="float32, or float16 for half the space.")] = "float32",
    side: Annotated[
        str | None, typer.Option(help="source or target words; as the sites are by default.")
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Sentences in one forward pass.")] = 64,
    labels: Labels = None,
    format: Format = None,
    columns: Columns = None,
    target: Target = None,
    lower: Lower = False,
    limit: Limit = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run code that the model's repository brings.")
    ] = False,
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="Load weights that are not safetensors.")
    ] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Read every word of a corpus with a model and store what its neurons did.

    A run that was cut off goes on when it is started again.
    """
    words = corpus_from(
        corpus, target=target, labels=labels, format=format, columns=columns, limit=limit, lower=lower
    )
    from typing import Any, cast

    from onegrain.activations import extract
    from onegrain.models import load_model

    made = extract(
        load_model(model, trust_remote_code=trust_remote_code, allow_pickle=allow_pickle),
        words,
        out,
        sites=sites,
        aggregate=aggregate,
        dtype=dtype,
        side=cast(Any, side),
        batch_size=batch_size,
        force=force,
        progress=progress(),
    )
    emit({"store": str(out), "words": made.n_words, "neurons": made.n_neurons}, as_json)
