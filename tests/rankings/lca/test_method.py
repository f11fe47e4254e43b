"""LCA as a whole: what is planted is found, the evaluation is right, the record is whole, misuse is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import f1_score

from onegrain.errors import LabelError, MismatchError, ParameterError
from onegrain.rankings import rank
from onegrain.rankings.data.labelled import split_sentences
from onegrain.rankings.lca.evaluation import label_scores
from onegrain.rankings.lca.options import LcaOptions
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus, LabelLayer
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace
from support.planted import LABELS, Planted, labelled_corpus, plant

QUICK = {
    "lambda1": (0.0, 1e-3, 1e-2),
    "lambda2": (0.0, 1e-3),
    "max_steps": 60,
    "max_free_steps": 10,
    "masking_shares": (0.2, 0.5),
    "retraining_shares": (0.2,),
    "resamples": 100,
}


@pytest.fixture(scope="module")
def planted() -> Planted:
    return plant(160, control=True)


@pytest.fixture(scope="module")
def ranking(planted: Planted) -> Ranking:
    held = plant(60, seed=1, control=True).activations
    return rank("lca", planted.activations, label="upos", dev=held, **QUICK)


def test_the_planted_neurons_come_first(planted: Planted, ranking: Ranking) -> None:
    assert set(ranking.order[:5].tolist()) <= planted.informative
    places = ranking.positions()
    for label in LABELS[:3]:
        assert places[planted.exclusive[label]] < 8
        top = set(ranking.label(label).order[:2].tolist())
        assert planted.exclusive[label] in top
    assert (places[list(planted.constant)] >= ranking.n_ranked).all()
    assert (places[list(planted.loud)] > 5).all()


@pytest.mark.parametrize("standardize", [False, True])
def test_unranked_neurons_come_by_how_steep_the_loss_is_at_their_weights(standardize: bool) -> None:
    planted = plant(60)
    options = {"lambda1": 2e-2, "lambda2": 1e-4, "polish": 1e-7, "evaluate": False, "standardize": standardize}
    ranking = rank("lca", planted.activations, label="upos", min_count=1, dev_share=0.02, **options)
    values, codes = training_values(planted.activations, ranking)
    if standardize:
        spread = values.std(axis=0)
        values = (values - values.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
    assert ranking.weights is not None
    assert ranking.slopes is not None
    logits = values @ ranking.weights.T + np.array(ranking.details["biases"])
    residual = softmax(logits, axis=1) - np.eye(len(ranking.labels))[codes]
    slopes = np.abs(residual.T @ (values - values.mean(axis=0)) / len(values))
    np.testing.assert_allclose(ranking.slopes, slopes, atol=2e-5)
    nothing = ranking.weights == 0.0
    assert ranking.slopes[nothing].max() <= 2e-2 * 1.001
    unranked = ranking.order[ranking.n_ranked :]
    assert len(unranked) > 5
    assert (np.diff(ranking.slopes.max(axis=0)[unranked]) <= 0.0).all()
    for row, label in enumerate(ranking.labels):
        part = ranking.label(label)
        assert (np.diff(ranking.slopes[row][part.order[part.n_ranked :]]) <= 0.0).all()


def training_values(activations: Activations, ranking: Ranking) -> tuple[np.ndarray, np.ndarray]:
    """Values (float64) and label codes of the words that the ranking's probe learned from."""
    kept, _ = split_sentences(activations, LcaOptions(dev_share=0.02), ranking.provenance.seed, apart=False)
    layer = activations.layer("upos")
    rows = kept[activations.corpus.sentence_of_word] & (layer.codes >= 0) & activations.present
    return activations.values()[rows].astype(np.float64), layer.codes[rows]


def test_the_record_is_consistent(ranking: Ranking) -> None:
    assert ranking.labels == LABELS
    assert ranking.weights is not None
    assert ranking.label_scores == pytest.approx(np.abs(ranking.weights))
    assert ranking.n_ranked == int(ranking.weights.any(axis=0).sum())
    assert (np.diff(ranking.scores[ranking.order]) <= 0).all()
    assert ranking.details["cutoffs"][-1][1] == ranking.n_ranked
    assert ranking.provenance.parameters["standardize"] is False
    assert ranking.provenance.parameters["label"] == "upos"
    assert len(ranking.provenance.inputs) == 2
    chosen = (ranking.details["lambda1"], ranking.details["lambda2"])
    best = max(ranking.details["grid"], key=lambda row: row["score"])
    assert best["score"] == next(
        row["score"] for row in ranking.details["grid"] if (row["lambda1"], row["lambda2"]) == chosen
    )


