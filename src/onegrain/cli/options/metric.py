"""The options that name a metric and numbers of neurons."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onegrain.cli.options.headings import ABLATION

if TYPE_CHECKING:
    from onegrain.metrics import Metric

__all__ = ["Counts", "MaxErased", "MetricName", "Steps", "counts_from", "metric_from"]

MetricName = Annotated[
    str, typer.Option("--metric", "-m", help="Metric: perplexity, bleu or chrf.", rich_help_panel=ABLATION)
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
    beams: int,
    tokenize: str,
    lower: bool,
    limit: int | None,
    format: str | None = None,
) -> Metric:
    """Return the metric of a name on one or two files."""
    from onegrain.cli.options.corpus import corpus_from
    from onegrain.errors import ParameterError
    from onegrain.metrics import BLEU, ChrF, Perplexity

    if name not in ("perplexity", "bleu", "chrf"):
        raise ParameterError(f"no metric {name!r}; the metrics are: perplexity, bleu, chrf")
    if len(data) == 2:
        corpus = corpus_from(data[0], target=data[1], limit=limit, format=format, lower=lower)
    elif len(data) == 1 and name == "perplexity":
        corpus = corpus_from(data[0], limit=limit, format=format, lower=lower)
    else:
        raise ParameterError(f"{name} takes {'one or two files' if name == 'perplexity' else 'two files'}")
    if name == "perplexity":
        return Perplexity(corpus)
    return BLEU(corpus, beams=beams, tokenize=tokenize) if name == "bleu" else ChrF(corpus, beams=beams)


def counts_from(text: str | None) -> list[int] | None:
    """Return the whole numbers of a list with commas between them."""
    from onegrain.errors import ParameterError

    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ParameterError(f"--counts takes whole numbers with commas between them, got {text!r}") from None
