"""Choose neurons one by one, each time the one with which the probe best predicts held-out words."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Int64

from onegrain.core.ordering import shuffled_places
from onegrain.rankings.gaussian.factor import Factor
from onegrain.rankings.gaussian.heldout import HeldOut
from onegrain.rankings.gaussian.likelihood import likelihoods

__all__ = ["MARGIN", "SAME", "choose_next", "select"]

MARGIN = 1e-5
"""Nats per word, relative to the best if that is above 1. Neurons this close to the best in single precision
are computed again in double precision; the error of single precision is far smaller."""
SAME = 1e-9
"""Nats per word: neurons this close to the best in double precision are equal; the seed chooses among them."""


def select(
    factor: Factor, dev: HeldOut, others: tuple[HeldOut, ...], chosen: Callable[[int], None], seed: int = 0
) -> None:
    """Choose neurons until the factor has all its rows.

    Args:
        factor: a factor without chosen neurons.
        dev: the held-out words that decide the choice.
        others: more held-out words, which are only updated.
        chosen: called with each neuron after the factor and all words are updated.
        seed: seed of the choice among equal neurons.
    """
    places = shuffled_places(factor.n_neurons, seed)
    for _ in range(factor.rows.shape[1]):
        neuron = choose_next(factor, dev, places)
        for words in (dev, *others):
            words.add(factor, neuron)
        factor.add(neuron)
        chosen(neuron)


def choose_next(factor: Factor, dev: HeldOut, places: Int64[np.ndarray, " neurons"] | None = None) -> int:
    """Return the neuron that adds most to the mean log probability of the words' labels.

    Of equal neurons it is the first by ``places``, or by index without ``places``.
    """
    is_candidate = factor.varies.copy()
    is_candidate[factor.chosen] = False
    single = likelihoods(factor, dev, dtype=np.float32)
    best_single = float(np.fmax.reduce(single[is_candidate], initial=-np.inf))
    # NaN marks what single precision cannot hold; it is computed again too
    neurons = np.flatnonzero(is_candidate & ~(single < best_single - MARGIN * max(1.0, abs(best_single))))
    double = likelihoods(factor, dev, neurons)
    equal = neurons[double >= np.nanmax(double) - SAME]
    return int(equal[0] if places is None else equal[places[equal].argmin()])
