"""``onegrain rank``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from onegrain.cli.console import emit, emit_table, progress
from onegrain.cli.options.computing import Device, Memory, Seed
from onegrain.cli.options.corpus import Columns, Format, Labels, Limit, Lower, Target
from onegrain.cli.options.engine import Address, EngineName, Workers
from onegrain.cli.options.model import (
    AllowPickle,
    DeviceMap,
    ModelDevice,
    ModelDtype,
    OffloadFolder,
    SourceLanguage,
    TargetLanguage,
    TrustRemoteCode,
)
from onegrain.cli.options.neurons import LabelLayer, Sites
from onegrain.cli.options.output import Force, Json, out_option
from onegrain.cli.options.pairs import parameters_from
from onegrain.cli.options.words import Aggregate, BatchSize, Long, Side
from onegrain.cli.ranking import (
    model_reader,
    parameters_by_method,
    rank_and_save,
    ranking_facts,
    require_no_reading_options,
    store_opener,
)
from onegrain.cli.repeating import identity_of, request_hash
from onegrain.rankings.registry import BUILT_IN

NAME = "rank"


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
    label: LabelLayer = None,
    dev: Annotated[
        str | None, typer.Option(help="Held-out store on which penalties and the like are chosen.")
    ] = None,
    test: Annotated[str | None, typer.Option(help="Held-out store for the evaluation.")] = None,
    others: Annotated[
        list[str] | None,
        typer.Option(help="Store of another model on the same words; with --corpus, a model. May be repeated."),
    ] = None,
    sites: Sites = None,
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
    engine: EngineName = "local",
    address: Address = None,
    workers: Workers = None,
    corpus: Annotated[
        Path | None,
        typer.Option(
            help="Corpus file on which the models STORE and --others are read, without storing anything."
        ),
    ] = None,
    labels: Labels = None,
    format: Format = None,
    columns: Columns = None,
    target: Target = None,
    lower: Lower = False,
    limit: Limit = None,
    aggregate: Aggregate = "last",
    side: Side = None,
    long: Long = "error",
    batch_size: BatchSize = 64,
    model_device: ModelDevice = None,
    device_map: DeviceMap = None,
    offload_folder: OffloadFolder = None,
    model_dtype: ModelDtype = "float32",
    trust_remote_code: TrustRemoteCode = False,
    allow_pickle: AllowPickle = False,
    source_language: SourceLanguage = None,
    target_language: TargetLanguage = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Rank all neurons of a store by one method or by several.

    With --corpus, the neurons are those of a model, which reads the corpus once per pass of the method.
    onegrain rank METHOD --help lists the parameters of a method with their defaults.
    """
    from onegrain.core.names import require_name
    from onegrain.core.output import require_writable_output
    from onegrain.engines import engine_named

    settings = parameters_from(parameters)
    text: dict[str, Any] = {
        "labels": labels,
        "format": format,
        "columns": columns,
        "target": target,
        "lower": lower,
        "limit": limit,
    }
    encoding = {"aggregate": aggregate, "side": side, "long": long, "batch_size": batch_size}
    loading = {
        "device": model_device,
        "device_map": device_map,
        "offload_folder": offload_folder,
        "dtype": model_dtype,
        "trust_remote_code": trust_remote_code,
        "allow_pickle": allow_pickle,
        "source_language": source_language,
        "target_language": target_language,
    }
    names = method.split(",")
    several = len(names) > 1
    if several:
        for name in names:
            require_name(name, "the name of a method")
    paths = {name: out / f"{name}.parquet" if several else out for name in names}
    for path in paths.values():
        require_writable_output(path, force=force or path.is_file(), suffixes=(".parquet",))
    runner = engine_named(engine, address=address, workers=workers)
    open_store = store_opener(sites)
    if corpus is None:
        require_no_reading_options({**text, **encoding, **loading})
        open_input = open_store
    else:
        open_input = model_reader(corpus, sites, text, encoding, loading)
    arguments: dict[str, Any] = {
        "label": label,
        "dev": open_store(dev) if dev is not None else None,
        "test": open_store(test) if test is not None else None,
        "others": [open_input(path) for path in others or []],
        "seed": seed,
        "memory": memory,
        "device": device,
        "engine": None if engine == "local" else runner,
        "progress": progress(),
    }
    activations = open_input(store)
    by_method = parameters_by_method(settings) if several else {method: settings}
    inputs = {"activations": (activations, store if corpus is None else None)}
    inputs |= {name: (arguments[name], place) for name, place in (("dev", dev), ("test", test)) if place}
    for place, other in zip(others or [], arguments["others"], strict=True):
        inputs[f"other {len(inputs)}"] = (other, place if corpus is None else None)
    facts: dict[str, Any] = {name: identity_of(*pair) for name, pair in inputs.items()}
    facts |= {"label": label, "seed": seed, "device": device}
    requests = {
        name: request_hash("rank", method=name, parameters=by_method.get(name, {}), **facts) for name in names
    }
    rankings = rank_and_save(activations, paths, requests, arguments, by_method, force=force)
    rows = [ranking_facts(ranking, paths[name]) for name, ranking in rankings.items()]
    if several:
        import pandas as pd

        table = pd.DataFrame(rows)
        if "labels_left_out" in table:
            table = table.fillna({"labels_left_out": ""})
        emit_table(table, "Rankings", as_json)
    else:
        emit(rows[0], as_json)
