"""Choose neurons one by one, each the one that lets the probe tell most of held-out words."""

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
"""Nats a word, relative to the best where that is above 1: neurons this near to the best in single precision
are computed again in double. Single precision errs by far less."""
SAME = 1e-9
"""Nats a word: neurons this near to the best in double precision are equal, and the seed chooses among them."""


def select(
    factor: Factor, dev: HeldOut, others: tuple[HeldOut, ...], chosen: Callable[[int], None], seed: int = 0
) -> None:
    """Choose until the factor has all its rows; ``others`` are words that follow without a say.

    Args:
        factor: nothing chosen yet.
        dev: the words that choose.
        others: more held-out words.
        chosen: told of every neuron when all know it.
        seed: of the choice among equal neurons.
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

    Of equal neurons it is the first by ``places``, else by index.
    """
    still = factor.varies.copy()
    still[factor.chosen] = False
    rough = likelihoods(factor, dev, dtype=np.float32)
    best = float(np.fmax.reduce(rough[still], initial=-np.inf))
    # What single precision cannot hold is NaN, and computed again too.
    neurons = np.flatnonzero(still & ~(rough < best - MARGIN * max(1.0, abs(best))))
    exact = likelihoods(factor, dev, neurons)
    equal = neurons[exact >= np.nanmax(exact) - SAME]
    return int(equal[0] if places is None else equal[places[equal].argmin()])
