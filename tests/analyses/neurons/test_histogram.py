"""Histograms of single neurons are those of numpy over the words that have an activation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from onegrain.analyses.neurons.histogram import value_histogram
from onegrain.errors import ParameterError
from support.planted import plant


def test_a_histogram_leaves_out_words_without_an_activation() -> None:
    acts = plant(40).activations
    missing = np.arange(acts.n_words) % 3 == 0
    values = acts.neuron(1)[~missing].astype(np.float64)
    counts, edges = np.histogram(values, 7)
    histogram = value_histogram(replace(acts, missing=missing), 1, 7)
    assert (histogram.counts, histogram.edges) == (tuple(counts.tolist()), tuple(edges.tolist()))
    assert value_histogram(acts, acts.space.name(1)) == value_histogram(acts, 1, 40)


def test_values_that_are_not_finite_have_none() -> None:
    acts = plant(40).activations
    values = acts.values().copy()
    values[3, 0] = np.nan
    with pytest.raises(ParameterError, match="not finite"):
        value_histogram(replace(acts, array=values), 0)
    with pytest.raises(ParameterError, match="no word"):
        value_histogram(replace(acts, missing=np.ones(acts.n_words, dtype=bool)), 0)
