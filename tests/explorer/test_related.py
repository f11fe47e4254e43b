"""Which records belong to a store: those of its model, or those made from it where no model is named."""

from __future__ import annotations

import numpy as np

from onegrain.explorer.collection import Collection, Entry
from onegrain.explorer.related import belongs
from onegrain.records.provenance import Provenance
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace

FIRST, SECOND = (Provenance(stage="memory", seed=seed) for seed in (1, 2))


def test_weights_decide_and_without_them_the_inputs(tmp_path) -> None:
    ranking = Ranking.by_scores(
        "std", NeuronSpace(("layers.0",), (2,)), np.array([1.0, 2.0]), Provenance(stage="rank", inputs=(FIRST,))
    )
    ranking.save(tmp_path / "r.parquet")
    unnamed = Entry("r", "ranking")
    collection = Collection("t", [(unnamed, tmp_path / "r.parquet")], (), None)

    def store(provenance: Provenance, weights: str = "") -> Entry:
        return Entry("s", "activations", weights=weights, digest=provenance.model_dump_json())

    assert belongs(collection, unnamed, store(FIRST))
    assert not belongs(collection, unnamed, store(SECOND))
    assert not belongs(collection, unnamed, store(FIRST, "ab"))
    named = Entry("r", "ranking", weights="ab")
    assert belongs(collection, named, store(SECOND, "ab"))
    assert not belongs(collection, named, store(FIRST, "cd"))
