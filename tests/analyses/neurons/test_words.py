from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import onegrain.records.activations as store
from onegrain.analyses.neurons.words import neuron_scale, top_words
from onegrain.errors import ModelError, ParameterError
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus


@pytest.fixture
def planted() -> Activations:
    rng = np.random.default_rng(0)
    vocabulary = ["the", "dog", "1984", "runs", "Monday"]
    sentences = [[vocabulary[number] for number in rng.integers(0, 5, rng.integers(3, 9))] for _ in range(60)]
    sentences[7].append("rare")
    corpus = Corpus.from_sentences(sentences, source="planted")
    array = rng.normal(size=(corpus.n_words, 4)).astype(np.float32) + np.float32(100)
    words = np.array(corpus.words)
    array[words == "1984", 1] += 5
    array[words == "the", 1] -= 5
    array[words == "rare", 1] += 50
    array[:, 3] = 2.5
    return Activations.from_array(array, corpus)


def test_planted_words_in_both_directions(planted: Activations) -> None:
    words = top_words(planted, [1], 3, min_count=2)[0]
    assert words.name == "layers.0:1"
    best = words.words.groupby("direction", sort=False).first()
    assert best.loc["high", "word"] == "1984"
    assert best.loc["low", "word"] == "the"
    single = words.occurrences.iloc[0]
    assert (single["word"], single["sentence"]) == ("rare", 7)
    assert single["left"].split()[-1] == planted.corpus.sentence(7)[-2]
    assert single["right"] == ""
    assert top_words(planted, [1], 3)[0].words.iloc[0]["word"] == "rare"
    assert words.sentences(1) == [7]


def test_against_pandas(planted: Activations) -> None:
    for neuron, words in enumerate(top_words(planted, [0, 1, 2], 4)):
        values = planted.values()[:, neuron].astype(np.float64)
        assert words.mean == pytest.approx(values.mean())
        assert words.std == pytest.approx(values.std())
        assert (words.minimum, words.maximum, words.counted) == (values.min(), values.max(), len(values))
        frame = pd.DataFrame({"word": planted.corpus.words, "z": (values - values.mean()) / values.std()})
        by_type = frame.groupby("word")["z"].agg(["mean", "size"])
        for row in words.words.itertuples():
            assert row.deviation == pytest.approx(by_type.loc[row.word, "mean"], abs=1e-9)
            assert row.count == by_type.loc[row.word, "size"]
        high = words.occurrences[words.occurrences["direction"] == "high"]["deviation"]
        np.testing.assert_allclose(high, frame["z"].nlargest(4))
        low = words.occurrences[words.occurrences["direction"] == "low"]["deviation"]
        np.testing.assert_allclose(low, frame["z"].nsmallest(4))


def test_blocks_do_not_matter(planted: Activations, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = [words.to_json() for words in top_words(planted, [2, 0], 5)]
    monkeypatch.setattr(store, "BLOCK_BYTES", 16 * 7)
    assert len(list(planted.blocks())) > 10
    split = [words.to_json() for words in top_words(planted, [2, 0], 5)]
    for expected, actual in zip(at_once, split, strict=True):
        assert [row["word"] for row in expected["words"]] == [row["word"] for row in actual["words"]]
        assert expected["mean"] == pytest.approx(actual["mean"], rel=1e-12)
        assert [row["sentence"] for row in expected["occurrences"]] == [
            r["sentence"] for r in actual["occurrences"]
        ]
    known = neuron_scale(planted, [2, 0])
    np.testing.assert_allclose(known.std, planted.values()[:, [2, 0]].astype(np.float64).std(axis=0))


@pytest.mark.parametrize("value", [2.5, 0.1, -1e4 / 3])
def test_a_constant_neuron_is_moved_by_nothing(planted: Activations, value: float) -> None:
    array = planted.values()
    array[:, 3] = value
    words = top_words(Activations.from_array(array, planted.corpus), [3])[0]
    assert words.std == 0
    assert words.mean == words.minimum == words.maximum == np.float32(value)
    assert len(words.words) == len(words.occurrences) == 0
    assert words.sentences(3) == []


def test_the_shares_of_both_signs(planted: Activations) -> None:
    array = planted.values() - np.float32(100)
    array[:40, 0] = 0
    missing = np.zeros(planted.n_words, dtype=bool)
    missing[[3, 90, 91]] = True
    array[missing] = np.nan
    acts = replace(Activations.from_array(array, planted.corpus), missing=missing)
    words = top_words(acts, [0])[0]
    kept = array[~missing, 0]
    assert words.counted == planted.n_words - 3
    assert (words.share_positive, words.share_negative) == ((kept > 0).mean(), (kept < 0).mean())
    assert words.share_positive + words.share_negative < 1
    with pytest.raises(ParameterError, match=r"no word of .* has an activation"):
        top_words(replace(acts, missing=np.ones_like(missing)), [0])


def test_refusals(planted: Activations) -> None:
    with pytest.raises(ParameterError, match=r"0\.\.3"):
        top_words(planted, [4])
    with pytest.raises(ParameterError, match="one or more"):
        top_words(planted, [])
    with pytest.raises(ParameterError, match="at least 1"):
        top_words(planted, [0], 0)
    array = planted.values()
    array[3, 2] = np.nan
    with pytest.raises(ParameterError, match=r"layers\.0:2 at word 3"):
        top_words(Activations.from_array(array, planted.corpus), [0])


def test_neurons_are_named_or_numbered(planted: Activations) -> None:
    named, numbered = (top_words(planted, neurons, 3) for neurons in (["layers.0:2", 1], [2, 1]))
    assert [neuron.name for neuron in named] == ["layers.0:2", "layers.0:1"]
    assert [neuron.to_json() for neuron in named] == [neuron.to_json() for neuron in numbered]
    assert top_words(planted, "layers.0:2", 3)[0].to_json() == numbered[0].to_json()
    np.testing.assert_array_equal(neuron_scale(planted, ["layers.0:1"]).mean, neuron_scale(planted, [1]).mean)
    with pytest.raises(
        ModelError, match=r"no neuron 'layers.1:0': no site 'layers.1'; the sites are: layers.0"
    ):
        neuron_scale(planted, "layers.1:0")