def test_it_saves_and_loads(ranking: Ranking, tmp_path: Path) -> None:
    ranking.save(tmp_path / "lca.parquet")
    again = Ranking.load(tmp_path / "lca.parquet")
    assert again.order.tolist() == ranking.order.tolist()
    assert again.details == json.loads(json.dumps(ranking.details))


def test_evaluation(planted: Planted, ranking: Ranking) -> None:
    evaluation = ranking.details["evaluation"]
    held = plant(60, seed=1).activations
    codes = held.layer("upos").codes
    majority = np.bincount(planted.activations.layer("upos").codes).argmax()
    assert evaluation["majority"] == pytest.approx((codes == majority).mean())
    biases = np.array(ranking.details["biases"])
    assert ranking.weights is not None
    predicted = (held.values() @ ranking.weights.T + biases).argmax(axis=1)
    assert evaluation["full"]["accuracy"] == pytest.approx((predicted == codes).mean())
    assert evaluation["full"]["macro_f1"] == pytest.approx(f1_score(codes, predicted, average="macro"))
    assert evaluation["full"]["low"] <= evaluation["full"]["accuracy"] <= evaluation["full"]["high"]
    row = next(entry for entry in evaluation["masking"] if entry["keep"] == "bottom" and entry["share"] == 0.5)
    masked = held.values()
    masked[:, ranking.order[:16]] = 0.0
    predicted = (masked @ ranking.weights.T + biases).argmax(axis=1)
    assert row["accuracy"] == pytest.approx((predicted == codes).mean())
    by = {(entry["keep"], entry["share"]): entry["accuracy"] for entry in evaluation["retraining"]}
    assert by["top", 0.2] > 0.9 > by["bottom", 0.2]
    minimal = evaluation["minimal_set"]
    tried = {entry["neurons"]: entry for entry in minimal["tried"]}
    assert list(tried) == sorted(tried)
    assert tried[6]["accuracy"] == by["top", 0.2]
    least = evaluation["full"]["accuracy"] - 0.01
    enough = {count: entry["accuracy"] >= least for count, entry in tried.items()}
    assert minimal["delta"] == 0.01
    assert minimal["share"] == minimal["neurons"] / 32
    assert enough[minimal["neurons"]]
    assert not enough[minimal["neurons"] - 1]
    assert minimal["accuracy"] == tried[minimal["neurons"]]["accuracy"]
    assert evaluation["control"]["selectivity"] == pytest.approx(
        evaluation["full"]["accuracy"] - evaluation["control"]["accuracy"]
    )
    assert evaluation["control"]["accuracy"] < 0.6
    assert evaluation["test_words"] == 300
    assert evaluation["on"] == "dev"


