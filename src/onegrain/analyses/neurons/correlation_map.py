"""Correlations of some neurons of one model with some neurons of another, or of another layer."""

from __future__ import annotations

import numpy as np
import pandas as pd

from onegrain.errors import ParameterError
from onegrain.records.activations import Activations
from onegrain.records.space import Neurons

__all__ = ["correlation_map"]


def correlation_map(
    left: Activations, right: Activations, left_neurons: Neurons, right_neurons: Neurons
) -> pd.DataFrame:
    """Return the Pearson correlation of every neuron of one choice with every neuron of another.

    Args:
        left, right: activations of the same words, of one model or of two.
        left_neurons, right_neurons: names ``site:unit``, or flat indices.

    Returns:
        A table of float64 with the names of the left neurons as index and those of the right ones as columns,
        over the words at which both sides have an activation. A neuron that never changes has NaN.

    Raises:
        MismatchError: the words differ.
        ParameterError: a neuron is unknown, none is named, or fewer than two words have activations.

    >>> import onegrain
    >>> noise = onegrain.planted(50).activations
    >>> round(float(correlation_map(noise, noise, [0], [0]).iloc[0, 0]), 6)
    1.0
    """
    left.require_same_words(right)
    words = np.flatnonzero(left.present & right.present)
    if len(words) < 2:
        raise ParameterError("correlations need at least two words that have an activation on both sides")
    standard = [
        _standardised(side.take(words, neurons))
        for side, neurons in ((left, left_neurons), (right, right_neurons))
    ]
    if not all(values.shape[1] for values in standard):
        raise ParameterError("name at least one neuron on each side")
    names = [
        [side.space.name(int(index)) for index in side.space.indices(neurons)]
        for side, neurons in ((left, left_neurons), (right, right_neurons))
    ]
    values = np.clip(standard[0].T @ standard[1] / len(words), -1.0, 1.0)
    return pd.DataFrame(values, index=names[0], columns=names[1])


def _standardised(values: np.ndarray) -> np.ndarray:
    """Return columns of mean 0 and standard deviation 1 in float64; NaN for a constant column."""
    centred = values.astype(np.float64)
    centred -= centred.mean(axis=0)
    spread = np.sqrt(np.einsum("wn,wn->n", centred, centred) / len(centred))
    constant = values.max(axis=0, initial=-np.inf) == values.min(axis=0, initial=np.inf)
    spread[constant] = np.nan
    standardised: np.ndarray = centred / spread
    return standardised
