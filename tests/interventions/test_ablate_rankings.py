"""Ablation of several rankings: each curve is that of ``ablate``, and the random orders are measured once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import onegrain as og
from onegrain.analyses import ablation_areas
from onegrain.models import LoadedModel
from support.tiny import plain_corpus, tiny_nlm


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return og.load_model(tiny_nlm(tmp_path_factory.mktemp("models") / "nlm"), device="cpu")


def shuffled(model: LoadedModel, seed: int) -> og.Ranking:
    space = model.space(None)
    order = np.random.default_rng(seed).permutation(space.size)
    return og.Ranking(
        "shuffled", space, order, -np.argsort(order).astype(float), space.size, og.Provenance(stage="rank")
    )


def test_only_the_first_curve_measures_random_orders(model: LoadedModel) -> None:
    rankings = {name: shuffled(model, seed) for seed, name in enumerate("abc")}
    metric, options = og.Perplexity(plain_corpus()), {"steps": 2, "random_orders": 2, "seed": 3}
    curves = og.ablate_rankings(model, rankings, metric, **options)
    assert list(curves) == ["a", "b", "c"]
    alone = {
        name: og.ablate(model, ranking, metric, match="none", **options) for name, ranking in rankings.items()
    }
    pd.testing.assert_frame_equal(curves["a"].points, alone["a"].points)
    for name in "bc":
        without = alone[name].points.query("line != 'random'").reset_index(drop=True)
        pd.testing.assert_frame_equal(curves[name].points, without)
    later = og.ablate_rankings(model, rankings, metric, curves={"b": alone["b"]}, **options)
    assert later["b"] is alone["b"]
    assert ["random" in set(curve.points["line"]) for curve in later.values()] == [False, True, False]


def test_orders_that_are_matched_are_measured_for_every_ranking(model: LoadedModel) -> None:
    rankings = {name: shuffled(model, seed) for seed, name in enumerate("ab")}
    metric, options = (
        og.Perplexity(plain_corpus().head(3)),
        {"counts": [5], "random_orders": 2, "match": "site"},
    )
    curves = og.ablate_rankings(model, rankings, metric, **options)
    for name, ranking in rankings.items():
        alone = og.ablate(model, ranking, metric, **options)
        pd.testing.assert_frame_equal(curves[name].points, alone.points)
    areas = ablation_areas(curves)
    for name in rankings:
        own = ablation_areas({name: curves[name]})
        assert areas.of("ablation", name, "random") == own.of("ablation", None, "random")
        gap = areas.gaps.set_index(["ranking", "against"]).loc[(name, "random"), "gap"]
        assert gap == own.gaps.set_index("against").loc["random", "gap"]
