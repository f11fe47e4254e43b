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
    "is_logarithmic",
    "metric_parameters",
    "metric_title",
    "metric_unit",
    "require_metric_parameters",
]


@dataclass(frozen=True)
class RegisteredMetric:
    """A metric of the registry.

    Attributes:
        title: the metric's name in sentences, tables and charts.
        path: module and attribute of its class.
        unit: the unit of a difference between two values; for a metric on a logarithmic scale, between their
            logarithms.
        logarithmic: True if two values are compared by the logarithm of their ratio, as perplexities are.
    """

    title: str
    path: str
    unit: str
    logarithmic: bool = False


PER_SUBWORD = "nats per token"
METRICS: Mapping[str, RegisteredMetric] = {
    "perplexity": RegisteredMetric("perplexity", "onegrain.metrics.perplexity:Perplexity", PER_SUBWORD, True),
    "bleu": RegisteredMetric("BLEU", "onegrain.metrics.bleu:BLEU", "BLEU points"),
    "chrf": RegisteredMetric("chrF", "onegrain.metrics.chrf:ChrF", "chrF points"),
    "document_perplexity": RegisteredMetric(
        "document perplexity", "onegrain.metrics.document_perplexity:DocumentPerplexity", PER_SUBWORD, True
    ),
    "pseudo_perplexity": RegisteredMetric(
        "pseudo-perplexity", "onegrain.metrics.pseudo_perplexity:PseudoPerplexity", PER_SUBWORD, True
    ),
    "accuracy": RegisteredMetric("accuracy", "onegrain.metrics.accuracy:Accuracy", "of accuracy"),
    "minimal_pairs": RegisteredMetric(
        "minimal pairs", "onegrain.metrics.minimal_pairs:MinimalPairs", "of the pairs"
    ),
    "minimal_pair_difference": RegisteredMetric(
        "minimal pair difference", "onegrain.metrics.minimal_pairs:MinimalPairDifference", "nats per pair"
    ),
    "log_probability_difference": RegisteredMetric(
        "log-probability difference",
        "onegrain.metrics.log_probability_difference:LogProbabilityDifference",
        "nats per prompt",
    ),
    "kl_divergence": RegisteredMetric(
        "KL divergence", "onegrain.metrics.kl_divergence:KLDivergence", PER_SUBWORD
    ),
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


def is_logarithmic(name: str, higher_is_better: bool) -> bool:
    """Return whether two values of a metric are compared by the logarithm of their ratio.

    Those of a metric that is not registered are if lower values are better.

    >>> is_logarithmic("perplexity", False), is_logarithmic("kl_divergence", False)
    (True, False)
    """
    return METRICS[name].logarithmic if name in METRICS else not higher_is_better


def metric_unit(name: str, higher_is_better: bool) -> str:
    """Return the unit of a difference between two values of a metric, or between their logarithms.

    >>> metric_unit("bleu", True), metric_unit("perplexity", False)
    ('BLEU points', 'nats per token')
    """
    if name in METRICS:
        return METRICS[name].unit
    return f"{name} points" if higher_is_better else PER_SUBWORD


def metric_parameters(name: str) -> tuple[str, ...]:
    """Return the names of the parameters that a metric takes besides its corpus.

    >>> metric_parameters("chrf")
    ('beams', 'lowercase', 'max_new_tokens')
    """
    return tuple(
        parameter for parameter in inspect.signature(find_metric(name)).parameters if parameter != "corpus"
    )


def require_metric_parameters(name: str, parameters: dict[str, Any]) -> None:
    """Check that a metric takes all these parameters, and that none which it needs is missing.

    Raises:
        ParameterError: no metric has this name, it does not take one of the parameters, or one is missing.
    """
    known = metric_parameters(name)
    unknown = [parameter for parameter in parameters if parameter not in known]
    if unknown:
        accepted = f"it takes: {', '.join(known)}" if known else "it takes none"
        raise ParameterError(f"{name} has no parameter {', '.join(unknown)}; {accepted}")
    signature = inspect.signature(find_metric(name)).parameters
    needed = [each for each in known if signature[each].default is inspect.Parameter.empty]
    if missing := [each for each in needed if each not in parameters]:
        raise ParameterError(f"{name} needs {' and '.join(missing)}")


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
