"""``onegrain effects``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from onegrain.cli.console import progress
from onegrain.cli.options.computing import Device, Seed
from onegrain.cli.options.corpus import FileOptions
from onegrain.cli.options.editing import EditingOptions, WhereOptions
from onegrain.cli.options.groups import with_groups
from onegrain.cli.options.model import Dictionaries, LoadingOptions
from onegrain.cli.options.neurons import LabelName, RandomOrders
from onegrain.cli.options.record_output import RecordOutput, request_of_edit
from onegrain.cli.options.sweeping import Pairs, pairs_from
from onegrain.cli.options.words import BatchSize

NAME = "effects"


@dataclass(frozen=True)
class EffectOptions:
    """The options for which neurons are edited together."""

    k: Annotated[int, typer.Option("--k", "-k", help="Number of neurons to edit.")] = 10
    by_site: Annotated[
        bool, typer.Option("--each-site", help="Edit the neurons of each site alone as well.")
    ] = False
    random_orders: RandomOrders = 5
    resamples: Annotated[int, typer.Option("--draws", help="Number of bootstrap draws.")] = 10_000
    seed: Seed = 0
    batch_size: BatchSize = 64


@with_groups
def run(
    model: Annotated[str, typer.Argument(help="Folder or hub id of a language model that is a transformer.")],
    ranking: Annotated[Path, typer.Argument(help="Ranking whose first neurons are edited.")],
    data: Annotated[Path, typer.Argument(help="Text to measure the loss on.")],
    *,
    output: RecordOutput,
    effect: EffectOptions,
    label: LabelName = None,
    editing: EditingOptions,
    pairs: Pairs = None,
    places: WhereOptions,
    corpus: FileOptions,
    device: Device = None,
    loading: LoadingOptions,
    dictionary: Dictionaries = None,
) -> None:
    """Measure what an edit does directly, and what the layers above it add or repair."""
    from onegrain.interventions import effects
    from onegrain.records.ranking import Ranking

    output.require_writable()
    loaded_ranking = Ranking.load(ranking)
    words = corpus.read(data)
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
        options=[asdict(effect), label, edit.identity(), asdict(places)],
    )
    output.require_new(request)
    record = effects(
        loaded_model,
        loaded_ranking if label is None else loaded_ranking.label(label),
        words,
        where=places.where(),
        pairs=paired,
        progress=progress(),
        **asdict(effect),
        **edit.arguments(),
    )
    output.save(record, request)
    heading = "Rise of the loss, nats per subword: total, by the direct path, and the rest"
    output.show(record.summary(), {heading: record.table}, {"rows": record.to_pandas()})
