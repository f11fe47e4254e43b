"""``onegrain constants``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onegrain.cli.console import emit, progress, show_table
from onegrain.cli.options.computing import Device
from onegrain.cli.options.corpus import FileOptions
from onegrain.cli.options.editing import open_reference
from onegrain.cli.options.groups import with_groups
from onegrain.cli.options.model import Dictionaries, LoadingOptions
from onegrain.cli.options.neurons import LabelName
from onegrain.cli.options.output import Force, Json, out_option
from onegrain.cli.options.words import BatchSize
from onegrain.cli.repeating import already_made, holds_request, request_hash, with_request

NAME = "constants"


@with_groups
def run(
    model: Annotated[str, typer.Argument(help="Model folder or hub id.")],
    ranking: Annotated[Path, typer.Argument(help="Ranking whose first neurons are set to constants.")],
    data: Annotated[
        list[Path], typer.Argument(help="Reference text; source and target of a translation model.")
    ],
    out: Annotated[Path, out_option("Statistics of the neurons to write, *.parquet.")],
    *,
    k: Annotated[int, typer.Option("--k", "-k", help="Number of neurons that are set together.")] = 10,
    label: LabelName = None,
    reference: Annotated[
        str | None,
        typer.Option(
            "--start", help="Store or statistics from which the search starts; by default the reference text."
        ),
    ] = None,
    steps: Annotated[int, typer.Option("--search-steps", help="Largest number of steps of the search.")] = 50,
    tolerance: Annotated[
        float,
        typer.Option(
            "--search-tolerance", help="The search ends when a step lowers the loss by a smaller part of it."
        ),
    ] = 1e-6,
    batch_size: BatchSize = 64,
    corpus: FileOptions,
    device: Device = None,
    loading: LoadingOptions,
    dictionary: Dictionaries = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Find the constants for a ranking's first neurons that cost the model least (edit optimal)."""
    from onegrain.core.output import require_free, require_writable_output
    from onegrain.interventions import Intervention, optimal_constants
    from onegrain.interventions.belonging import require_ranking_of
    from onegrain.records.identity import corpus_digest
    from onegrain.records.ranking import Ranking

    require_writable_output(out, force=force or out.is_file(), suffixes=(".parquet",))
    loaded_ranking = Ranking.load(ranking)
    if label is not None:
        loaded_ranking = loaded_ranking.label(label)
    words = corpus.read_sides(data)
    means = open_reference(reference)
    loaded_model = loading.load(model, device, dictionary)
    require_ranking_of(loaded_model, loaded_ranking)
    request = request_hash(
        NAME,
        model=loaded_model.identity,
        dictionaries=dictionary,
        ranking=[loaded_ranking.provenance, loaded_ranking.order_hash, k],
        corpus=corpus_digest(words),
        options=[None if means is None else means.provenance, steps, tolerance, batch_size],
        loading=[device, loading.model_dtype, loading.source_language, loading.target_language],
    )
    if not force and holds_request(out, request):
        raise already_made(out)
    require_free(out, force=force)
    statistics = optimal_constants(
        loaded_model,
        words,
        Intervention.of(loaded_ranking, k, edit="optimal"),
        reference=means,
        steps=steps,
        tolerance=tolerance,
        batch_size=batch_size,
        progress=progress(),
    )
    with_request(statistics, request).save(out, force=force)
    table = statistics.to_pandas()[["site", "unit", "mean", "deviation", "optimal"]].dropna()
    facts = {f"loss, {name}": loss for name, loss in statistics.details["losses"].items()}
    facts |= {name: statistics.details[name] for name in ("steps", "converged")}
    if as_json:
        emit({**facts, "neurons": table.to_dict("records")}, True)
        return
    emit(facts, False)
    show_table(table, "Constants that cost the model least")
