from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from onegrain.core.ordering import order_by_score
from onegrain.records.provenance import Provenance
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace


def build(scores: np.ndarray, labels: tuple[str, ...], **options: object) -> Ranking:
    """An LCA-like ranking from a (labels, neurons) table of scores; of one site unless ``widths``."""
    widths = options.pop("widths", (scores.shape[1],))
    space = NeuronSpace(tuple(f"layers.{layer}" for layer in range(len(widths))), tuple(widths))
    best = np.nan_to_num(scores).max(axis=0)
    facts = {"method": "lca", "layer": "upos", "details": {}, **options}
    return Ranking(
        space=space,
        order=order_by_score(best),
        scores=best,
        n_ranked=int(np.count_nonzero(best)),
        provenance=Provenance(stage="rank"),
        labels=labels,
        label_scores=scores,
        **facts,
    )


@pytest.fixture
def make() -> Callable[..., Ranking]:
    return build


@pytest.fixture
def random_ranking() -> Ranking:
    rng = np.random.default_rng(3)
    scores = np.abs(rng.normal(size=(4, 60))) * (rng.random((4, 60)) < 0.6)
    return build(scores, ("ADJ", "DET", "NOUN", "PUNCT"), widths=(20, 40))


@pytest.fixture
def permute() -> Callable[[Ranking, np.ndarray], Ranking]:
    """The same ranking with its neurons renumbered: new neuron i is old neuron ``places[i]`` (one site)."""

    def apply(ranking: Ranking, places: np.ndarray) -> Ranking:
        assert ranking.label_scores is not None
        return build(ranking.label_scores[:, places], ranking.labels, details=ranking.details)

    return apply
