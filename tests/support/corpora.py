"""A corpus and the parameters that each metric of the registry can be made with."""

from __future__ import annotations

from typing import Any

from onegrain.metrics import Metric, create_metric
from onegrain.records.corpus import Corpus, LabelLayer
from onegrain.synthetic import sandbox_pairs
from support.headed import CLASSES
from support.tiny import parallel_corpus, plain_corpus

__all__ = ["corpus_for", "metric_for", "parameters_for"]


def corpus_for(name: str, *, parallel: bool = True) -> Corpus:
    """Return a corpus of eight sentences for the metric with this name."""
    if name.startswith("minimal_pair"):
        return sandbox_pairs(4, parallel="fr" if parallel else None)
    corpus = parallel_corpus() if parallel else plain_corpus()
    labels = [(None, *CLASSES)[len(word) % 4] for word in corpus.words]
    return corpus.with_layer(LabelLayer.from_labels("label", labels))


def parameters_for(name: str) -> dict[str, Any]:
    """Return the parameters without which the metric cannot be made, or takes long."""
    short = {"max_new_tokens": 6}
    needed: dict[str, dict[str, Any]] = {
        "bleu": short, "chrf": short, "log_probability_difference": {"first": "dog", "second": "birds"},
    }  # fmt: skip
    return dict(needed.get(name, {}))


def metric_for(name: str, *, parallel: bool = True) -> Metric:
    """Return a metric of the registry on a small corpus."""
    return create_metric(name, corpus_for(name, parallel=parallel), **parameters_for(name))
