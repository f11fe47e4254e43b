"""``onegrain compare``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from onegrain.cli.options.computing import Device, Memory, Seed
from onegrain.cli.options.corpus import Limit
from onegrain.cli.options.headings import ABLATION, PROBES
from onegrain.cli.options.metric import Counts, MaxErased, MetricName, Steps
from onegrain.cli.options.model import ModelDevice, ModelDtype
from onegrain.cli.options.neurons import K, LabelLayer, RandomOrders
from onegrain.cli.options.output import Force, Json, out_option
from onegrain.cli.options.words import BatchSize

NAME = "compare"

OF_TRAIN = (
    *("test", "dev", "label", "probe", "parameters", "counts", "standardize", "max_words", "memory", "device"),
    "scale",
)
OF_MODEL = (*("metric", "data", "steps", "max_erased", "limit", "batch_size", "model_device", "model_dtype"),)
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
            help="Model to erase neurons in, for rankings without a --curve; ablate has all options of models.",
            rich_help_panel=ABLATION,
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
    limit: Limit = None,
    batch_size: BatchSize = 64,
    model_device: ModelDevice = None,
    model_dtype: ModelDtype = "float32",
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
    onegrain similarity.
    """
    _require_rankings(rankings)
    from onegrain.cli.comparing import AblationOptions, AgreementOptions, ProbeOptions, compare_files
    from onegrain.cli.options.metric import counts_from, metric_from
    from onegrain.cli.options.model import model_from
    from onegrain.cli.options.pairs import parameters_from

    _require_together(context, train, model, data, curves)
    evaluation_options: dict[str, Any] = {
        "standardize": standardize,
        "random_orders": random_orders,
        "max_words": max_words,
    }
    if counts is not None:
        evaluation_options["counts"] = counts_from(counts)
    probes = ProbeOptions(
        train,
        test,
        dev,
        label,
        probe,
        parameters_from(parameters),
        evaluation_options,
        seed,
        memory,
        device,
    )
    loaded_model = metric_on_data = None
    if model is not None and data:
        metric_on_data = metric_from(metric, data, beams=1, tokenize="none", lower=False, limit=limit)
        loaded_model = model_from(
            model,
            device=model_device,
            device_map=None,
            offload_folder=None,
            dtype=model_dtype,
            dictionaries=None,
            trust_remote_code=False,
            allow_pickle=False,
        )
    erasing = {"steps": steps, "max_erased": max_erased, "batch_size": batch_size}
    ablation = AblationOptions(
        curves or [], loaded_model, metric_on_data, {**erasing, "random_orders": random_orders, "seed": seed}
    )
    agreement = AgreementOptions(k, ballots, scale, level, vote)
    compare_files(rankings, probes, ablation, agreement, out=out, force=force, as_json=as_json)


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


def _named_options(context: typer.Context, parameters: Iterable[str]) -> list[str]:
    """Return those of the parameters that the command line sets, as options."""
    options = []
    for name in parameters:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            options.append(f"--{NAMES.get(name, name).replace('_', '-')}")
    return options


def _require_together(
    context: typer.Context, train: str | None, model: str | None, data: Any, curves: Any
) -> None:
    """Raise ParameterError for options that have no effect without another one."""
    from onegrain.errors import ParameterError

    for is_used, parameters, needed in (
        (train, OF_TRAIN, "--train"),
        (model, OF_MODEL, "--model"),
        (train or model, ("random_orders", "seed"), "--train or --model"),
        (train or model or curves, ("level",), "--train, --model or --curve"),
    ):
        options = [] if is_used else _named_options(context, parameters)
        if options:
            raise ParameterError(f"{', '.join(options)}: give {needed} too, or leave it out")
    if model is not None and not data:
        raise ParameterError("--model is measured on a text; give it with --data")
