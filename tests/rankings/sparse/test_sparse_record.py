"""The record of sparse probing, the words it counts, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from math import comb
from pathlib import Path

import numpy as np
import pytest

from onegrain.errors import LabelError, MismatchError, ParameterError
from onegrain.rankings import rank
from onegrain.rankings.sparse.options import SparseOptions
from onegrain.records.corpus import LabelLayer
from onegrain.records.ranking import Ranking
from support.planted import LABELS, plant

ACTS = plant(160).activations
HELD = plant(60, seed=1).activations


def sizes(ranking: Ranking, label: str) -> list[dict]:
    return ranking.details["labels"][label]["sizes"]


def test_the_record_saves_and_loads_and_a_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    ranking = rank("sparse-probing", ACTS, label="upos", k=3, max_words=400, seed=2)
    again = rank("sparse-probing", ACTS, label="upos", k=3, max_words=400, seed=2)
    assert ranking.scores.tobytes() == again.scores.tobytes()
    assert ranking.details == again.details
    assert ranking.details["train"]["words"] == 400
    ranking.save(tmp_path / "sparse.parquet")
    loaded = Ranking.load(tmp_path / "sparse.parquet")
    assert loaded.order.tolist() == ranking.order.tolist()
    assert loaded.details == json.loads(json.dumps(ranking.details))
    assert loaded.provenance.parameters["swaps"] is True


def test_neurons_that_are_all_constant_are_not_ranked() -> None:
    ranking = rank("sparse-probing", replace(ACTS, array=np.ones_like(ACTS.values())), label="upos", dev=HELD)
    assert (ranking.n_ranked, ranking.details["constant"]) == (0, 32)
    assert sorted(ranking.order.tolist()) == list(range(32))
    assert sizes(ranking, "NOUN") == []


def test_words_are_left_out_and_counted() -> None:
    labels = ACTS.layer("upos").labels()
    labels[0], labels[1] = None, "X"
    changed = ACTS.with_corpus(ACTS.corpus.with_layer(LabelLayer.from_labels("upos", labels)))
    ranking = rank("sparse-probing", changed, label="upos", k=1)
    assert ranking.details["train"]["left_out"] == {"unlabelled": 1, "rare_label": 1}
    assert ranking.details["train"]["labels_left_out"] == {"X": 1}


def test_too_large_an_exact_search_is_refused_with_numbers() -> None:
    with pytest.raises(ParameterError, match=r"among 32 neurons has 2\.01e\+05 sets of 5 .* candidates=18 or"):
        rank("sparse-probing", ACTS, label="upos", k=5, exact=True, max_subsets=10_000)
    assert comb(18, 5) <= 10_000 < comb(19, 5)
    ranking = rank("sparse-probing", ACTS, label="upos", k=5, exact=True, max_subsets=10_000, candidates=18)
    assert {told["candidates"] for label in LABELS for told in sizes(ranking, label)} == {18}
    assert SparseOptions(k=2, exact=True).among(1536) == 1536


def test_refuses_words_that_do_not_fit() -> None:
    with pytest.raises(MismatchError, match="the training words themselves"):
        rank("sparse-probing", ACTS, label="upos", dev=ACTS)
    with pytest.raises(LabelError, match="no label layer 'xpos'"):
        rank("sparse-probing", ACTS, label="xpos")
    with pytest.raises(ParameterError, match="sparse-probing needs a label layer"):
        rank("sparse-probing", ACTS)
    with pytest.raises(ParameterError, match="sparse probing needs"):
        rank("sparse-probing", ACTS, label="upos", memory="1MiB")
    values = ACTS.values().copy()
    values[77, 13] = np.nan
    with pytest.raises(ParameterError, match=r"1 activations .* layers\.1:1 at word 77"):
        rank("sparse-probing", replace(ACTS, array=values), label="upos")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"k": 0}, "k must be a whole number from 1"),
        ({"k": 2.0}, "k must be a whole number from 1"),
        ({"swaps": 1}, "swaps must be true or false"),
        ({"exact": "yes"}, "exact must be true or false"),
        ({"candidates": 20}, "candidates is for an exact search"),
        ({"candidates": 4, "k": 5, "exact": True}, "candidates must be at least k=5"),
        ({"max_words": 2}, "max_words=2 is less than one sentence"),
        ({"min_count": 0}, "min_count must be a whole number from 1"),
    ],
)
def test_refuses_impossible_parameters(parameters: dict, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        rank("sparse-probing", ACTS, label="upos", **parameters)
