"""``onegrain specificity``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from onegrain.cli.console import progress
from onegrain.cli.options.computing import Device, Seed
from onegrain.cli.options.corpus import FileOptions
from onegrain.cli.options.editing import EditingOptions, PlaceOptions
from onegrain.cli.options.groups import with_groups
from onegrain.cli.options.model import Dictionaries, LoadingOptions
from onegrain.cli.options.neurons import LabelLayer, MinCount, RandomOrders
from onegrain.cli.options.record_output import RecordOutput, request_of_edit
from onegrain.cli.options.sweeping import Pairs, pairs_from
from onegrain.cli.options.words import BatchSize

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
    *,
    output: RecordOutput,
    matrix: MatrixOptions,
    editing: EditingOptions,
    pairs: Pairs = None,
    places: PlaceOptions,
    corpus: FileOptions,
    device: Device = None,
    loading: LoadingOptions,
    dictionary: Dictionaries = None,
) -> None:
    """Edit the top neurons of each label, and measure the loss of the words of every label."""
    from onegrain.interventions import specificity
    from onegrain.records.ranking import Ranking

    output.require_writable()
    loaded_ranking = Ranking.load(ranking)
    words = corpus.read_sides(data)
    paired = pairs_from(pairs, format=corpus.format, lower=corpus.lower, limit=corpus.limit)
    edit = editing.opened()
    loaded_model = loading.load(model, device, dictionary)
    request = request_of_edit(
        NAME,
        loaded_model,
        loaded_ranking,
        loading=loading,
        device=device,
        dictionaries=dictionary,
        corpora={"words": words, "pairs": paired},
        options=[asdict(matrix), edit.identity(), asdict(places)],
    )
    output.require_new(request)
    record = specificity(
        loaded_model,
        loaded_ranking,
        words,
        where=places.where(),
        recurrent=places.recurrent,
        pairs=paired,
        progress=progress(),
        **matrix.arguments(),
        **edit.arguments(),
    )
    output.save(record, request)
    tables = {
        "Excess damage to a label's own words and to others, nats per word": record.contrasts,
        "Excess damage: neurons of (rows), words with (columns)": record.matrix().reset_index(),
    }
    output.show(record.summary(), tables, record.tables())
