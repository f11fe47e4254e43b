from __future__ import annotations

import numpy as np
import pytest

from onegrain.analyses.questions.contrast import contrast
from onegrain.analyses.questions.localisation import localisation
from onegrain.analyses.questions.sharing import sharing
from onegrain.errors import MismatchError, ParameterError


def planted(make, width: int, spread: int, labels: tuple[str, ...], **details: object):
    scores = np.zeros((len(labels), width))
    for row in range(len(labels)):
        scores[row, row * spread : (row + 1) * spread] = 1.0
    return make(scores, labels, details=details)


def test_planted_distributed_against_localised_model(make) -> None:
    evaluation = {"majority": 0.2, "full": {"accuracy": 0.9}, "minimal_set": {"neurons": 20}}
    wide = planted(make, 200, 40, ("DET", "NOUN", "VERB"), evaluation=evaluation)
    narrow = planted(make, 100, 5, ("NOUN", "DET", "X"))
    result = contrast({"nmt": wide, "nlm": narrow}, k=40)
    assert result.labels == ("DET", "NOUN")
    assert result.dropped == {"nmt": ("VERB",), "nlm": ("X",)}
    table = result.summary.set_index("model")
    assert table.loc["nmt", "effective_share"] == pytest.approx(0.2)
    assert table.loc["nlm", "effective_share"] == pytest.approx(0.05)
    assert table.loc["nmt", "minimal_share"] == pytest.approx(0.1)
    assert table.loc["nmt", "accuracy"] == 0.9
    assert np.isnan(table.loc["nlm", "accuracy"])
    assert table.loc["nmt", "shared_neurons"] == 0


def test_numbers_are_those_of_the_single_analyses(make, random_ranking) -> None:
    result = contrast({"a": random_ranking, "b": random_ranking}, 8)
    row = result.summary.iloc[0]
    assert row["gini"] == pytest.approx(localisation(random_ranking)["gini"].mean())
    assert row["mean_jaccard"] == pytest.approx(sharing(random_ranking, 8).pairs["jaccard"].mean())
    assert result.by_label["model"].tolist() == ["a"] * 4 + ["b"] * 4
    assert result.summary.drop(columns="model").nunique().max() <= 1


def test_refusals(make, random_ranking) -> None:
    with pytest.raises(ParameterError, match="two models"):
        contrast({"a": random_ranking})
    with pytest.raises(MismatchError, match="different label layers"):
        contrast({"a": random_ranking, "b": make(np.ones((1, 9)), ("NOUN",), layer="xpos")})
    with pytest.raises(MismatchError, match="no label in common"):
        contrast({"a": random_ranking, "b": make(np.ones((1, 9)), ("odd",))})
