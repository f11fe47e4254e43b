"""``onegrain rank``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from onegrain.cli.console import emit, emit_table, progress
from onegrain.cli.options.computing import Device, Memory, Seed
from onegrain.cli.options.engine import EngineOptions
from onegrain.cli.options.groups import with_groups
from onegrain.cli.options.neurons import LabelLayer
from onegrain.cli.options.output import Force, Json, out_option
from onegrain.cli.options.pairs import parameters_from
from onegrain.cli.options.ranking import InputOptions, ReadingOptions
from onegrain.cli.ranking import (
    output_paths,
    parameters_by_method,
    rank_and_save,
    ranking_facts,
    with_evaluate,
)
from onegrain.cli.repeating import request_hash
from onegrain.rankings.registry import BUILT_IN

NAME = "rank"


@with_groups
def run(
    method: Annotated[
        str,
        typer.Argument(
            help=f"{', '.join(BUILT_IN)}, or one of an installed plug-in. Several, with commas between them, "
            "share passes over the words where they can."
        ),
    ],
    store: Annotated[
        str,
        typer.Argument(help="Store to rank the neurons of, a folder or a URL; with --corpus, a model."),
    ],
    out: Annotated[Path, out_option("Ranking to write, *.parquet; a folder for several methods.")],
    *,
    label: LabelLayer = None,
    inputs: InputOptions,
    seed: Seed = 0,
    memory: Memory = None,
    device: Device = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Parameter of the method, NAME=VALUE (JSON), or METHOD.NAME=VALUE for several methods; may be "
            "repeated.",
        ),
    ] = None,
    evaluate: Annotated[
        str | None,
        typer.Option(
            help="Parts of the evaluation by lca, with commas between them: masking, retraining, minimal; or "
            "none. By default all."
        ),
    ] = None,
    engine: EngineOptions,
    reading: ReadingOptions,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Rank all neurons of a store by one method or by several.

    With --corpus, the neurons are those of a model, which reads the corpus once per pass of the method.
    onegrain rank METHOD --help lists the parameters of a method with their defaults.
    """
    methods = method.split(",")
    by_method = parameters_by_method(methods, parameters_from(parameters))
    if evaluate is not None:
        by_method = with_evaluate(by_method, methods, evaluate)
    paths = output_paths(methods, out, force=force)
    runner = engine.create()
    opened = inputs.open(store, reading)
    facts = {**opened.identities(), "label": label, "seed": seed, "device": device}
    requests = {
        name: request_hash("rank", method=name, parameters=by_method.get(name, {}), **facts) for name in methods
    }
    arguments: dict[str, Any] = {
        **opened.arguments(),
        "label": label,
        "seed": seed,
        "memory": memory,
        "device": device,
        "engine": None if engine.engine == "local" else runner,
        "progress": progress(),
    }
    rankings = rank_and_save(opened.activations, paths, requests, arguments, by_method, force=force)
    rows = [ranking_facts(ranking, paths[name]) for name, ranking in rankings.items()]
    if len(methods) == 1:
        emit(rows[0], as_json)
        return
    import pandas as pd

    table = pd.DataFrame(rows)
    if "labels_left_out" in table:
        table = table.fillna({"labels_left_out": ""})
    emit_table(table, "Rankings", as_json)
