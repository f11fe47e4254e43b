"""Uniqueness counts what was planted: as many rounds as there are neurons that serve alike."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import onegrain as og
from onegrain.errors import InputError, ParameterError
from onegrain.evaluation.options import EvaluationOptions
from onegrain.evaluation.uniqueness import _training_view
from onegrain.evaluation.words import EvaluationInput
from onegrain.records.activations import Activations
from support.planted import plant

FAST = {"lambda2": (1e-3,), "resamples": 100, "random_sets": 2, "delta": 0.03, "seed": 0}


def redundant(copies: int, seed: int = 0) -> og.Planted:
    """Two labels, and ``2 * copies`` neurons that each tell them apart; the rest is noise."""
    neurons = og.PlantedNeurons(
        exclusive=copies, shared=(), copied=(), copies=0, weak=0, loud=0, noise=8, constant=0
    )
    return og.planted(120, labels=("A", "B"), strength=6.0, neurons=neurons, words_seed=seed)


@pytest.mark.parametrize("copies", [1, 2])
@pytest.mark.parametrize("method", ["lca", "probeless"])
def test_every_informative_neuron_is_one_round(copies: int, method: str) -> None:
    data = redundant(copies)
    ranking = {"lambda1": 0.001, "lambda2": 0.001} if method == "lca" else None
    record = og.uniqueness(method, data.activations, label="upos", k=1, rounds=6, ranking=ranking, **FAST)
    assert record.count == 2 * copies
    assert record.ended
    found = [index for taken in record.details["removed"][: record.count] for index in taken]
    assert sorted(found) == data.indices("exclusive").tolist()
    after = record.rounds.loc[record.count :, "accuracy"]
    assert (after < 0.7).all()
    assert record.rounds.loc[record.count - 1, "rest"] < 0.7
    assert record.rounds.loc[record.count - 2, "rest"] > 0.9


def test_the_size_is_the_smallest_that_suffices() -> None:
    data = plant(160)
    record = og.uniqueness("probeless", data.activations, label="upos", rounds=2, **FAST)
    smaller = og.uniqueness("probeless", data.activations, label="upos", k=2, rounds=1, **FAST)
    assert record.k in (5, 10)
    assert record.details["chosen_k"]
    assert record.count >= 1
    assert smaller.count == 0
    assert not smaller.details["chosen_k"]


def test_rounds_are_probes_of_new_neurons_alone(tmp_path: Path) -> None:
    data = plant(160)
    test = plant(60, seed=5).activations
    record = og.uniqueness("probeless", data.activations, test, label="upos", k=4, rounds=3, **FAST)
    removed = record.details["removed"]
    assert len({index for taken in removed for index in taken}) == 12
    assert record.rounds["left"].tolist() == [32, 28, 24]
    order = og.rank("probeless", data.activations, label="upos").order
    assert removed[0] == order[:4].tolist()
    evaluation = og.evaluate(
        {"p": og.rank("probeless", data.activations, label="upos")}, data.activations, test, label="upos",
        counts=(4,), kinds="retraining", keep="top", lambda2=(1e-3,), resamples=100,
    )  # fmt: skip
    assert record.rounds["accuracy"][0] == pytest.approx(evaluation.points["accuracy"][0], abs=0.02)
    assert record.full["accuracy"] == pytest.approx(evaluation.details["full"]["accuracy"])
    assert record.neurons(1) == [data.activations.space.name(index) for index in removed[0]]
    with pytest.raises(ParameterError, match="no round 4"):
        record.neurons(4)
    record.save(tmp_path / "u.parquet")
    loaded = og.load(tmp_path / "u.parquet")
    assert loaded.rounds.equals(record.rounds)
    assert loaded.summary() == record.summary()


def test_it_ends_when_the_neurons_run_out() -> None:
    data = redundant(1)
    record = og.uniqueness("probeless", data.activations, label="upos", k=5, rounds=10, **FAST)
    assert record.rounds["left"].tolist() == [10, 5]
    assert np.isnan(record.rounds["rest"][1])
    assert record.ended


def test_the_ranking_does_not_see_the_labels_of_tested_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    data = plant(100)
    seen: list[Activations] = []

    def rank(name: str, activations: Activations, **options: Any) -> og.Ranking:
        seen.append(activations)
        return og.rank(name, activations, **options)

    monkeypatch.setattr(import_module("onegrain.evaluation.rounds"), "rank", rank)
    og.uniqueness("probeless", data.activations, label="upos", k=4, rounds=1, test_share=0.3, **FAST)
    codes = seen[0].layer("upos").codes
    hidden = np.unique(seen[0].corpus.sentence_of_word[codes < 0])
    assert len(hidden) == 30
    options = EvaluationOptions(test_share=0.3)
    words = EvaluationInput(data.activations, None, None, "upos", 0)
    assert np.array_equal(_training_view(words, options).layer("upos").codes, codes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"method": "maxcorr"}, "compares models"),
        ({"method": "integrated-gradients"}, "needs a running model"),
        ({"method": "sponge"}, "sponge"),
        ({"label": "xpos"}, "xpos"),
        ({"k": 0}, "k must be"),
        ({"k": 33}, "k must be"),
        ({"rounds": 0}, "rounds"),
        ({"delta": 1.5}, "delta"),
        ({"counts": (3,)}, "takes no counts"),
        ({"sponge": 3}, "no parameter 'sponge'"),
    ],
)
def test_what_cannot_be_done_is_refused_before_any_work(
    change: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("onegrain.evaluation.uniqueness"), "fitted_probe", None)
    arguments: dict[str, Any] = {"method": "probeless", "label": "upos", **change}
    with pytest.raises(InputError, match=words):
        og.uniqueness(arguments.pop("method"), plant(60).activations, **arguments)
