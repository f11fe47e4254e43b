"""``onegrain compare``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from onegrain.cli.options.comparing import AblationOptions, AgreementOptions, DrawOptions, ProbeOptions
from onegrain.cli.options.groups import with_groups
from onegrain.cli.options.output import Force, Json, out_option

NAME = "compare"

OF_TRAIN = (
    *("test", "dev", "label", "probe", "parameters", "counts", "standardize", "max_words", "memory", "device"),
    "scale",
)
OF_MODEL = (
    *("metric", "metric_set", "data", "steps", "max_erased", "limit", "batch_size"),
    *("model_device", "model_dtype"),
)
NAMES = {"parameters": "set", "curves": "curve"}


@with_groups
def run(
    context: typer.Context,
    rankings: Annotated[
        list[str],
        typer.Argument(help="Two or more rankings (*.parquet) of the same neurons."),
    ],
    probes: ProbeOptions,
    ablation: AblationOptions,
    draws: DrawOptions,
    agreement: AgreementOptions,
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
    from onegrain.cli.comparing import compare_files

    _require_together(context, probes, ablation)
    compare_files(rankings, probes, ablation, draws, agreement, out=out, force=force, as_json=as_json)


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


def _require_together(context: typer.Context, probes: ProbeOptions, ablation: AblationOptions) -> None:
    """Raise ParameterError for options that have no effect without another one."""
    from onegrain.errors import ParameterError

    train, model = probes.train, ablation.model
    for is_used, parameters, needed in (
        (train, OF_TRAIN, "--train"),
        (model, OF_MODEL, "--model"),
        (train or model, ("random_orders", "seed"), "--train or --model"),
        (train or model or ablation.curves, ("level",), "--train, --model or --curve"),
    ):
        options = [] if is_used else _named_options(context, parameters)
        if options:
            raise ParameterError(f"{', '.join(options)}: give {needed} too, or leave it out")
    if model is not None and not ablation.data:
        raise ParameterError("--model is measured on a text; give it with --data")
