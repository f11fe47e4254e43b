"""``onegrain ablate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onegrain.cli.console import emit, progress, show_table
from onegrain.cli.options.computing import Device
from onegrain.cli.options.corpus import Format, Limit, Lower
from onegrain.cli.options.editing import EditingOptions, PlaceOptions, open_reference
from onegrain.cli.options.engine import EngineOptions
from onegrain.cli.options.groups import with_groups
from onegrain.cli.options.metric import MetricName, MetricParameters, metric_from
from onegrain.cli.options.model import Dictionaries, LoadingOptions
from onegrain.cli.options.neurons import LabelName
from onegrain.cli.options.output import Force, Json, out_option
from onegrain.cli.options.sweeping import GridOptions, Pairs, pairs_from, reference_identity
from onegrain.cli.options.words import BatchSize
from onegrain.cli.repeating import already_made, holds_request, request_hash, with_request

if TYPE_CHECKING:
    from onegrain.records.curve import Curve

NAME = "ablate"


@with_groups
def run(
    model: Annotated[str, typer.Argument(help="Model folder or hub id.")],
    ranking: Annotated[Path, typer.Argument(help="Ranking whose neurons are erased.")],
    data: Annotated[
        list[Path],
        typer.Argument(help="Text or pairs for the metric; source and target for bleu and chrf."),
    ],
    metric: MetricName,
    out: Annotated[Path, out_option("Curve to write, *.parquet.")],
    *,
    grid: GridOptions,
    editing: EditingOptions,
    places: PlaceOptions,
    pairs: Pairs = None,
    batch_size: BatchSize = 64,
    label: LabelName = None,
    metric_set: MetricParameters = None,
    no_bos: Annotated[
        bool,
        typer.Option("--no-bos", help="Measure a language model without a start token before sentences."),
    ] = False,
    format: Format = None,
    lower: Lower = False,
    limit: Limit = None,
    device: Device = None,
    loading: LoadingOptions,
    dictionary: Dictionaries = None,
    engine: EngineOptions,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Erase ranked neurons in the running model and measure it: from the top, the bottom, and at random."""
    from onegrain.core.output import require_free, require_writable_output
    from onegrain.interventions import ablate, checkpoint_beside
    from onegrain.records.identity import corpus_digest
    from onegrain.records.ranking import Ranking

    require_writable_output(out, force=force or out.is_file(), suffixes=(".parquet",))
    loaded_ranking = Ranking.load(ranking)
    metric_on_data = metric_from(metric, data, lower=lower, limit=limit, format=format, parameters=metric_set)
    paired = pairs_from(pairs, format=format, lower=lower, limit=limit)
    opened = open_reference(editing.reference)
    runner = engine.create()
    loaded_model = loading.load(model, device, dictionary)
    if no_bos:
        loaded_model = loaded_model.without_start_token()
    options = {
        **grid.arguments(),
        "batch_size": batch_size,
        "edit": editing.edit,
        "recurrent": places.recurrent,
    }
    digest = corpus_digest(metric_on_data.corpus, documents=metric == "document_perplexity")
    request = request_hash(
        "ablate",
        model=loaded_model.identity,
        dictionaries=dictionary,
        ranking=[loaded_ranking.provenance, loaded_ranking.order_hash, label],
        metric=[metric, digest, *(metric_set or ())],
        options=[options, places.where().to_json()],
        reference=reference_identity(opened, editing.reference),
        pairs=None if paired is None else corpus_digest(paired),
        loading=[device, loading.model_dtype, loading.source_language, loading.target_language, no_bos],
    )
    if not force and holds_request(out, request):
        raise already_made(out)
    require_free(out, force=force)
    if label is not None:
        loaded_ranking = loaded_ranking.label(label)
    curve = ablate(
        loaded_model,
        loaded_ranking,
        metric_on_data,
        where=places.where(),
        reference=opened,
        pairs=paired,
        engine=runner,
        checkpoint=checkpoint_beside(out),
        progress=progress(),
        **options,
    )
    with_request(curve, request).save(out, force=force)
    checkpoint_beside(out).unlink(missing_ok=True)
    _show(curve, out, as_json)


def _show(curve: Curve, out: Path, as_json: bool) -> None:
    """Print a curve as a table with its verdict, or as JSON."""
    facts: dict[str, object] = {"curve": str(out), "metric": curve.metric, "intact": curve.intact}
    for line in dict.fromkeys(curve.points["line"]):
        facts[f"{line} erased"] = {int(r.neurons): float(r.value) for r in curve.line(line).itertuples()}
    if as_json:
        emit({**facts, "points": curve.points.to_dict("records")}, True)
        return
    emit({name: facts[name] for name in ("curve", "metric", "intact")}, False)
    show_table(
        curve.points, "Metric after erasing neurons, with 95 % intervals; for random orders, their range"
    )
    from onegrain.analyses import verdict

    typer.echo(verdict(curve))
