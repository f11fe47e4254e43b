"""``onegrain specificity``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from onegrain.cli.console import emit, progress, show_table
from onegrain.cli.options.computing import Device, Seed
from onegrain.cli.options.corpus import FileOptions
from onegrain.cli.options.editing import EditingOptions, PlaceOptions
from onegrain.cli.options.groups import with_groups
from onegrain.cli.options.model import Dictionaries, LoadingOptions
from onegrain.cli.options.neurons import LabelLayer, MinCount, RandomOrders
from onegrain.cli.options.output import Force, Json, out_option
from onegrain.cli.options.words import BatchSize
from onegrain.cli.repeating import already_made, holds_request, request_hash, with_request

NAME = "specificity"


@dataclass(frozen=True)
class MatrixOptions:
    """The options for which neurons are edited, and which words are measured."""

    k: Annotated[int, typer.Option("--k", "-k", help="Number of neurons of each label to edit.")] = 10
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="Label to measure; may be repeated. All by default."),
    ] = None
    layer: LabelLayer = None
    min_count: MinCount = 10
    random_orders: RandomOrders = 5
    resamples: Annotated[int, typer.Option("--draws", help="Number of bootstrap draws.")] = 10_000
    seed: Seed = 0
    batch_size: BatchSize = 64

    def arguments(self) -> dict[str, Any]:
        """Return the options as keywords of :func:`onegrain.specificity`."""
        options = asdict(self)
        return {"labels": options.pop("only"), **options}


@with_groups
def run(
    model: Annotated[str, typer.Argument(help="Model folder or hub id.")],
    ranking: Annotated[Path, typer.Argument(help="Ranking with an order of neurons for each label.")],
    data: Annotated[
        list[Path], typer.Argument(help="Labelled text; for a translation model source, then labelled target.")
    ],
    out: Annotated[Path, out_option("Record to write, *.parquet.")],
    *,
    matrix: MatrixOptions,
    editing: EditingOptions,
    places: PlaceOptions,
    corpus: FileOptions,
    device: Device = None,
    loading: LoadingOptions,
    dictionary: Dictionaries = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Edit the top neurons of each label, and measure the loss of the words of every label."""
    from onegrain.core.output import require_free, require_writable_output
    from onegrain.interventions import specificity
    from onegrain.records.identity import corpus_digest
    from onegrain.records.ranking import Ranking

    require_writable_output(out, force=force or out.is_file(), suffixes=(".parquet",))
    loaded_ranking = Ranking.load(ranking)
    words = corpus.read_sides(data)
    edit = editing.opened()
    loaded_model = loading.load(model, device, dictionary)
    request = request_hash(
        NAME,
        model=loaded_model.identity,
        dictionaries=dictionary,
        ranking=[loaded_ranking.provenance, loaded_ranking.order_hash],
        corpus=corpus_digest(words),
        options=[asdict(matrix), edit.identity(), asdict(places)],
        loading=[device, loading.model_dtype, loading.source_language, loading.target_language],
    )
    if not force and holds_request(out, request):
        raise already_made(out)
    require_free(out, force=force)
    record = specificity(
        loaded_model,
        loaded_ranking,
        words,
        where=places.where(),
        recurrent=places.recurrent,
        progress=progress(),
        **matrix.arguments(),
        **edit.arguments(),
    )
    with_request(record, request).save(out, force=force)
    if as_json:
        emit(
            {**record.summary(), **{name: rows.to_dict("records") for name, rows in record.tables().items()}},
            True,
        )
        return
    emit(record.summary(), False)
    show_table(record.contrasts, "Excess damage to a label's own words and to others, nats per word")
    show_table(record.matrix().reset_index(), "Excess damage: neurons of (rows), words with (columns)")
