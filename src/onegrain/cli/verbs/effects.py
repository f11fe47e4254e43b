"""``onegrain effects``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from onegrain.cli.console import emit, progress, show_table
from onegrain.cli.options.computing import Device, Seed
from onegrain.cli.options.corpus import FileOptions
from onegrain.cli.options.editing import EditingOptions
from onegrain.cli.options.groups import with_groups
from onegrain.cli.options.model import Dictionaries, LoadingOptions
from onegrain.cli.options.neurons import LabelName, RandomOrders
from onegrain.cli.options.output import Force, Json, out_option
from onegrain.cli.options.words import BatchSize
from onegrain.cli.repeating import already_made, holds_request, request_hash, with_request

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
    out: Annotated[Path, out_option("Record to write, *.parquet.")],
    *,
    effect: EffectOptions,
    label: LabelName = None,
    editing: EditingOptions,
    corpus: FileOptions,
    device: Device = None,
    loading: LoadingOptions,
    dictionary: Dictionaries = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Measure what an edit does directly, and what the layers above it add or repair."""
    from onegrain.core.output import require_free, require_writable_output
    from onegrain.interventions import effects
    from onegrain.records.identity import corpus_digest
    from onegrain.records.ranking import Ranking

    require_writable_output(out, force=force or out.is_file(), suffixes=(".parquet",))
    loaded_ranking = Ranking.load(ranking)
    words = corpus.read(data)
    edit = editing.opened()
    loaded_model = loading.load(model, device, dictionary)
    request = request_hash(
        NAME,
        model=loaded_model.identity,
        dictionaries=dictionary,
        ranking=[loaded_ranking.provenance, loaded_ranking.order_hash, label],
        corpus=corpus_digest(words),
        options=[asdict(effect), edit.identity()],
        loading=[device, loading.model_dtype],
    )
    if not force and holds_request(out, request):
        raise already_made(out)
    require_free(out, force=force)
    chosen = loaded_ranking if label is None else loaded_ranking.label(label)
    record = effects(loaded_model, chosen, words, progress=progress(), **asdict(effect), **edit.arguments())
    with_request(record, request).save(out, force=force)
    if as_json:
        emit({**record.summary(), "rows": record.to_pandas().to_dict("records")}, True)
        return
    emit(record.summary(), False)
    show_table(record.table, "Rise of the loss, nats per subword: total, by the direct path, and the rest")
