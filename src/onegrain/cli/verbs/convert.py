"""``onegrain convert``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onegrain.cli.console import emit, progress
from onegrain.cli.options.corpus import Columns, Format, Labels, Limit, Lower, corpus_from
from onegrain.cli.options.output import Force, Json
from onegrain.errors import ParameterError

if TYPE_CHECKING:
    from onegrain.records.corpus import Corpus

NAME = "convert"


def run(
    source: Annotated[str, typer.Argument(metavar="SRC", help="A store, or a file of NeuroX.")],
    out: Annotated[
        str, typer.Argument(metavar="DST", help="Of a store: *.hdf5 or *.json. Of a file of NeuroX: *.zarr.")
    ],
    sites: Annotated[
        list[str] | None,
        typer.Option(
            "--sites",
            help="Of a store: glob pattern of the sites to write. Of a file: the name of its next layer. "
            "May be repeated.",
        ),
    ] = None,
    corpus: Annotated[
        Path | None, typer.Option(help="Of a file: the corpus that it was made from, for words and labels.")
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(help="Of a file: float32, the default, or float16 for half the space.")
    ] = None,
    labels: Labels = None,
    format: Format = None,
    columns: Columns = None,
    lower: Lower = False,
    limit: Limit = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Turn a store into a file of NeuroX (HDF5 or JSON lines), or such a file into a store.

    Which of the two it is, the name of SRC says: *.hdf5, *.h5, *.json and *.jsonl are files of NeuroX.
    """
    from onegrain.activations import open_activations
    from onegrain.formats import export_neurox, import_neurox
    from onegrain.formats.neurox.formats import READABLE

    options = any((labels, format, columns, lower, limit is not None))
    if Path(source).suffix not in READABLE:
        if corpus is not None or dtype is not None or options:
            raise ParameterError("a store has its words and labels already; leave out --corpus and its options")
        store = open_activations(source)
        export_neurox(store, out, sites=sites, force=force, progress=progress())
        chosen = store.restrict(sites)
        emit({"file": out, "words": chosen.n_words, "sites": list(chosen.space.sites)}, as_json)
        return
    if corpus is None and options:
        raise ParameterError(
            "--labels, --format, --columns, --lower and --limit are about --corpus; give it too"
        )
    words: Corpus | None = None
    if corpus is not None:
        words = corpus_from(corpus, labels=labels, format=format, columns=columns, lower=lower, limit=limit)
    made = import_neurox(
        source, out, corpus=words, sites=sites, dtype=dtype or "float32", force=force, progress=progress()
    )
    emit({"store": out, "words": made.n_words, "neurons": made.n_neurons}, as_json)
