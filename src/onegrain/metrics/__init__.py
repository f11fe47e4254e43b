"""Metrics of a running model (perplexity, BLEU, chrF), with bootstrap intervals over sentences."""

from __future__ import annotations

from onegrain.metrics.bleu import BLEU
from onegrain.metrics.chrf import ChrF
from onegrain.metrics.measurement import Measurement, Metric
from onegrain.metrics.perplexity import Perplexity, unigram_perplexity
from onegrain.metrics.registry import METRICS, create_metric, find_metric

__all__ = [
    "BLEU",
    "METRICS",
    "ChrF",
    "Measurement",
    "Metric",
    "Perplexity",
    "create_metric",
    "find_metric",
    "unigram_perplexity",
]
