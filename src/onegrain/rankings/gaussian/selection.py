"""Choose neurons one by one, each the one that lets the probe tell most of held-out words."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from onegrain.rankings.gaussian.factor import Factor
from onegrain.rankings.gaussian.heldout import HeldOut
from onegrain.rankings.gaussian.likelihood import likelihoods

__all__ = ["MARGIN", "SAME", "choose_next", "select"]

MARGIN = 1e-5
"""Nats a word, relative to the best where that is above 1: neurons this near to the best in single precision
are computed again in double. Single precision errs by far less."""
SAME = 1e-9
"""Nats a word: neurons this near to the best in double precision are equal; the first by index is chosen."""


def select(factor: Factor, dev: HeldOut, others: tuple[HeldOut, ...], chosen: Callable[[int], None]) -> None:
    """Choose until the factor has all its rows; ``others`` are words that follow without a say.

    Args:
        factor: nothing chosen yet.
        dev: the words that choose.
        others: more held-out words.
        chosen: told of every neuron when all know it.
    """
    for _ in range(factor.rows.shape[1]):
        neuron = choose_next(factor, dev)
        for words in (dev, *others):
            words.add(factor, neuron)
        factor.add(neuron)
        chosen(neuron)


def choose_next(factor: Factor, dev: HeldOut) -> int:
    """The neuron that adds most to the mean log probability of the words' labels; ties by index."""
    still = factor.varies.copy()
    still[factor.chosen] = False
    rough = likelihoods(factor, dev, dtype=np.float32)
    best = float(np.fmax.reduce(rough[still], initial=-np.inf))
    # What single precision cannot hold is NaN, and computed again too.
    neurons = np.flatnonzero(still & ~(rough < best - MARGIN * max(1.0, abs(best))))
    exact = likelihoods(factor, dev, neurons)
    return int(neurons[exact >= np.nanmax(exact) - SAME][0])
