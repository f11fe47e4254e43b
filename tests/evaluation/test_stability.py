"""Stability of an LCA ranking: planted neurons keep their places, noise does not; a draw is what it says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import onegrain as og
from onegrain.errors import MismatchError, ParameterError, RecordError
from onegrain.evaluation.draws import DRAWERS, DrawnOrders, draw_sentences
from onegrain.rankings.data.labelled import LabelledWords
from onegrain.rankings.data.memory import Memory
from onegrain.rankings.elastic_net import solver, stochastic
from onegrain.rankings.elastic_net.probe import ProbeSolver
from onegrain.rankings.elastic_net.problem import Penalties
from onegrain.rankings.lca.ordering import order_neurons
from onegrain.rankings.lca.redrawing import ProbeRedrawer
from onegrain.rankings.lca.source_words import training_words
from onegrain.rankings.redrawing import Order, Redrawing
from onegrain.records.corpus import LabelLayer
from onegrain.records.provenance import ModelIdentity
from onegrain.records.stability import KINDS

CLEAR = og.PlantedNeurons(exclusive=2, copies=0, weak=0, noise=40)
NOTHING = og.PlantedNeurons(noise=60)


def ranked(activations: og.Activations, **parameters: Any) -> og.Ranking:
    options = {"lambda1": 0.01, "lambda2": 0.01, "standardize": True, "evaluate": False, **parameters}
    return og.rank("lca", activations, label="upos", **options)


@pytest.fixture(scope="module")
def strong() -> tuple[og.Planted, og.Ranking, og.Stability]:
    """Nine neurons that carry labels clearly, among 40 of noise, with penalties that let noise in."""
    planted = og.planted(200, strength=3.0, neurons=CLEAR, seed=1)
    ranking = ranked(planted.activations, lambda1=1e-3)
    return planted, ranking, og.stability(ranking, planted.activations, resamples=20, k=(4, 9, 20))


def test_what_is_planted_keeps_its_places(strong: tuple[og.Planted, og.Ranking, og.Stability]) -> None:
    planted, ranking, record = strong
    informative = set(planted.indices("exclusive", "shared").tolist())
    assert set(ranking.order[:9].tolist()) == informative
    for kind in KINDS:
        nine = record.at(kind).set_index("k").loc[9]
        assert nine["phi"] > 0.95
        assert nine["jaccard"] > 0.95
        assert nine["size"] == 9.0
        rows = record.of(kind)
        assert rows["neuron"].tolist() == ranking.order.tolist()
        assert rows["rank"].tolist() == list(range(1, 54))
        top = rows[rows["neuron"].isin(informative)]
        assert (top["top:9"] > 0.9).all()
        assert (top["ranked"] == 1.0).all()
        assert (top["median"] <= 9).all()
        assert (rows.iloc[9:]["top:9"] < 0.2).all()
    first = record.of("bootstrap").head(9)
    assert ((first["low"] <= first["rank"]) & (first["rank"] <= first["high"])).all()
    assert (first["high"] - first["low"] <= 8).all()
    assert record.at("halves").set_index("k").loc[20, "phi"] < 0.7


def test_each_labels_own_order_is_told_of(strong: tuple[og.Planted, og.Ranking, og.Stability]) -> None:
    planted, ranking, record = strong
    assert record.labels == ranking.labels
    for label in ranking.labels:
        rows = record.at("halves", label)
        assert rows["k"].tolist() == [4, 9, 20]
        assert rows["phi"].max() > 0.5
    shared = {"ADJ", "DET"}
    two = og.stability(ranking, planted.activations, resamples=4, k=(2,))
    for label in set(ranking.labels) - shared:
        assert two.at("bootstrap", label)["phi"].item() == 1.0


def test_noise_agrees_with_itself_on_the_same_sentences_but_not_on_others() -> None:
    """Halves share no sentence, so their Phi is about 0; bootstrap draws share most, and so their accidents."""
    halves, boot, spearman = [], [], []
    for seed in range(8):
        planted = og.planted(200, strength=0.0, neurons=NOTHING, seed=seed)
        stable = og.stability(ranked(planted.activations, lambda1=0.005), planted.activations, k=(5, 10, 20))
        halves.append(stable.at("halves")["phi"])
        boot.append(stable.at("bootstrap")["phi"])
        spearman.append(stable.correlations["halves"]["spearman"])
    assert np.abs(np.mean(halves, axis=0)).max() < 0.05
    assert abs(np.mean(spearman)) < 0.05
    assert (np.mean(boot, axis=0) < 0.3).all()
    assert np.mean(boot) > np.mean(halves)


@pytest.mark.parametrize("kind", ["bootstrap", "halves"])
@pytest.mark.parametrize("standardize", [False, True])
def test_a_draw_is_the_probe_of_sentences_that_are_really_repeated(kind: str, standardize: bool) -> None:
    planted = og.planted(80, strength=1.0, seed=3)
    ranking = ranked(planted.activations, lambda1=3e-3, polish=1e-6, standardize=standardize, min_count=1)
    words = training_words(ranking, planted.activations, Memory())
    redrawer = ProbeRedrawer(Redrawing(ranking, planted.activations, tolerance=1e-6))
    counts = draw_sentences(redrawer.words, DRAWERS[kind], np.random.default_rng(5))[0][0]
    assert counts.max() == 1 if kind == "halves" else counts.max() > 1
    rows = np.concatenate(
        [
            np.flatnonzero(redrawer.words.number == sentence)
            for sentence in np.repeat(np.arange(len(counts)), counts)
        ]
    )
    repeated = LabelledWords(
        words.values[rows], words.codes[rows], np.zeros(len(rows), dtype=np.int64), words.labels, {}
    )
    penalties = Penalties(np.array([3e-3]), np.array([0.01]))
    (expected,), _ = ProbeSolver(repeated).solve(penalties, 1e-6)
    (order,) = redrawer.orders(counts[None])
    assert order.converged
    assert order.label_scores == pytest.approx(np.abs(expected.weights), abs=1e-3)
    top = order_neurons(expected.weights).order[:6]
    assert order.order[:6].tolist() == top.tolist()


def test_another_seed_moves_a_ranking_by_what_the_tolerance_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    planted = og.planted(120, strength=1.0, seed=4)
    ranking = ranked(planted.activations, lambda1=1e-3)
    still = og.stability(ranking, planted.activations, resamples=4, k=(5, 20))
    assert still.correlations["seeds"]["spearman"] == pytest.approx(1.0)
    monkeypatch.setattr(solver, "SMALL", 0)
    monkeypatch.setattr(solver, "ALONE_EPOCHS", 0)
    monkeypatch.setattr(stochastic, "EPOCH_WORDS", 0)
    loose, tight = (
        og.stability(ranking, planted.activations, resamples=4, k=(5, 20), tolerance=gap) for gap in (1.0, 1e-6)
    )
    assert loose.correlations["seeds"]["spearman"] < 1.0
    assert tight.correlations["seeds"]["spearman"] > max(0.999, loose.correlations["seeds"]["spearman"])
    assert (tight.at("seeds")["jaccard"] > 0.95).all()


def test_the_same_seed_gives_the_same_bytes_and_more_draws_begin_with_the_same(tmp_path: Path) -> None:
    planted = og.planted(60, strength=1.0, seed=2)
    ranking = ranked(planted.activations)
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        og.stability(ranking, planted.activations, resamples=3, seed=seed).save(tmp_path / name)
    first, again, other = ((tmp_path / name).read_bytes() for name in "abc")
    assert first == again
    assert first != other
    redrawer = ProbeRedrawer(Redrawing(ranking, planted.activations, tolerance=1e-6))
    draws = [
        counts
        for draw in range(3)
        for counts in draw_sentences(redrawer.words, DRAWERS["halves"], np.random.default_rng([0, 1, draw]))[0]
    ]
    two, three = (redrawer.orders(np.stack(draws[:size])) for size in (4, 6))
    for order, same in zip(two, three, strict=False):
        assert order.order.tolist() == same.order.tolist()
    assert (draws[0] + draws[1] == 1).all()


def test_a_saved_record_is_loaded_as_it_was(tmp_path: Path) -> None:
    planted = og.planted(60, strength=1.0, seed=2)
    stable = og.stability(ranked(planted.activations), planted.activations, resamples=2, level=0.9)
    stable.save(tmp_path / "stability.parquet")
    loaded = og.Stability.load(tmp_path / "stability.parquet")
    assert loaded.neurons.to_dict("list") == stable.neurons.to_dict("list")
    np.testing.assert_equal(loaded.likeness.to_dict("list"), stable.likeness.to_dict("list"))
    assert loaded.likeness.dtypes.tolist() == stable.likeness.dtypes.tolist()
    for name in ("method", "space", "correlations", "level", "details", "provenance", "ks", "labels"):
        assert getattr(loaded, name) == getattr(stable, name), name
    assert stable.ks == (2, 3, 6, 10, 20)
    assert stable.provenance.inputs[0].stage == "rank"
    with pytest.raises(RecordError, match="not a ranking"):
        og.Ranking.load(tmp_path / "stability.parquet")
    with pytest.raises(ParameterError, match="ADJ"):
        loaded.at("halves", "NONE")
    assert loaded.kinds == KINDS
    with pytest.raises(ParameterError, match="bootstrap, halves, seeds"):
        loaded.of("thirds")


def test_the_words_are_those_that_the_ranking_was_trained_on(tmp_path: Path) -> None:
    """Whether dev or test was given, and a part of the words only: the record's counts of words tell."""
    planted = og.planted(80, strength=2.0, seed=4)
    held = og.planted(30, strength=2.0, seed=4, words_seed=9).activations
    rankings = (
        (360, ranked(planted.activations)),
        (400, ranked(planted.activations, dev=held)),
        (360, ranked(planted.activations, test=held, seed=3)),
        (150, ranked(planted.activations, dev=held, max_words=150)),
    )
    for words, ranking in rankings:
        ranking.save(tmp_path / "ranking.parquet", force=True)
        again = og.Ranking.load(tmp_path / "ranking.parquet")
        assert len(training_words(again, planted.activations, Memory())) == words


