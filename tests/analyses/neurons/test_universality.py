"""Why a neuron is universal: the words that it shares with its partners."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from onegrain.analyses import universality
from onegrain.errors import MismatchError, ModelError, ParameterError
from onegrain.rankings import rank
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.provenance import ModelIdentity
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace

SPACE = NeuronSpace(("layers.0", "layers.1"), (2, 2))
WORDS = np.random.default_rng(0).choice(["the", "1984", "runs", "Monday", "dog"], size=(80, 6))
CORPUS = Corpus.from_sentences(WORDS.tolist())


def store(name: str, seed: int, planted: dict[int, dict[str, float]]) -> Activations:
    """Noise, and neurons that some words move."""
    values = np.random.default_rng(seed).normal(size=(CORPUS.n_words, 4)) * 0.3
    for neuron, words in planted.items():
        for word, value in words.items():
            values[np.array(CORPUS.words) == word, neuron] += value
    acts = Activations.from_array(values.astype(np.float32), CORPUS, SPACE)
    identity = ModelIdentity(id=name, architecture="Planted", weight_hash=name)
    return replace(acts, provenance=acts.provenance.model_copy(update={"model": identity}))


OWN = store("a", 1, {1: {"1984": 3.0, "Monday": 2.0, "the": -2.0}})
SAME = store("b", 2, {2: {"1984": 5.0, "Monday": 4.0, "the": -3.0}})
FLIPPED = store("c", 3, {0: {"1984": -3.0, "Monday": -2.0, "the": 2.0}})


def ranked() -> Ranking:
    return rank("maxcorr", OWN, others=[SAME, FLIPPED])


def test_planted_partners_share_their_words(tmp_path):
    ranked().save(tmp_path / "r.parquet")
    table = universality(Ranking.load(tmp_path / "r.parquet"), OWN, [SAME, FLIPPED], k=1, n=2)
    assert table["neuron"].tolist() == ["layers.0:1"] * 4
    assert table["model"].tolist() == ["b", "b", "c", "c"]
    assert table["partner"].tolist() == ["layers.1:0"] * 2 + ["layers.0:0"] * 2
    assert table["direction"].tolist() == ["high", "low"] * 2
    assert (table["correlation"] > 0).tolist() == [True, True, False, False]
    for row in table.itertuples():
        assert row.shared == row.words[: len(row.shared)]
        if row.direction == "high":
            assert row.words == row.partner_words == row.shared == ["1984", "Monday"]
        else:
            assert row.words[0] == row.partner_words[0] == row.shared[0] == "the"


def test_neurons_come_in_the_order_that_is_asked_for():
    table = universality(ranked(), OWN, [SAME, FLIPPED], neurons=[3, 1, 0])
    assert list(dict.fromkeys(table["neuron"])) == ["layers.1:1", "layers.0:1", "layers.0:0"]
    first_rows = table[table["neuron"] == "layers.0:1"].reset_index(drop=True)
    alone = universality(ranked(), OWN, [SAME, FLIPPED], neurons=[1])
    assert first_rows.to_dict("records") == alone.to_dict("records")
    named = universality(ranked(), OWN, [SAME, FLIPPED], neurons="layers.0:1")
    assert named.to_dict("records") == alone.to_dict("records")
    with pytest.raises(
        ModelError, match=r"no neuron 'layers.7:0': no site 'layers.7'; the sites are: layers.0"
    ):
        universality(ranked(), OWN, [SAME, FLIPPED], neurons=["layers.7:0"])


def test_a_neuron_without_a_partner_has_no_row():
    values = OWN.values().copy()
    values[:, 3] = 1.0
    still = replace(OWN, array=values)
    table = universality(rank("maxcorr", still, others=[SAME]), still, [SAME], neurons=[3])
    assert len(table) == 0
    assert "partner_words" in table


def test_refusals():
    ranking = ranked()
    with pytest.raises(ParameterError, match="names no partners"):
        universality(rank("random", OWN), OWN, [SAME, FLIPPED])
    with pytest.raises(MismatchError, match="compares 3 models, but 2 were given"):
        universality(ranking, OWN, [SAME])
    with pytest.raises(MismatchError, match="b is not what the ranking was made from"):
        universality(ranking, SAME, [OWN, FLIPPED])
    with pytest.raises(MismatchError, match="restrict the sites"):
        universality(ranking, OWN.restrict("layers.0"), [SAME, FLIPPED])
    with pytest.raises(ParameterError, match="k must be from 1 to 4"):
        universality(ranking, OWN, [SAME, FLIPPED], k=5)


def test_sites_that_the_ranking_lacks_are_left_out():
    part = rank("maxcorr", OWN.restrict("layers.0"), others=[SAME, FLIPPED.restrict("layers.0")])
    table = universality(part, OWN, [SAME, FLIPPED], neurons=["layers.0:1"])
    assert set(table["neuron"]) == {"layers.0:1"}
    narrow = universality(part, OWN.restrict("layers.0"), [SAME, FLIPPED.restrict("layers.0")], neurons=[1])
    assert table.equals(narrow)
