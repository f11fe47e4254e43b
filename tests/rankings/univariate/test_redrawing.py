"""Draws of a ranking from counts: each is the ranking of sentences that are really repeated."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import onegrain as og
from onegrain.errors import MismatchError
from onegrain.evaluation.draws import DRAWERS, draw_sentences
from onegrain.rankings import METHODS
from onegrain.rankings.redrawing import Redrawer, Redrawing
from onegrain.rankings.univariate.counting.cells import Cells
from onegrain.rankings.univariate.counting.grouped_words import labelled_words
from support.planted import plant
from support.repeated import repeated

PLANTED = plant(120)
ACTS = PLANTED.activations
COUNTED: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name, entry in METHODS.items() if entry.counting is not None),
    ("average-precision", {"exact": True}),
    ("auroc", {"exact": True}),
    ("probeless", {"standardize": True}),
    ("mean", {}),
    ("mean", {"absolute": True}),
    ("std", {}),
]


def ranked(name: str, activations: og.Activations, **parameters: Any) -> og.Ranking:
    label = {"label": "upos"} if METHODS[name].needs_label else {}
    return og.rank(name, activations, **label, **parameters)


def redrawer_of(ranking: og.Ranking, activations: og.Activations = ACTS) -> Redrawer:
    redraw = METHODS[ranking.method].redraw
    assert redraw is not None
    return redraw(Redrawing(ranking, activations))


@pytest.mark.parametrize(("name", "parameters"), COUNTED)
def test_a_draw_with_every_sentence_once_is_the_ranking(name: str, parameters: dict[str, Any]) -> None:
    ranking = ranked(name, ACTS, **parameters)
    redrawer = redrawer_of(ranking)
    (order,) = redrawer.orders(np.ones((1, redrawer.words.n_sentences), dtype=np.int64))
    np.testing.assert_allclose(order.scores, ranking.scores, rtol=1e-12)
    assert order.order.tolist() == ranking.order.tolist()
    assert order.n_ranked == ranking.n_ranked
    if ranking.label_scores is None:
        assert order.label_scores is None
    else:
        np.testing.assert_allclose(order.label_scores, ranking.label_scores, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("kind", ["bootstrap", "halves"])
@pytest.mark.parametrize(("name", "parameters"), COUNTED)
def test_a_draw_is_the_ranking_of_sentences_that_are_really_repeated(
    name: str, parameters: dict[str, Any], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranking = ranked(name, ACTS, **parameters)
    redrawer = redrawer_of(ranking)
    rngs = [np.random.default_rng(seed) for seed in range(2)]
    draws = [part for rng in rngs for part in draw_sentences(redrawer.words, DRAWERS[kind], rng)[0]]
    orders = redrawer.orders(np.stack(draws))
    all_cells = Cells.of(labelled_words(ACTS, "upos", min_count=10), slice(0, ACTS.n_neurons))
    monkeypatch.setattr(Cells, "of", lambda words, neurons, ahead=True: part_of(all_cells, neurons))
    assert redrawer.words.n_sentences == ACTS.corpus.n_sentences
    for often, order in zip(draws, orders, strict=True):
        expected = ranked(name, repeated(ACTS, often), **parameters)
        np.testing.assert_allclose(order.scores, expected.scores, rtol=1e-9, atol=1e-12)
        assert order.n_ranked == expected.n_ranked
        assert order.order.tolist() == expected.order.tolist()
        if expected.label_scores is not None:
            np.testing.assert_allclose(order.label_scores, expected.label_scores, rtol=1e-9, atol=1e-12)


def part_of(cells: Cells, neurons: slice) -> Cells:
    return Cells(cells.middle[neurons], cells.unit[neurons], cells.exponent[neurons])


def test_ranges_of_neurons_and_threads_do_not_change_a_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    ranking = ranked("mutual-information", ACTS)
    redrawer = redrawer_of(ranking)
    draws = np.random.default_rng(0).integers(0, 3, (3, redrawer.words.n_sentences))
    once = redrawer.orders(draws)
    monkeypatch.setattr("onegrain.rankings.univariate.counting.drawn.NEURONS", 5)
    for order, again in zip(once, redrawer.orders(draws), strict=True):
        np.testing.assert_array_equal(order.scores, again.scores)


def test_a_neuron_that_a_draw_makes_constant_is_not_ranked_there() -> None:
    values = ACTS.values().copy()
    first = ACTS.corpus.sentence_of_word == 0
    values[:, 3] = np.where(first, values[:, 3], np.float32(0.7))
    acts = og.Activations.from_array(values, ACTS.corpus, ACTS.space)
    ranking = ranked("f-statistic", acts)
    redrawer = redrawer_of(ranking, acts)
    often = np.ones((2, redrawer.words.n_sentences), dtype=np.int64)
    often[1, 0] = 0
    with_it, without = redrawer.orders(often)
    assert with_it.n_ranked == without.n_ranked + 1
    assert np.isfinite(with_it.scores[3])
    assert np.isnan(without.scores[3])


@pytest.mark.parametrize("name", ["probeless", "auroc", "std"])
def test_the_record_of_a_method_without_a_seed_has_two_kinds(name: str, tmp_path: Any) -> None:
    record = og.stability(ranked(name, ACTS), ACTS, resamples=4, k=(3, 9))
    assert record.kinds == ("bootstrap", "halves")
    assert record.details["orders"] == {"bootstrap": 4, "halves": 8}
    assert record.details["largest_gap"] == {"bootstrap": None, "halves": None}
    record.save(tmp_path / "s.parquet")
    loaded = og.Stability.load(tmp_path / "s.parquet")
    assert loaded.kinds == record.kinds
    assert loaded.neurons.to_dict("list") == record.neurons.to_dict("list")
    assert loaded.summary()["orders"] == ["4 bootstrap", "8 halves"]
    informative = set(np.argsort(ranked(name, ACTS).positions())[:3].tolist())
    first = set(record.of("bootstrap").sort_values("median")["neuron"][:3].tolist())
    assert len(informative & first) >= 2


def test_other_values_are_refused() -> None:
    ranking = ranked("probeless", ACTS)
    other = replace(ACTS, array=ACTS.values() * np.float32(2.0))
    with pytest.raises(MismatchError, match="values: its scores"):
        og.stability(ranking, other, resamples=2)
