"""``onegrain sweep``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onegrain.cli.console import emit, progress, show_table
from onegrain.cli.options.computing import Device
from onegrain.cli.options.corpus import Format, Limit, Lower
from onegrain.cli.options.editing import EDIT_HELP, PlaceOptions, Reference, open_reference
from onegrain.cli.options.engine import EngineOptions
from onegrain.cli.options.groups import with_groups
from onegrain.cli.options.headings import ABLATION
from onegrain.cli.options.metric import METRIC_HELP, MetricParameters, metrics_from
from onegrain.cli.options.model import BasicLoadingOptions, Dictionaries
from onegrain.cli.options.output import Force, Json, out_option
from onegrain.cli.options.records import named_rankings
from onegrain.cli.options.sweeping import GridOptions, Pairs, StopOptions, pairs_from, reference_identity
from onegrain.cli.options.words import BatchSize
from onegrain.cli.repeating import already_made, holds_request, request_hash, with_request

if TYPE_CHECKING:
    from onegrain.records.sweep import Sweep

NAME = "sweep"


@with_groups
def run(
    model: Annotated[str, typer.Argument(help="Model folder or hub id.")],
    data: Annotated[
        list[Path], typer.Argument(help="Text for perplexity; source and target for bleu and chrf.")
    ],
    rankings: Annotated[
        list[str],
        typer.Option(
            "--ranking",
            "-r",
            help="Ranking whose neurons are edited, FILE or NAME=FILE; may be repeated.",
            rich_help_panel=ABLATION,
        ),
    ],
    metrics: Annotated[
        list[str],
        typer.Option("--metric", "-m", help=METRIC_HELP, rich_help_panel=ABLATION),
    ],
    out: Annotated[Path, out_option("Sweep to write, *.parquet.")],
    *,
    edits: Annotated[
        list[str],
        typer.Option(
            "--edit",
            help=EDIT_HELP,
            rich_help_panel=ABLATION,
        ),
    ] = ["zero"],  # noqa: B006 - Typer copies it
    labels: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            "-l",
            help="Label whose own order of neurons is used; may be repeated.",
            rich_help_panel=ABLATION,
        ),
    ] = None,
    grid: GridOptions,
    stopping: StopOptions,
    places: PlaceOptions,
    reference: Reference = None,
    pairs: Pairs = None,
    batch_size: BatchSize = 64,
    metric_set: MetricParameters = None,
    no_bos: Annotated[
        bool,
        typer.Option("--no-bos", help="Measure a language model without a start token before sentences."),
    ] = False,
    format: Format = None,
    lower: Lower = False,
    limit: Limit = None,
    device: Device = None,
    loading: BasicLoadingOptions,
    dictionary: Dictionaries = None,
    engine: EngineOptions,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Edit the neurons of several rankings in the running model, in several ways, and measure it.

    --ranking, --metric, --edit and --label may be repeated; every combination of them is measured.
    """
    from onegrain.core.output import require_free, require_writable_output
    from onegrain.interventions import checkpoint_beside, sweep
    from onegrain.records.identity import corpus_digest

    require_writable_output(out, force=force or out.is_file(), suffixes=(".parquet",))
    loaded_rankings = named_rankings(rankings)
    by_name = metrics_from(metrics, data, lower=lower, limit=limit, format=format, parameters=metric_set)
    paired = pairs_from(pairs, format=format, lower=lower, limit=limit)
    opened = open_reference(reference)
    stop_when = stopping.create()
    runner = engine.create()
    loaded_model = loading.load(model, device, dictionary)
    if no_bos:
        loaded_model = loaded_model.without_start_token()
    options = {**grid.arguments(), "labels": labels, "recurrent": places.recurrent, "batch_size": batch_size}
    request = request_hash(
        "sweep",
        model=loaded_model.identity,
        dictionaries=dictionary,
        rankings=[[name, each.provenance, each.order_hash] for name, each in loaded_rankings.items()],
        metrics=[
            [name, each.parameters, corpus_digest(each.corpus, documents=True)]
            for name, each in by_name.items()
        ],
        options=[options, edits, places.where().to_json(), stop_when and stop_when.to_json()],
        reference=reference_identity(opened, reference),
        pairs=None if paired is None else corpus_digest(paired),
        loading=[device, loading.model_dtype, loading.source_language, loading.target_language, no_bos],
    )
    if not force and holds_request(out, request):
        raise already_made(out)
    require_free(out, force=force)
    record = sweep(
        loaded_model,
        loaded_rankings,
        by_name,
        edits,
        where=places.where(),
        reference=opened,
        pairs=paired,
        engine=runner,
        checkpoint=checkpoint_beside(out),
        stop_when=stop_when,
        progress=progress(),
        **options,
    )
    with_request(record, request).save(out, force=force)
    checkpoint_beside(out).unlink(missing_ok=True)
    _show(record, out, as_json)


def _show(record: Sweep, out: Path, as_json: bool) -> None:
    """Print what a sweep says: differences from random neurons, and agreement of the edits; or all as JSON."""
    from onegrain.analyses import robustness, significance
    from onegrain.errors import ParameterError

    facts: dict[str, Any] = {"sweep": str(out), **{k: v for k, v in record.summary().items() if k != "record"}}
    try:
        against = significance(record).against_random
    except ParameterError:  # the line keep alone has no areas
        against = record.points.head(0)
    try:
        overall = robustness(record).overall
    except ParameterError:  # one kind of edit, or one ranking
        overall = against.head(0)
    if as_json:
        tables = {"points": record.points, "against_random": against, "robustness": overall}
        emit({**facts, **{name: table.to_dict("records") for name, table in tables.items()}}, True)
        return
    emit(facts, False)
    if len(against):
        columns = [c for c in against.columns if c not in ("p", "p_orders") and against[c].notna().any()]
        show_table(
            against[columns], "Damage by the first neurons less that by random ones, with 95 % intervals"
        )
    if len(overall):
        show_table(overall, "Agreement of the edits on the order of merit of the rankings (Kendall's W)")
