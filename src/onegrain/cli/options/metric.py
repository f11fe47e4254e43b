"""Options for a metric and for the numbers of neurons."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onegrain.cli.options.headings import ABLATION
from onegrain.metrics.registry import METRICS

if TYPE_CHECKING:
    from onegrain.metrics import Metric

__all__ = [
    "METRIC_HELP",
    "Counts",
    "MaxErased",
    "MetricName",
    "MetricParameters",
    "Steps",
    "counts_from",
    "metric_from",
    "metrics_from",
]


def _listed(names: Iterable[str]) -> str:
    """Return names joined by commas and *or*."""
    *before, last = names
    return f"{', '.join(before)} or {last}"


METRIC_HELP = f"Metric: {_listed(METRICS)}."
MetricName = Annotated[str, typer.Option("--metric", "-m", help=METRIC_HELP, rich_help_panel=ABLATION)]
MetricParameters = Annotated[
    list[str] | None,
    typer.Option(
        "--metric-set",
        help="Parameter of the metric, NAME=VALUE (JSON), e.g. window=512; may be repeated.",
        rich_help_panel=ABLATION,
    ),
]
Steps = Annotated[
    int,
    typer.Option(
        "--steps", help="Number of ablation points, besides the intact model.", rich_help_panel=ABLATION
    ),
]
MaxErased = Annotated[
    int | None,
    typer.Option(
        "--max-erased",
        help="Largest number of erased neurons; all neurons by default.",
        rich_help_panel=ABLATION,
    ),
]
Counts = Annotated[
    str | None,
    typer.Option("--counts", help="Numbers of neurons, comma-separated, in place of the default numbers."),
]


def metric_from(
    name: str,
    data: list[Path],
    *,
    lower: bool,
    limit: int | None,
    format: str | None = None,
    parameters: list[str] | None = None,
) -> Metric:
    """Return the metric with this name on one file, or on two parallel files.

    Raises:
        ParameterError: the metric does not exist, needs another number of files, or does not take a parameter.
    """
    from onegrain.cli.options.corpus import corpus_from
    from onegrain.cli.options.pairs import parameters_from
    from onegrain.errors import ParameterError
    from onegrain.metrics import create_metric, find_metric
    from onegrain.metrics.registry import require_metric_parameters

    needs_target = find_metric(name).needs_target
    if len(data) not in ((2,) if needs_target else (1, 2)):
        raise ParameterError(f"{name} takes {'two files' if needs_target else 'one or two files'}")
    changed = parameters_from(parameters, "--metric-set")
    require_metric_parameters(name, changed)
    target = data[1] if len(data) == 2 else None
    corpus = corpus_from(data[0], target=target, limit=limit, format=format, lower=lower)
    return create_metric(name, corpus, **changed)


def metrics_from(
    names: list[str],
    data: list[Path],
    *,
    lower: bool,
    limit: int | None,
    format: str | None = None,
    parameters: list[str] | None = None,
) -> dict[str, Metric]:
    """Return several metrics on the same files by name; each gets those of the parameters that it takes.

    Raises:
        ParameterError: a metric does not exist, is named twice or needs another number of files, or no metric
            takes one of the parameters.
    """
    from onegrain.cli.options.pairs import parameters_from
    from onegrain.errors import ParameterError
    from onegrain.metrics.registry import metric_parameters

    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ParameterError(f"--metric names {', '.join(repeated)} twice")
    taken = {name: metric_parameters(name) for name in names}
    for parameter in parameters_from(parameters, "--metric-set"):
        if not any(parameter in known for known in taken.values()):
            raise ParameterError(f"none of {', '.join(names)} has a parameter {parameter}")
    return {
        name: metric_from(
            name,
            data,
            lower=lower,
            limit=limit,
            format=format,
            parameters=[pair for pair in parameters or [] if pair.partition("=")[0] in taken[name]],
        )
        for name in names
    }


def counts_from(text: str | None) -> list[int] | None:
    """Return the whole numbers of a list with commas between them."""
    from onegrain.errors import ParameterError

    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ParameterError(f"--counts takes whole numbers with commas between them, got {text!r}") from None
