"""``onegrain constants``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onegrain.cli.console import progress
from onegrain.cli.options.computing import Device
from onegrain.cli.options.corpus import FileOptions
from onegrain.cli.options.editing import open_reference
from onegrain.cli.options.groups import with_groups
from onegrain.cli.options.model import Dictionaries, LoadingOptions
from onegrain.cli.options.neurons import LabelName
from onegrain.cli.options.record_output import RecordOutput, request_of_edit
from onegrain.cli.options.words import BatchSize

NAME = "constants"


@with_groups
def run(
    model: Annotated[str, typer.Argument(help="Model folder or hub id.")],
    ranking: Annotated[Path, typer.Argument(help="Ranking whose first neurons are set to constants.")],
    data: Annotated[
        list[Path], typer.Argument(help="Reference text; source and target of a translation model.")
    ],
    *,
    output: RecordOutput,
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
) -> None:
    """Find the constants for a ranking's first neurons that cost the model least (edit optimal)."""
    from onegrain.interventions import Intervention, optimal_constants
    from onegrain.interventions.belonging import require_ranking_of
    from onegrain.records.ranking import Ranking

    output.require_writable()
    loaded_ranking = Ranking.load(ranking)
    if label is not None:
        loaded_ranking = loaded_ranking.label(label)
    words = corpus.read_sides(data)
    means = open_reference(reference)
    loaded_model = loading.load(model, device, dictionary)
    require_ranking_of(loaded_model, loaded_ranking)
    request = request_of_edit(
        NAME,
        loaded_model,
        loaded_ranking,
        loading=loading,
        device=device,
        dictionaries=dictionary,
        corpora={"words": words},
        options=[k, None if means is None else means.provenance, steps, tolerance, batch_size],
    )
    output.require_new(request)
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
    output.save(statistics, request)
    table = statistics.to_pandas()[["site", "unit", "mean", "deviation", "optimal"]].dropna()
    facts = {f"loss, {name}": loss for name, loss in statistics.details["losses"].items()}
    facts |= {name: statistics.details[name] for name in ("steps", "converged")}
    output.show(facts, {"Constants that cost the model least": table}, {"neurons": table})
