"""``onegrain rank``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onegrain.cli.console import emit, emit_table, progress
from onegrain.cli.options.computing import Device, Memory, Seed
from onegrain.cli.options.corpus import Columns, Format, Labels, Limit, Lower, Target, corpus_from
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
    model_from,
)
from onegrain.cli.options.neurons import LabelLayer, Sites
from onegrain.cli.options.output import Force, Json, out_option
from onegrain.cli.options.pairs import parameters_from
from onegrain.cli.options.words import Aggregate, BatchSize, Long, Side
from onegrain.cli.repeating import already_made, holds_request, identity_of, request_hash, with_request
from onegrain.rankings.registry import BUILT_IN

if TYPE_CHECKING:
    from onegrain.records.activations import Activations
    from onegrain.records.ranking import Ranking

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
    given = parameters_from(parameters)
    text: dict[str, Any] = {
        "labels": labels,
        "format": format,
        "columns": columns,
        "target": target,
        "lower": lower,
        "limit": limit,
    }
    wording = {"aggregate": aggregate, "side": side, "long": long, "batch_size": batch_size}
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
    from onegrain.core.names import require_name
    from onegrain.core.output import require_writable_output
    from onegrain.engines import engine_named

    names = method.split(",")
    several = len(names) > 1
    if several:
        for name in names:
            require_name(name, "the name of a method")
    paths = {name: out / f"{name}.parquet" if several else out for name in names}
    for path in paths.values():
        require_writable_output(path, force=force or path.is_file(), suffixes=(".parquet",))
    runner = engine_named(engine, address=address, workers=workers)
    opened = _stores(sites)
    if corpus is None:
        _require_plain({**text, **wording, **loading})
        read = opened
    else:
        read = _models(corpus, sites, text, wording, loading)
    asked: dict[str, Any] = {
        "label": label,
        "dev": opened(dev) if dev is not None else None,
        "test": opened(test) if test is not None else None,
        "others": [read(path) for path in others or []],
        "seed": seed,
        "memory": memory,
        "device": device,
        "engine": None if engine == "local" else runner,
        "progress": progress(),
    }
    opened_store = read(store)
    by_method = _by_method(given) if several else {method: given}
    read_from = {"activations": (opened_store, store if corpus is None else None)}
    read_from |= {name: (asked[name], place) for name, place in (("dev", dev), ("test", test)) if place}
    for place, other in zip(others or [], asked["others"], strict=True):
        read_from[f"other {len(read_from)}"] = (other, place if corpus is None else None)
    facts: dict[str, Any] = {name: identity_of(*where) for name, where in read_from.items()}
    facts |= {"label": label, "seed": seed, "device": device}
    requests = {
        name: request_hash("rank", method=name, parameters=by_method.get(name, {}), **facts) for name in names
    }
    rankings = _rank(opened_store, paths, requests, asked, by_method, force=force)
    rows = [_facts(ranking, paths[name]) for name, ranking in rankings.items()]
    if several:
        import pandas as pd

        table = pd.DataFrame(rows)
        if "labels_left_out" in table:
            table = table.fillna({"labels_left_out": ""})
        emit_table(table, "Rankings", as_json)
    else:
        emit(rows[0], as_json)


def _rank(
    activations: Activations,
    paths: dict[str, Path],
    requests: dict[str, str],
    asked: dict[str, Any],
    parameters: dict[str, dict[str, Any]],
    *,
    force: bool,
) -> dict[str, Ranking]:
    """Rank by every method and save each ranking at once; keep the rankings of an earlier run of this command.

    Raises:
        AlreadyDoneError: an earlier run made all of them.
        OutputExistsError: the path of a ranking holds another one, and ``force`` is not set.
    """
    from onegrain.core.output import require_free
    from onegrain.rankings import rank, rank_together
    from onegrain.records.ranking import Ranking

    kept = [] if force else [name for name, path in paths.items() if holds_request(path, requests[name])]
    if len(kept) == len(paths):
        raise already_made(next(iter(paths.values())) if len(paths) == 1 else next(iter(paths.values())).parent)
    for name in set(paths) - set(kept):
        require_free(paths[name], force=force)

    def save(name: str, ranking: Ranking) -> None:
        with_request(ranking, requests[name]).save(paths[name], force=force)

    if len(paths) == 1:
        name = next(iter(paths))
        ranking = rank(name, activations, **asked, **parameters[name])
        save(name, ranking)
        return {name: ranking}
    loaded = {name: Ranking.load(paths[name]) for name in kept}
    return rank_together(list(paths), activations, **asked, parameters=parameters, made=loaded, finished=save)


def _facts(ranking: Ranking, path: Path) -> dict[str, Any]:
    """Return the facts of a ranking that the verb prints."""
    from onegrain.rankings.labels import MIN_COUNT, labels_left_out
    from onegrain.records.choice import describe_choice
    from onegrain.records.leakage import leakage_cautions

    facts = {
        "ranking": str(path),
        "neurons": ranking.space.size,
        "ranked": ranking.n_ranked,
        "top": ranking.top(5),
    }
    left_out = labels_left_out(ranking.details)
    if left_out:
        least = ranking.provenance.parameters.get("min_count", MIN_COUNT)
        facts["labels_left_out"] = f"{left_out}; fewer than min_count={least}"
    choice = describe_choice(ranking.details.get("choice"))
    facts |= {"penalties": f"{choice} (--set finalists=N)"} if choice else {}
    evaluation = ranking.details.get("evaluation") or {}
    full = evaluation.get("full") or {}
    if "accuracy" in full:
        facts |= {"accuracy": full["accuracy"], "majority": evaluation["majority"]}
    elif full.get("macro_f1") is not None:
        facts |= {"mean_f1": full["macro_f1"]}
    cautions = leakage_cautions(evaluation.get("leakage"))
    facts |= {"caution": " ".join(cautions)} if cautions else {}
    return facts


def _by_method(parameters: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the parameters of each method, whose name is the first part of theirs."""
    from onegrain.errors import ParameterError

    by_method: dict[str, dict[str, Any]] = {}
    for name, value in parameters.items():
        method, dot, parameter = name.partition(".")
        if not dot:
            raise ParameterError(f"--set {name}=...: say of which of the methods, METHOD.{name}=...")
        by_method.setdefault(method, {})[parameter] = value
    return by_method


def _stores(sites: list[str] | None) -> Callable[[str], Activations]:
    """Return a function that opens a store at the chosen sites."""
    from onegrain.activations import open_activations

    return lambda path: open_activations(path).restrict(sites)


def _models(
    corpus: Path,
    sites: list[str] | None,
    text: dict[str, Any],
    wording: dict[str, Any],
    loading: dict[str, Any],
) -> Callable[[str], Activations]:
    """Return a function that loads a model and reads the corpus with it, without storing anything."""
    from onegrain.activations import live_activations

    words = corpus_from(corpus, **text)
    return lambda name: live_activations(
        model_from(name, dictionaries=None, **loading), words, sites=sites, **wording
    )


def _require_plain(options: dict[str, Any]) -> None:
    """Raise ParameterError for options of models and corpora when stores are read."""
    from onegrain.errors import ParameterError

    plain = {"aggregate": "last", "long": "error", "batch_size": 64, "dtype": "float32"}
    names = {"dtype": "model-dtype", "device": "model-device"}
    changed = [name for name, value in options.items() if value and value != plain.get(name)]
    if changed:
        listed = ", ".join("--" + names.get(name, name).replace("_", "-") for name in changed)
        raise ParameterError(
            f"{listed}: a store has its words and values already; leave it out, or give models and --corpus"
        )
