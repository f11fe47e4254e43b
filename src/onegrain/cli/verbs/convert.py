"""``onegrain convert``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onegrain.cli.console import emit, progress
from onegrain.cli.options.corpus import FileOptions
from onegrain.cli.options.groups import with_groups
from onegrain.cli.options.output import Force, Json
from onegrain.cli.repeating import end_repeat
from onegrain.errors import ParameterError

NAME = "convert"


@with_groups
def run(
    source: Annotated[str, typer.Argument(metavar="SRC", help="Store, or NeuroX file.")],
    out: Annotated[
        str,
        typer.Argument(
            metavar="DST",
            help="NeuroX file to write (*.hdf5, *.json) from a store; store to write (*.zarr) from a file.",
        ),
    ],
    *,
    sites: Annotated[
        list[str] | None,
        typer.Option(
            "--sites",
            help="Glob pattern of the sites to write (from a store), or name of the next layer (from a file); "
            "may be repeated.",
        ),
    ] = None,
    corpus: Annotated[
        Path | None,
        typer.Option(help="Corpus that the file was made from, for words and labels (from a file)."),
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(help="Precision of the store, float32 or float16 (from a file); float32 by default."),
    ] = None,
    text: FileOptions,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Turn a store into a NeuroX file (HDF5 or JSON lines), or a NeuroX file into a store.

    A SRC named *.hdf5, *.h5, *.json or *.jsonl is a NeuroX file; any other SRC is a store.
    """
    from onegrain.activations import open_activations
    from onegrain.formats import export_neurox, import_neurox
    from onegrain.formats.neurox.formats import READABLE

    options = text != FileOptions()
    if Path(source).suffix not in READABLE:
        if corpus is not None or dtype is not None or options:
            raise ParameterError("a store has its words and labels already; leave out --corpus and its options")
        opened = open_activations(source)
        export_neurox(opened, out, sites=sites, force=force, progress=progress(), on_repeat=end_repeat(out))
        chosen = opened.restrict(sites)
        emit({"file": out, "words": chosen.n_words, "sites": list(chosen.space.sites)}, as_json)
        return
    if corpus is None and options:
        raise ParameterError(
            "--labels, --format, --columns, --lower and --limit are about --corpus; give it too"
        )
    words = None if corpus is None else text.read(corpus)
    store = import_neurox(
        source,
        out,
        corpus=words,
        sites=sites,
        dtype=dtype or "float32",
        force=force,
        progress=progress(),
        on_repeat=end_repeat(out),
    )
    emit({"store": out, "words": store.n_words, "neurons": store.n_neurons}, as_json)
