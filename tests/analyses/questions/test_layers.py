from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import hypergeom

from onegrain.analyses.questions.layers import layers, layers_by_label
from onegrain.errors import ParameterError


def test_against_a_loop_and_scipy(random_ranking) -> None:
    table = layers(random_ranking, 15).set_index("site")
    names = [random_ranking.space.locate(int(index))[0] for index in random_ranking.order[:15]]
    for site, width in (("layers.0", 20), ("layers.1", 40)):
        count = names.count(site)
        assert table.loc[site, "count"] == count
        assert table.loc[site, "enrichment"] == pytest.approx((count / 15) / (width / 60))
        assert table.loc[site, "p"] == pytest.approx(hypergeom.sf(count - 1, 60, width, 15))


def test_planted_layer(make) -> None:
    scores = np.zeros((2, 100))
    scores[0, 10:15] = 1.0
    scores[1, 60:65] = 1.0
    ranking = make(scores, ("a", "b"), widths=(10, 40, 50))
    assert layers(ranking)["count"].tolist() == [0, 5, 5]
    by_label = layers_by_label(ranking, 5).pivot(index="label", columns="site", values="share")
    assert by_label.loc["a"].tolist() == [0, 1, 0]
    assert by_label.loc["b"].tolist() == [0, 0, 1]


def test_unranked_neurons_are_not_counted(make) -> None:
    ranking = make(np.array([[1.0, 0, 0, 0]]), ("a",), widths=(2, 2))
    assert layers(ranking, 4)["count"].tolist() == [1, 0]
    nothing = layers(make(np.zeros((1, 4)), ("a",), widths=(2, 2)), 4)
    assert nothing["count"].sum() == 0
    assert nothing["p"].tolist() == [1.0, 1.0]


def test_refuses_too_many(random_ranking) -> None:
    with pytest.raises(ParameterError, match="from 1 to 60"):
        layers(random_ranking, 61)


def test_sites_and_labels_are_corrected_together(make) -> None:
    scores = np.zeros((2, 100))
    scores[0, 10:15] = 1.0
    scores[1, 60:65] = 1.0
    table = layers_by_label(make(scores, ("a", "b"), widths=(10, 40, 50)), 5)
    first, second = (hypergeom.sf(4, 100, width, 5) for width in (40, 50))
    assert len(table) == 6
    assert table["q"].tolist() == pytest.approx([1.0, 6 * first, 1.0, 1.0, 1.0, 6 * second / 2])
