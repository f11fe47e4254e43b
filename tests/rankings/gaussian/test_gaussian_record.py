"""The record of dimension selection, the words it counts, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from onegrain.errors import LabelError, MismatchError, ParameterError
from onegrain.rankings import rank
from onegrain.records.activations import Activations
from onegrain.records.corpus import LabelLayer
from onegrain.records.ranking import Ranking
from support.planted import LABELS, plant

PLANTED = plant(160)
ACTS = PLANTED.activations
HELD = plant(60, seed=1).activations


def test_the_record_is_consistent(tmp_path: Path) -> None:
    ranking = rank("gaussian", ACTS, label="upos", k=5, seed=4)
    again = rank("gaussian", ACTS, label="upos", k=5, seed=4)
    other = rank("gaussian", ACTS, label="upos", k=5, seed=5)
    assert ranking.details == again.details != other.details
    assert ranking.scores[ranking.order[:5]].tolist() == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2])
    still = len(PLANTED.constant)
    assert set(ranking.order[-still:].tolist()) == set(PLANTED.constant)
    assert ranking.order[5:-still].tolist() != sorted(ranking.order[5:-still].tolist())
    assert ranking.order.tolist() == again.order.tolist()
    assert (ranking.n_ranked, ranking.labels, ranking.label_scores) == (5, LABELS, None)
    assert ranking.details["train"]["words"] + ranking.details["dev"]["words"] == 800
    assert ranking.details["dev"]["words"] == 80
    assert ranking.details["prior"] == {
        "kappa": 0.0,
        "scale": 1.0,
        "floor": 0.01,
        "degrees": 2.0,
        "mode": "chosen",
    }
    assert ranking.provenance.parameters["k"] == 5
    ranking.save(tmp_path / "gaussian.parquet")
    loaded = Ranking.load(tmp_path / "gaussian.parquet")
    assert loaded.order.tolist() == ranking.order.tolist()
    assert loaded.details == json.loads(json.dumps(ranking.details))


def test_words_are_limited_and_left_out_and_counted() -> None:
    labels = ACTS.layer("upos").labels()
    labels[0], labels[1] = None, "rare"
    changed = ACTS.with_corpus(ACTS.corpus.with_layer(LabelLayer.from_labels("upos", labels)))
    ranking = rank("gaussian", changed, label="upos", dev=HELD, k=2, max_words=203, max_dev_words=53)
    assert ranking.details["train"]["words"] == 200
    assert ranking.details["train"]["labels_left_out"] == {"rare": 0}
    assert ranking.details["dev"]["words"] == 50
    train = rank("gaussian", changed, label="upos", dev=HELD, k=1).details["train"]
    assert (train["words"], train["left_out"]) == (798, {"unlabelled": 1, "rare_label": 1})
    missing = np.zeros(ACTS.n_words, dtype=bool)
    missing[[3, 90]] = True
    holes = replace(ACTS, array=np.where(missing[:, None], np.nan, ACTS.values()), missing=missing)
    assert (
        rank("gaussian", holes, label="upos", dev=HELD, k=2).details["train"]["left_out"]["no_activation"] == 2
    )


def test_neurons_that_are_all_constant_are_not_ranked() -> None:
    still = [replace(acts, array=np.ones_like(acts.values())) for acts in (ACTS, HELD)]
    ranking = rank("gaussian", still[0], label="upos", dev=still[1])
    assert (ranking.n_ranked, ranking.details["constant"], ranking.details["best"]) == (0, 32, 0)
    assert sorted(ranking.order.tolist()) == list(range(32))


def test_refuses_words_that_do_not_fit() -> None:
    with pytest.raises(MismatchError, match="the training words themselves"):
        rank("gaussian", ACTS, label="upos", dev=ACTS)
    with pytest.raises(MismatchError, match="the training words themselves"):
        rank("gaussian", ACTS, label="upos", dev=HELD, test=ACTS)
    narrow = Activations.from_array(HELD.values()[:, :3], HELD.corpus)
    with pytest.raises(MismatchError, match="expected neurons of"):
        rank("gaussian", ACTS, label="upos", dev=narrow)
    with pytest.raises(LabelError, match="no label layer 'xpos'"):
        rank("gaussian", ACTS, label="xpos")
    with pytest.raises(ParameterError, match="gaussian needs a label layer"):
        rank("gaussian", ACTS)
    values = ACTS.values().copy()
    values[40, 2] = np.inf
    with pytest.raises(ParameterError, match=r"1 activations .* layers\.0:2 at word 40"):
        rank("gaussian", replace(ACTS, array=values), label="upos", dev=HELD)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"k": 0}, "k must be a whole number from 1"),
        ({"k": True}, "k must be a whole number from 1"),
        ({"min_count": None}, "min_count must be a whole number from 1"),
        ({"kappa": -1.0}, "kappa must be a number 0 or more"),
        ({"scale": 0.0}, "scale must be a number above 0"),
        ({"floor": 1.5}, "floor must be a number above 0 and at most 1"),
        ({"degrees": "many"}, "degrees must be a number above -1"),
        ({"dev_share": 1.0}, "dev_share must be a number above 0 and below 1"),
        ({"mode": "all"}, "mode must be chosen or whole, got 'all'"),
        ({"max_words": 2}, "max_words=2 is less than one sentence"),
        ({"max_dev_words": 2}, "max_dev_words=2 is less than one sentence"),
        ({"layers": 2}, "takes no parameter layers"),
    ],
)
def test_refuses_impossible_parameters(parameters: dict, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        rank("gaussian", ACTS, label="upos", dev=HELD, **parameters)
