"""Rankings with a given or a random order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onegrain.records.provenance import Provenance
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace

__all__ = ["ranking_of", "shuffled"]


def ranking_of(
    space: NeuronSpace,
    order: Sequence[int] | np.ndarray,
    provenance: Provenance | None = None,
    method: str = "given",
) -> Ranking:
    """Return a ranking with an order."""
    places = np.asarray(order, dtype=np.int64)
    scores = np.empty(space.size)
    scores[places] = np.arange(space.size)[::-1]
    return Ranking(method, space, places, scores, space.size, provenance or Provenance(stage="rank"))


def shuffled(space: NeuronSpace, seed: int) -> Ranking:
    """Return a ranking with a random order."""
    return ranking_of(space, np.random.default_rng(seed).permutation(space.size))
