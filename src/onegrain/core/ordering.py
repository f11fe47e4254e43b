"""Turn scores into an order of neurons: the only function that does so."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64

__all__ = ["order_by_score", "shuffled_places"]


def shuffled_places(size: int, seed: int = 0, stream: str = "") -> Int64[np.ndarray, " neurons"]:
    """Return a place for each neuron, drawn from the seed; it decides between neurons of equal score.

    Args:
        size: number of neurons.
        seed: random seed of the draw.
        stream: names one of several draws from one seed, such as the label that an order is for.
    """
    return np.random.default_rng([seed, *stream.encode()]).permutation(size).astype(np.int64)


def order_by_score(
    scores: np.ndarray, seed: int = 0, *, then: np.ndarray | None = None, stream: str = ""
) -> Int64[np.ndarray, " neurons"]:
    """Return flat indices by descending score; NaN comes last.

    Neurons of equal score, or without one (NaN), are sorted by ``then``, descending; those that are equal there
    too are in an order drawn from the seed. Index order is layer order: with ties by index, *the bottom* of a
    ranking would be a layer, and erasing it would say nothing about the ranking.

    Args:
        scores: (neurons,).
        seed: random seed of the draw that separates equal neurons.
        then: (neurons,), what neurons of equal score are sorted by, or None; NaN comes last.
        stream: see :func:`shuffled_places`.

    >>> order_by_score(np.array([0.5, np.nan, 2.0])).tolist()
    [2, 0, 1]
    """
    keys = [shuffled_places(len(scores), seed, stream)]
    for values in (scores,) if then is None else (then, scores):
        known = np.asarray(values, dtype=np.float64)
        keys += [-known, np.isnan(known)]
    return np.lexsort(keys).astype(np.int64)
