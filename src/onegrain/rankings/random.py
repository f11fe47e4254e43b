"""A ranking in random order: the baseline of every curve."""

from __future__ import annotations

import numpy as np

from onegrain.rankings.request import Method, Request
from onegrain.records.ranking import Ranking

__all__ = ["METHOD", "random"]


def random(request: Request) -> Ranking:
    """Rank by a seeded random permutation; scores fall evenly from 1 to 1 / neurons."""
    size = request.activations.n_neurons
    order = np.random.default_rng(request.seed).permutation(size).astype(np.int64)
    scores = np.empty(size)
    scores[order] = np.arange(size, 0, -1) / size
    return Ranking(
        method="random",
        space=request.activations.space,
        order=order,
        scores=scores,
        n_ranked=size,
        provenance=request.provenance("random"),
    )


METHOD = Method(name="random", summary="a seeded random order: the baseline of every curve", function=random)