@pytest.mark.parametrize(
    ("evaluate", "parts"),
    [
        ("masking", ["masking"]),
        (("minimal",), ["minimal_set"]),
        ("minimal,retraining", ["retraining", "minimal_set"]),
        (True, ["masking", "retraining", "minimal_set"]),
    ],
)
def test_only_the_named_parts_are_evaluated(planted: Planted, evaluate: object, parts: list[str]) -> None:
    opened = []

    @contextmanager
    def progress(description: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        done = []
        yield done.append
        opened.append(description)
        assert sum(done) == total

    evaluation = rank(
        "lca",
        planted.activations,
        label="upos",
        evaluate=evaluate,
        **{**QUICK, "lambda1": 1e-3, "lambda2": 1e-3},
        progress=progress,
    ).details["evaluation"]
    names = ("masking", "retraining", "minimal_set")
    assert [name for name in evaluation if name in names] == parts
    assert [name.replace(" ", "_") for name in opened if name.replace(" ", "_") in names] == parts
    assert evaluation["full"]["low"] <= evaluation["full"]["accuracy"] <= evaluation["full"]["high"]
    assert len(evaluation["full"]["labels"]) == len(LABELS)


@pytest.mark.parametrize("evaluate", ["none", False, (), []])
def test_nothing_is_evaluated_on_request(planted: Planted, evaluate: object) -> None:
    options = {"lambda1": 1e-2, "lambda2": 1e-2, "evaluate": evaluate}
    ranking = rank("lca", planted.activations, label="upos", **options)
    assert ranking.details["evaluation"] is None
    assert ranking.provenance.parameters["evaluate"] == []
    assert "accuracy" not in ranking.summary()


def test_retrained_probes_are_those_of_the_neurons_alone(planted: Planted, ranking: Ranking) -> None:
    """A probe that is solved beside others is as accurate as one that is solved from scratch."""
    held = plant(60, seed=1).activations
    train, test = (words.take(neurons=ranking.order[:6]) for words in (planted.activations, held))
    space = NeuronSpace(("a",), (6,))
    alone = rank(
        "lca",
        Activations.from_array(train, planted.activations.corpus, space),
        dev=Activations.from_array(test, held.corpus, space),
        label="upos",
        lambda1=ranking.details["lambda1"],
        lambda2=ranking.details["lambda2"],
        evaluate="masking",
    )
    row = next(entry for entry in ranking.details["evaluation"]["retraining"] if entry["keep"] == "top")
    assert row["neurons"] == 6
    expected = alone.details["evaluation"]["full"]["accuracy"]
    assert row["accuracy"] == pytest.approx(expected, abs=0.02)


def test_macro_f1_leaves_out_labels_that_do_not_occur() -> None:
    scores, occurring = label_scores(np.array([0, 1, 2, 1]), np.array([0, 1, 1, 0]), 4)
    assert occurring.tolist() == [2, 2, 0, 0]
    assert scores[:2].tolist() == pytest.approx([2 / 3, 1 / 2])
    assert np.isnan(scores[2:]).all()


def test_same_seed_same_bytes_and_held_out_sentences_are_drawn(planted: Planted) -> None:
    options = {**QUICK, "evaluate": False}
    first = rank("lca", planted.activations, label="upos", seed=3, **options)
    again = rank("lca", planted.activations, label="upos", seed=3, **options)
    assert first.weights is not None
    assert again.weights is not None
    assert first.weights.tobytes() == again.weights.tobytes()
    assert first.details == again.details
    assert first.details["dev"]["words"] == 80
    assert first.details["train"]["words"] == 720
    assert first.details["evaluation"] is None


def test_permuting_the_neurons_permutes_the_ranking(planted: Planted) -> None:
    one_pair = {**QUICK, "lambda1": 1e-2, "lambda2": 1e-3, "max_steps": 500, "evaluate": False}
    acts = planted.activations
    moved = np.random.default_rng(0).permutation(acts.n_neurons)
    other = Activations.from_array(acts.values()[:, moved], acts.corpus, acts.space)
    first = rank("lca", acts, label="upos", **one_pair)
    second = rank("lca", other, label="upos", **one_pair)
    assert first.weights is not None
    assert second.weights is not None
    assert second.weights == pytest.approx(first.weights[:, moved], abs=0.03)
    assert set(moved[second.order[:5]].tolist()) == set(first.order[:5].tolist())


def test_rare_unknown_and_missing_labels_are_left_out_and_counted() -> None:
    acts = plant(80).activations
    layer = acts.layer("upos")
    labels = layer.labels()
    labels[0], labels[1], labels[2] = None, "X", "X"
    changed = acts.with_corpus(acts.corpus.with_layer(LabelLayer.from_labels("upos", labels)))
    held = plant(30, seed=1).activations
    labels = held.layer("upos").labels()
    labels[0] = "Y"
    held = held.with_corpus(held.corpus.with_layer(LabelLayer.from_labels("upos", labels)))
    ranked = rank("lca", changed, label="upos", dev=held, evaluate=False, lambda1=0.01, lambda2=0.01)
    assert ranked.labels == LABELS
    assert ranked.details["train"]["labels_left_out"] == {"X": 2}
    assert ranked.details["train"]["left_out"] == {"unlabelled": 1, "rare_label": 2}
    assert ranked.details["dev"]["left_out"] == {"unlabelled": 0, "unknown_label": 1}


def test_max_words_takes_whole_sentences(planted: Planted) -> None:
    ranked = rank(
        "lca", planted.activations, label="upos", evaluate=False, lambda1=0.01, lambda2=0.01, max_words=203
    )
    assert ranked.details["train"]["words"] == 200


def test_refuses_activations_that_are_not_finite(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    values = planted.activations.values().copy()
    monkeypatch.setattr("onegrain.records.activations.BLOCK_BYTES", 50 * 4 * values.shape[1])
    values[7, 13], values[9, 2], values[-1, :3] = np.inf, np.nan, -np.inf
    broken = Activations.from_array(values, planted.activations.corpus, planted.activations.space)
    with pytest.raises(ParameterError, match=r"^5 activations .* layers.1:1 at word 7 \("):
        rank("lca", broken, label="upos", dev=plant(40, seed=1).activations)
    codes = planted.activations.layer("upos").codes.copy()
    codes[-1] = -1
    layer = LabelLayer("upos", codes, planted.activations.layer("upos").vocabulary)
    unlabelled = broken.with_corpus(replace(broken.corpus, layers={"upos": layer}))
    with pytest.raises(ParameterError, match=r"^2 activations"):
        rank("lca", unlabelled, label="upos", dev=plant(40, seed=1).activations)


def test_refuses_what_cannot_be_learned(planted: Planted) -> None:
    with pytest.raises(LabelError, match="no label layer 'xpos'"):
        rank("lca", planted.activations, label="xpos")
    with pytest.raises(LabelError, match="fewer than two labels with at least 10000 words"):
        rank("lca", planted.activations, label="upos", min_count=10_000)
    single = Corpus.from_sentences([["a", "b"]], {"upos": [["X", "Y"]]})
    with pytest.raises(ParameterError, match="one sentence cannot be split"):
        rank("lca", Activations.from_array(np.eye(2), single), label="upos", min_count=1)


def test_refuses_held_out_words_that_do_not_fit(planted: Planted) -> None:
    acts = planted.activations
    with pytest.raises(MismatchError, match="the training words themselves"):
        rank("lca", acts, label="upos", dev=acts)
    held = plant(20, seed=1).activations
    narrow = Activations.from_array(held.values()[:, :3], held.corpus)
    with pytest.raises(MismatchError, match="expected neurons of"):
        rank("lca", acts, label="upos", dev=narrow)
    strange = held.with_corpus(held.corpus.with_layer(LabelLayer.from_labels("upos", ["?"] * held.n_words)))
    with pytest.raises(LabelError, match="no held-out word"):
        rank("lca", acts, label="upos", dev=strange)
    first, second = plant(20, model="a").activations, plant(20, seed=1, model="b").activations
    with pytest.raises(MismatchError, match="different models"):
        rank("lca", first, label="upos", dev=second)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"lambda1": (-1e-3,)}, "lambda1 must be 0 or more"),
        ({"evaluate": "masking,guessing"}, "evaluate must be some of masking, retraining, minimal, or none"),
        ({"evaluate": 3}, "evaluate must be some of"),
        ({"lambda2": "strong"}, "lambda2 must be a number"),
        ({"lambda1": ()}, "lambda1 needs at least one value"),
        ({"search_share": 0.0}, "search_share"),
        ({"masking_shares": (20,)}, "masking_shares"),
        ({"tolerance": 0.0}, "tolerance"),
        ({"min_count": 2.5}, "min_count"),
        ({"max_words": 2}, "less than one sentence"),
    ],
)
def test_refuses_impossible_parameters(planted: Planted, parameters: dict, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        rank("lca", planted.activations, label="upos", **parameters)


def test_planted_roles_are_disjoint() -> None:
    planted = plant(20)
    roles = [*planted.exclusive.values(), planted.shared, *planted.copies, *planted.weak, *planted.loud]
    roles += [*planted.noise, *planted.constant]
    assert sorted(roles) == list(range(32))
    assert replace(planted).activations.space == NeuronSpace(("layers.0", "layers.1"), (12, 20))
    assert labelled_corpus(20).content_hash == planted.activations.corpus.content_hash
