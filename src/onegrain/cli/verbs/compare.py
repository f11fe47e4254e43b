"""``onegrain compare``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from onegrain.cli.options.computing import Device, Memory, Seed
from onegrain.cli.options.corpus import Limit, Lower
from onegrain.cli.options.headings import ABLATION, PROBES
from onegrain.cli.options.metric import Counts, MaxErased, MetricName, Steps
from onegrain.cli.options.model import (
    AllowPickle,
    ModelDevice,
    ModelDtype,
    SourceLanguage,
    TargetLanguage,
    TrustRemoteCode,
)
from onegrain.cli.options.neurons import K, LabelLayer, RandomOrders
from onegrain.cli.options.output import Force, Json, out_option
from onegrain.cli.options.words import BatchSize

NAME = "compare"

OF_TRAIN = (
    *("test", "dev", "label", "probe", "parameters", "counts", "standardize", "max_words", "memory", "device"),
    "scale",
)
OF_MODEL = (
    *("metric", "data", "steps", "max_erased", "lower", "limit", "batch_size"),
    *("model_device", "model_dtype", "trust_remote_code", "allow_pickle"),
    *("source_language", "target_language"),
)
NAMES = {"parameters": "set", "curves": "curve"}


def run(
    context: typer.Context,
    rankings: Annotated[
        list[str],
        typer.Argument(help="Two or more rankings (*.parquet) of the same neurons."),
    ],
    train: Annotated[
        str | None, typer.Option(help="Store that probes are trained on.", rich_help_panel=PROBES)
    ] = None,
    test: Annotated[
        str | None,
        typer.Option(
            help="Store that probes are tested on; by default some sentences of --train.",
            rich_help_panel=PROBES,
        ),
    ] = None,
    dev: Annotated[
        str | None,
        typer.Option(help="Held-out store on which penalties and the like are chosen.", rich_help_panel=PROBES),
    ] = None,
    label: LabelLayer = None,
    probe: Annotated[
        str,
        typer.Option(
            help="Probe: elastic-net, or MODULE:CLASS of a scikit-learn classifier.", rich_help_panel=PROBES
        ),
    ] = "elastic-net",
    parameters: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Parameter of the probe, NAME=VALUE (JSON); may be repeated.", rich_help_panel=PROBES
        ),
    ] = None,
    counts: Counts = None,
    standardize: Annotated[
        bool,
        typer.Option(
            "--standardize",
            help="Standardize neurons first; a masked neuron then keeps its mean.",
            rich_help_panel=PROBES,
        ),
    ] = False,
    max_words: Annotated[
        int | None, typer.Option(help="Largest number of words to train on.", rich_help_panel=PROBES)
    ] = None,
    curves: Annotated[
        list[str] | None,
        typer.Option(
            "--curve",
            help="Ablation curve of a ranking, RANKING=FILE; may be repeated.",
            rich_help_panel=ABLATION,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Model to erase neurons in, for rankings without a --curve.", rich_help_panel=ABLATION
        ),
    ] = None,
    metric: MetricName = "perplexity",
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="Text for the metric, as ablate takes it; twice for two files.", rich_help_panel=ABLATION
        ),
    ] = None,
    steps: Steps = 20,
    max_erased: MaxErased = None,
    lower: Lower = False,
    limit: Limit = None,
    batch_size: BatchSize = 64,
    model_device: ModelDevice = None,
    model_dtype: ModelDtype = "float32",
    trust_remote_code: TrustRemoteCode = False,
    allow_pickle: AllowPickle = False,
    source_language: SourceLanguage = None,
    target_language: TargetLanguage = None,
    random_orders: RandomOrders = 5,
    k: K = None,
    ballots: Annotated[
        int, typer.Option(help="Number of neurons that a ranking gives points to in NeuronVote.")
    ] = 100,
    vote: Annotated[
        bool, typer.Option("--vote", help="Add the vote of the rankings as one more ranking.")
    ] = False,
    scale: Annotated[
        str,
        typer.Option(
            help="Scale of the areas of masking and retraining: log or linear in the neurons kept.",
            rich_help_panel=PROBES,
        ),
    ] = "log",
    level: Annotated[float, typer.Option(help="Level of the intervals, such as 0.95.")] = 0.95,
    seed: Seed = 0,
    memory: Memory = None,
    device: Device = None,
    out: Annotated[Path | None, out_option("Folder to write.")] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Compare rankings of the same neurons, all measured in the same way.

    The measurements are masking and retraining (--train) and erasing in the running model (--curve or --model),
    each the area under its curve with an interval, and how far the rankings agree. To compare two stores, use
    ``onegrain similarity``.
    """
    _require_rankings(rankings)
    from onegrain.cli.comparing_rankings import Ablating, Agreeing, Probing, compare_rankings
    from onegrain.cli.options.metric import counts_from, metric_from
    from onegrain.cli.options.model import model_from
    from onegrain.cli.options.pairs import parameters_from

    _require_together(context, train, model, data, curves)
    kept: dict[str, Any] = {"standardize": standardize, "random_orders": random_orders, "max_words": max_words}
    if counts is not None:
        kept["counts"] = counts_from(counts)
    given = parameters_from(parameters)
    probing = Probing(train, test, dev, label, probe, given, kept, seed, memory, device)
    loaded = measured = None
    if model is not None and data:
        measured = metric_from(metric, data, beams=1, tokenize="none", lower=lower, limit=limit)
        loaded = model_from(
            model,
            device=model_device,
            device_map=None,
            offload_folder=None,
            dtype=model_dtype,
            dictionaries=None,
            trust_remote_code=trust_remote_code,
            allow_pickle=allow_pickle,
            source_language=source_language,
            target_language=target_language,
        )
    erasing = {"steps": steps, "max_erased": max_erased, "batch_size": batch_size}
    ablating = Ablating(
        curves or [], loaded, measured, {**erasing, "random_orders": random_orders, "seed": seed}
    )
    agreeing = Agreeing(k, ballots, scale, level, vote)
    compare_rankings(rankings, probing, ablating, agreeing, out=out, force=force, as_json=as_json)


def _require_rankings(paths: list[str]) -> None:
    """Raise ParameterError for a path that is not a ranking."""
    from onegrain.errors import ParameterError
    from onegrain.library import ACTIVATIONS, kind_of

    for path in paths:
        kind = kind_of(path)
        if kind != "ranking":
            is_store = kind in (ACTIVATIONS, "")
            hint = "; compare two stores with onegrain similarity" if is_store else ""
            raise ParameterError(f"compare takes rankings, not {path} ({'store' if is_store else kind}){hint}")


def _given(context: typer.Context, names: Iterable[str]) -> list[str]:
    """The options among these that stand on the command line, as they are written."""
    told = []
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            told.append(f"--{NAMES.get(name, name).replace('_', '-')}")
    return told


def _require_together(
    context: typer.Context, train: str | None, model: str | None, data: Any, curves: Any
) -> None:
    """Raise ParameterError for options that do nothing without another one."""
    from onegrain.errors import ParameterError

    both = () if train or model else ("random_orders", "seed")
    for there, names, needed in (
        (train is not None, OF_TRAIN, "--train"),
        (model is not None, OF_MODEL, "--model"),
        (train is not None or model is not None, both, "--train or --model"),
        (train is not None or model is not None or curves, ("level",), "--train, --model or --curve"),
    ):
        told = [] if there else _given(context, names)
        if told:
            raise ParameterError(f"{', '.join(told)}: give {needed} too, or leave it out")
    if model is not None and not data:
        raise ParameterError("--model is measured on a text; give it with --data")
