"""The registry of metrics: their names, what texts for readers call them, and where each is defined.

A metric is loaded when it is first used, so the registry can be read without torch and sacrebleu.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from onegrain.errors import ParameterError

if TYPE_CHECKING:
    from onegrain.metrics.measurement import Metric
    from onegrain.records.corpus import Corpus

__all__ = [
    "METRICS",
    "RegisteredMetric",
    "create_metric",
    "find_metric",
    "metric_parameters",
    "metric_title",
    "require_metric_parameters",
]


@dataclass(frozen=True)
class RegisteredMetric:
    """A metric of the registry.

    Attributes:
        title: the metric's name in sentences, tables and charts.
        path: module and attribute of its class.
    """

    title: str
    path: str


METRICS: Mapping[str, RegisteredMetric] = {
    "perplexity": RegisteredMetric("perplexity", "onegrain.metrics.perplexity:Perplexity"),
    "bleu": RegisteredMetric("BLEU", "onegrain.metrics.bleu:BLEU"),
    "chrf": RegisteredMetric("chrF", "onegrain.metrics.chrf:ChrF"),
}
"""Every metric by the name that the command line, study files and records use.

A new metric is one file in this folder and one line here.
"""


def find_metric(name: str) -> type[Metric]:
    """Return the class of the metric with this name.

    Raises:
        ParameterError: no metric has this name; the message lists the names.
    """
    if name not in METRICS:
        raise ParameterError(f"no metric {name!r}; the metrics are: {', '.join(METRICS)}")
    module, attribute = METRICS[name].path.split(":")
    kind: type[Metric] = getattr(import_module(module), attribute)
    return kind


def metric_title(name: str, *, first: bool = False) -> str:
    """Return the name of a metric in texts for readers; an unregistered name is returned unchanged.

    Args:
        name: the metric's name in the registry, as records hold it.
        first: True where the title begins a sentence or a heading; proper names keep their letters.

    >>> metric_title("bleu"), metric_title("chrf", first=True), metric_title("perplexity", first=True)
    ('BLEU', 'chrF', 'Perplexity')
    """
    title = METRICS[name].title if name in METRICS else name
    return title.capitalize() if first and title.islower() else title


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
