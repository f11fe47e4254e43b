"""The distribution of one neuron's values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onegrain.errors import ParameterError
from onegrain.records.activations import Activations

__all__ = ["ValueHistogram", "value_histogram"]

BINS = 40


@dataclass(frozen=True)
class ValueHistogram:
    """Counts of a neuron's values in equal bins.

    Attributes:
        edges: the edges of the bins, one more than there are bins.
        counts: number of words in each bin; a value on an edge belongs to the bin above, the largest value to
            the last bin.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]


def value_histogram(activations: Activations, neuron: str | int, bins: int = BINS) -> ValueHistogram:
    """Return the distribution of a neuron over the words that have an activation, as an index keeps it.

    Args:
        activations: a store of the neuron; only its values are read.
        neuron: ``site:unit`` or a flat index.
        bins: number of bins, which divide the range of the values evenly.

    Raises:
        ParameterError: no word has an activation, or a value is not finite.
        ModelError: no such neuron.
    """
    values = activations.neuron(neuron)[activations.present].astype(np.float64)
    if not len(values) or not np.isfinite(values).all():
        what = "values that are not finite" if len(values) else "no word with an activation"
        raise ParameterError(f"{activations.describe()} has {what}, so neuron {neuron} has no histogram")
    counts, edges = np.histogram(values, bins)
    return ValueHistogram(tuple(edges.tolist()), tuple(counts.tolist()))
