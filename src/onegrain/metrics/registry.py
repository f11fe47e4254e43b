"""The registry of metrics: the names that the command line, study files and records use."""

from __future__ import annotations

import inspect
from typing import Any

from onegrain.errors import ParameterError
from onegrain.metrics.bleu import BLEU
from onegrain.metrics.chrf import ChrF
from onegrain.metrics.measurement import Metric
from onegrain.metrics.perplexity import Perplexity
from onegrain.records.corpus import Corpus

__all__ = ["METRICS", "create_metric", "find_metric", "metric_parameters", "require_metric_parameters"]

METRICS: dict[str, type[Metric]] = {"perplexity": Perplexity, "bleu": BLEU, "chrf": ChrF}
"""Every metric by its name. A new metric is one file in this folder and one entry here."""


def find_metric(name: str) -> type[Metric]:
    """Return the class of the metric with this name.

    Raises:
        ParameterError: no metric has this name; the message lists the names.
    """
    if name not in METRICS:
        raise ParameterError(f"no metric {name!r}; the metrics are: {', '.join(METRICS)}")
    return METRICS[name]


def metric_parameters(name: str) -> tuple[str, ...]:
    """Return the names of the parameters that a metric takes besides its corpus.

    >>> metric_parameters("chrf")
    ('beams', 'lowercase', 'max_new_tokens')
    """
    return tuple(
        parameter for parameter in inspect.signature(find_metric(name)).parameters if parameter != "corpus"
    )


def require_metric_parameters(name: str, parameters: dict[str, Any]) -> None:
    """Check that a metric takes all these parameters.

    Raises:
        ParameterError: no metric has this name, or it does not take one of the parameters.
    """
    known = metric_parameters(name)
    unknown = [parameter for parameter in parameters if parameter not in known]
    if unknown:
        accepted = f"it takes: {', '.join(known)}" if known else "it takes none"
        raise ParameterError(f"{name} has no parameter {', '.join(unknown)}; {accepted}")


def create_metric(name: str, corpus: Corpus, **parameters: Any) -> Metric:
    """Create the metric with this name on a corpus.

    Args:
        name: a key of ``METRICS``.
        corpus: the sentences to measure on; metrics of translations need its parallel side.
        parameters: the metric's further keywords, e.g. ``beams``.

    Raises:
        ParameterError: the name or a parameter does not exist, or the metric refuses the corpus or a value.
    """
    require_metric_parameters(name, parameters)
    kind: Any = find_metric(name)
    metric: Metric = kind(corpus, **parameters)
    return metric
