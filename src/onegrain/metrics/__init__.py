"""Metrics of a running model: perplexity, BLEU and chrF, with bootstrap intervals over sentences."""

from __future__ import annotations

from onegrain.metrics.measurement import MeasurableModel, Measurement, Metric
from onegrain.metrics.perplexity import Perplexity, unigram_perplexity
from onegrain.metrics.translation import BLEU, ChrF

__all__ = ["BLEU", "ChrF", "MeasurableModel", "Measurement", "Metric", "Perplexity", "unigram_perplexity"]
