"""Every method that scores a probe on held-out words says what those share with the words it learned from."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from onegrain.rankings import rank
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.leakage import leakage_cautions
from onegrain.reports import Records, compose

NEURONS = 8
SENTENCES = 24
QUICK: dict[str, dict[str, Any]] = {
    "lca": {"lambda1": 1e-3, "lambda2": 1e-3},
    "gaussian": {"k": 2},
    "sparse-probing": {"k": 2},
    "neurox": {"epochs": 2},
}
CHOOSES = {"lca": "penalties", "gaussian": "neurons"}


def read(sentences: list[list[str]], seed: int) -> Activations:
    """Words whose labels alternate, and neurons of which the first knows the label."""
    corpus = Corpus.from_sentences(sentences, {"tag": [["A", "B"] * (len(s) // 2) for s in sentences]})
    values = np.random.default_rng(seed).normal(size=(corpus.n_words, NEURONS))
    values[:, 0] += np.tile([-2.0, 2.0], corpus.n_words // 2)
    return Activations.from_array(values.astype(np.float32), corpus)


TRAIN = read([[f"w{number}_{place}" for place in range(4)] for number in range(SENTENCES)], 0)
# of six sentences one is a training sentence but for its case, one has two known words of four
TEST = read(
    [["W3_0", "w3_1", "w3_2", "w3_3"], ["w5_0", "x", "w9_1", "y"], *[[f"new{n}"] * 4 for n in range(4)]], 1
)
CLEAN = read([[f"other{number}_{place}" for place in range(4)] for number in range(6)], 2)
SHARED = {"known_types": 6 / 24, "known_sentences": 1 / 6, "chosen_on_tested": False}


@pytest.mark.parametrize("method", QUICK)
def test_what_test_words_share_with_training_words_is_recorded(method: str) -> None:
    evaluation = rank(method, TRAIN, label="tag", dev=CLEAN, test=TEST, **QUICK[method]).details["evaluation"]
    assert evaluation["on"] == "test"
    assert evaluation["leakage"] == SHARED
    clean = rank(method, TRAIN, label="tag", dev=TEST, test=CLEAN, **QUICK[method]).details["evaluation"]
    assert leakage_cautions(clean["leakage"]) == []


@pytest.mark.parametrize("method", QUICK)
def test_held_out_words_that_chose_something_are_said_to(method: str) -> None:
    options = QUICK[method] | ({"lambda1": [1e-3, 1e-2]} if method == "lca" else {})
    details = rank(method, TRAIN, label="tag", dev=TEST, **options).details
    evaluation = details["evaluation"]
    assert evaluation["on"] == "dev"
    assert {name: evaluation["leakage"][name] for name in ("known_types", "known_sentences")} == {
        "known_types": 6 / 24,
        "known_sentences": 1 / 6,
    }
    cautions = leakage_cautions(evaluation["leakage"])
    assert [text.startswith("Beware: the ") for text in cautions].count(True) == (method in CHOOSES)
    if method in CHOOSES:
        assert cautions[-1].startswith(f"Beware: the {CHOOSES[method]} were chosen on the tested words too")
    assert json.loads(json.dumps(details)) == details


def test_words_of_the_same_corpus_are_held_against_those_that_were_learned_from() -> None:
    twice = read([[f"w{number // 2}_{place}" for place in range(4)] for number in range(SENTENCES)], 3)
    leakage = rank("gaussian", twice, label="tag", k=2, dev_share=0.25, seed=1).details["evaluation"]["leakage"]
    assert 0.0 < leakage["known_sentences"] == leakage["known_types"] <= 1.0
    assert rank("gaussian", TRAIN, label="tag", k=2, dev_share=0.25).details["evaluation"]["leakage"] == {
        "known_types": 0.0,
        "known_sentences": 0.0,
        "chosen_on_tested": True,
        "what": "neurons",
    }


@pytest.mark.parametrize("method", ["neurox", "sparse-probing"])
def test_nothing_is_said_where_nothing_is_held_out(method: str) -> None:
    assert rank(method, TRAIN, label="tag", **QUICK[method]).details["evaluation"] is None


def test_the_summary_is_of_the_words_that_it_names() -> None:
    gaussian = rank("gaussian", TRAIN, label="tag", dev=CLEAN, test=TEST, k=2).details
    assert gaussian["evaluation"]["full"] == {"accuracy": gaussian["steps"][-1]["test"]["accuracy"]}
    assert gaussian["evaluation"]["majority"] == gaussian["start"]["test"]["accuracy"] == 0.5
    dev = rank("gaussian", TRAIN, label="tag", dev=CLEAN, k=2).details
    assert dev["evaluation"]["full"] == {"accuracy": dev["steps"][-1]["accuracy"]}
    sparse = rank("sparse-probing", TRAIN, label="tag", dev=CLEAN, test=TEST, k=2).details
    each = [sparse["labels"][label]["test"] for label in "AB"]
    assert sparse["evaluation"]["full"] == {
        "macro_f1": pytest.approx((each[0]["f1"] + each[1]["f1"]) / 2),
        "labels": dict(zip("AB", each, strict=True)),
    }


@pytest.mark.parametrize(
    ("method", "says"),
    [
        ("lca", "the probe labels"),
        ("neurox", "the probe labels"),
        ("gaussian", "the probe labels"),
        ("sparse-probing", "the probes of the labels have a mean F1 of"),
    ],
)
def test_a_report_says_what_flatters_the_probe_behind_how_well_it_does(method: str, says: str) -> None:
    ranking = rank(method, TRAIN, label="tag", dev=CLEAN, test=TEST, **QUICK[method])
    report = compose("T", Records({("m", method): ranking}))
    (section,) = (section for section in report.sections if section.anchor == "probes")
    (text,) = section.findings
    assert text.startswith(f"m {method}: {says}")
    assert "Beware: 16.7 % of the tested sentences are also training sentences, word for word. 25 % of" in text
