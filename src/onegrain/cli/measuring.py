"""How a verb is told a metric and numbers of neurons."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onegrain.metrics import Metric

__all__ = ["counts_from", "metric_from"]


def metric_from(
    name: str, data: list[Path], *, beams: int, tokenize: str, lower: bool, limit: int | None
) -> Metric:
    """The metric of a name on one or two files."""
    from onegrain.corpora import read_corpus, read_parallel
    from onegrain.errors import ParameterError
    from onegrain.metrics import BLEU, ChrF, Perplexity

    if name not in ("perplexity", "bleu", "chrf"):
        raise ParameterError(f"no metric {name!r}; the metrics are: perplexity, bleu, chrf")
    if len(data) == 2:
        corpus = read_parallel(data[0], data[1], limit=limit)
    elif len(data) == 1 and name == "perplexity":
        corpus = read_corpus(data[0], limit=limit)
    else:
        raise ParameterError(f"{name} takes {'one or two files' if name == 'perplexity' else 'two files'}")
    corpus = corpus.lower() if lower else corpus
    if name == "perplexity":
        return Perplexity(corpus)
    return BLEU(corpus, beams=beams, tokenize=tokenize) if name == "bleu" else ChrF(corpus, beams=beams)


def counts_from(text: str | None) -> list[int] | None:
    """The whole numbers of a list with commas."""
    from onegrain.errors import ParameterError

    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ParameterError(f"--counts takes whole numbers with commas between them, got {text!r}") from None