def test_a_label_that_a_draw_loses_means_another_draw() -> None:
    planted = og.planted(60, strength=1.0, seed=5)
    labels = planted.activations.layer("upos").labels()
    labels[7] = labels[31] = "RARE"
    corpus = planted.activations.corpus.with_layer(LabelLayer.from_labels("upos", labels))
    activations = planted.activations.with_corpus(corpus)
    held = og.planted(30, strength=1.0, seed=5, words_seed=9).activations
    ranking = ranked(activations, min_count=1, dev=held)
    stable = og.stability(ranking, activations, resamples=10)
    assert stable.labels == ("ADJ", "DET", "NOUN", "RARE", "VERB")
    redrawn = stable.details["redrawn"]
    assert min(redrawn["bootstrap"], redrawn["halves"]) > 0 == redrawn["seeds"]
    labels[31] = "NOUN"
    once = activations.with_corpus(corpus.with_layer(LabelLayer.from_labels("upos", labels)))
    with pytest.raises(ParameterError, match=r"RARE.*min_count"):
        og.stability(ranked(once, min_count=1, dev=held), once, resamples=2)


def test_other_activations_are_refused() -> None:
    planted = og.planted(60, strength=1.0, seed=2)
    acts, ranking = planted.activations, ranked(planted.activations)
    labels = acts.layer("upos").labels()
    labels[0], labels[1] = "NOUN", "NOUN"
    model = ModelIdentity(id="other", architecture="x", weight_hash="ab")
    others = {
        "neurons": og.planted(60, neurons=CLEAR, seed=2).activations,
        "words": og.planted(60, strength=1.0, seed=8).activations,
        "model or parameters": replace(acts, provenance=acts.provenance.model_copy(update={"model": model})),
        "labels": acts.with_corpus(acts.corpus.with_layer(LabelLayer.from_labels("upos", labels))),
        "values": replace(acts, array=acts.values() * np.float32(1.5) + np.float32(0.5)),
    }
    plain = ranked(acts, standardize=False)
    for what, activations in others.items():
        with pytest.raises(MismatchError, match=what):
            og.stability(plain, activations, resamples=2)
    assert ranking.space == acts.space


def test_impossible_requests_are_refused() -> None:
    planted = og.planted(60, strength=1.0, seed=2)
    acts, ranking = planted.activations, ranked(planted.activations)
    for options, what in (
        ({"resamples": 1}, "resamples"),
        ({"seed": -1}, "seed"),
        ({"level": 1.0}, "level"),
        ({"tolerance": 0.0}, "tolerance"),
        ({"k": (0,)}, "k must be"),
        ({"k": (33,)}, "k must be"),
        ({"k": ()}, "k must be"),
    ):
        with pytest.raises(ParameterError, match=what):
            og.stability(ranking, acts, **options)
    with pytest.raises(ParameterError, match=r"random cannot be made again.*methods.*are: lca, .*probeless"):
        og.stability(og.rank("random", acts), acts)
    with pytest.raises(ParameterError, match="the complete ranking"):
        og.stability(ranking.label("NOUN"), acts)
    with pytest.raises(ParameterError, match="lca takes no others"):
        og.stability(ranking, acts, others=[acts])


def test_neurons_of_equal_weight_stand_as_in_the_ranking() -> None:
    """Before, a label's top of equal neurons were those of the lowest index: the first layer."""
    weights = np.zeros((2, 40))
    weights[0], weights[1, 10:] = 1.0, -2.0
    ordering = order_neurons(weights, seed=6)
    ranking = og.Ranking(
        method="lca",
        space=og.NeuronSpace(("layers.0", "layers.1"), (20, 20)),
        order=ordering.order,
        scores=ordering.scores,
        n_ranked=40,
        provenance=og.Provenance(stage="rank", seed=6),
        layer="tag",
        labels=("A", "B"),
        label_scores=np.abs(weights),
        weights=weights,
    )
    order = Order(ordering.order, ordering.n_ranked, ordering.scores, np.abs(weights))
    more = {"changing": np.ones(40, dtype=bool), "pairs": None}
    drawn = DrawnOrders.of([order], ("A", "B"), 10, 6, **more)
    assert np.argsort(drawn.ranks[0]).tolist() == ranking.order.tolist()
    assert drawn.ranked.all()
    for top, label in zip(drawn.tops[0], "AB", strict=True):
        assert top.tolist() == ranking.label(label).order[:10].tolist()
    assert set(drawn.tops[0, 0].tolist()) != set(range(10))
    assert set(drawn.tops[0, 0].tolist()) != set(drawn.tops[0, 1].tolist())
    assert drawn.tops.tolist() != DrawnOrders.of([order], ("A", "B"), 10, 7, **more).tops.tolist()


def test_the_order_of_equal_neurons_is_drawn_from_the_rankings_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    acts = og.planted(30, strength=3.0, neurons=CLEAR, seed=1).activations
    ranking, seeds = ranked(acts, seed=5), []
    original = DrawnOrders.of

    def spied(orders: Any, labels: tuple[str, ...], most: int, seed: int, **more: Any) -> DrawnOrders:
        seeds.append((labels, seed))
        return original(orders, labels, most, seed, **more)

    monkeypatch.setattr(DrawnOrders, "of", spied)
    og.stability(ranking, acts, resamples=2, k=(2,), seed=9)
    assert seeds == [(ranking.labels, 5)] * len(KINDS)
