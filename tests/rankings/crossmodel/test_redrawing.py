"""Draws of rankings that compare models: each is the ranking of sentences that are really repeated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import onegrain as og
from onegrain.errors import MismatchError, ParameterError
from onegrain.evaluation.draws import DRAWERS, draw_sentences
from onegrain.rankings import METHODS
from onegrain.rankings.crossmodel.sums import drawn
from onegrain.rankings.redrawing import Redrawer, Redrawing
from support.repeated import repeated

SPACE = og.NeuronSpace(("layers.0", "layers.1"), (5, 4))
COMPARED: list[tuple[str, dict[str, Any], float]] = [
    ("maxcorr", {}, 1e-5),
    ("maxcorr", {"signed": True, "compare": "same-site"}, 1e-5),
    ("mincorr", {}, 1e-5),
    ("linreg", {}, 1e-9),
    ("linreg", {"reduce": "mean", "compare": "same-site"}, 1e-9),
]


def models(sentences: int = 40, length: int = 6) -> list[og.Activations]:
    """Return three models that share what some neurons respond to, with a large mean and a constant neuron."""
    rng = np.random.default_rng(4)
    corpus = og.Corpus.from_sentences([[f"w{s}.{w}" for w in range(length)] for s in range(sentences)])
    shared = rng.normal(size=(corpus.n_words, SPACE.size))
    activations = []
    for number in range(3):
        noise = rng.normal(size=shared.shape) * np.linspace(0.2, 3.0, SPACE.size)
        values = (shared @ rng.permutation(np.eye(SPACE.size)) + noise).astype(np.float32)
        values[:, 2] += 100.0 * number
        values[:, 6] = 0.5
        activations.append(og.Activations.from_array(values, corpus, SPACE))
    return activations


MODELS = models()


def ranked(name: str, activations: list[og.Activations], **parameters: Any) -> og.Ranking:
    return og.rank(name, activations[0], others=activations[1:], **parameters)


def redrawer_of(ranking: og.Ranking, **more: Any) -> Redrawer:
    redraw = METHODS[ranking.method].redraw
    assert redraw is not None
    return redraw(Redrawing(ranking, MODELS[0], tuple(MODELS[1:]), **more))


@pytest.mark.parametrize(("name", "parameters", "precision"), COMPARED)
def test_a_draw_with_every_sentence_once_is_the_ranking(
    name: str, parameters: dict[str, Any], precision: float
) -> None:
    ranking = ranked(name, MODELS, **parameters)
    redrawer = redrawer_of(ranking)
    (order,) = redrawer.orders(np.ones((1, redrawer.words.n_sentences), dtype=np.int64))
    np.testing.assert_allclose(order.scores, ranking.scores, atol=precision)
    assert order.order.tolist() == ranking.order.tolist()
    assert order.n_ranked == ranking.n_ranked == SPACE.size - 1
    assert redrawer.changing.sum() == SPACE.size - 1


@pytest.mark.parametrize("kind", ["bootstrap", "halves"])
@pytest.mark.parametrize(("name", "parameters", "precision"), COMPARED)
def test_a_draw_is_the_ranking_of_sentences_that_are_really_repeated(
    name: str, parameters: dict[str, Any], precision: float, kind: str
) -> None:
    redrawer = redrawer_of(ranked(name, MODELS, **parameters))
    rngs = [np.random.default_rng(seed) for seed in range(2)]
    draws = [part for rng in rngs for part in draw_sentences(redrawer.words, DRAWERS[kind], rng)[0]]
    for often, order in zip(draws, redrawer.orders(np.stack(draws)), strict=True):
        expected = ranked(name, [repeated(model, often) for model in MODELS], **parameters)
        np.testing.assert_allclose(order.scores, expected.scores, atol=precision)
        assert order.order.tolist() == expected.order.tolist()


def test_groups_of_draws_do_not_change_a_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    redrawer = redrawer_of(ranked("maxcorr", MODELS))
    draws = np.random.default_rng(0).integers(0, 3, (5, redrawer.words.n_sentences))
    draws[0] = 0
    draws[0, ::2] = 1
    draws[4] = 1 - draws[0]
    together = redrawer.orders(draws)
    monkeypatch.setattr(drawn, "ROOM", 3 * 4 * 2 * SPACE.size**2)
    for order, again in zip(together, redrawer.orders(draws), strict=True):
        np.testing.assert_allclose(order.scores, again.scores, atol=1e-5)


def test_the_record_compares_halves_of_the_sentences() -> None:
    ranking = ranked("maxcorr", MODELS)
    record = og.stability(ranking, MODELS[0], others=MODELS[1:], resamples=4, k=(3,))
    assert record.kinds == ("bootstrap", "halves")
    assert record.labels == ()
    assert record.at("bootstrap")["phi"].item() > 0.5
    assert record.details["constant"] == 1


def test_other_models_and_impossible_requests_are_refused() -> None:
    ranking = ranked("maxcorr", MODELS)
    with pytest.raises(ParameterError, match="give the other models"):
        og.stability(ranking, MODELS[0])
    with pytest.raises(MismatchError, match="compares 2 other models, but 1"):
        og.stability(ranking, MODELS[0], others=MODELS[1:2])
    other = models(41)
    with pytest.raises(MismatchError, match="words"):
        og.stability(ranking, other[0], others=other[1:])
    with pytest.raises(MismatchError, match="values"):
        og.stability(ranking, MODELS[0], others=[MODELS[1], MODELS[1]], resamples=2)
    with pytest.raises(ParameterError, match="takes no tolerance"):
        og.stability(ranking, MODELS[0], others=MODELS[1:], tolerance=0.1)
    excess = ranked("maxcorr", MODELS, null="permutation", score="excess", draws=2)
    with pytest.raises(ParameterError, match="score=correlation"):
        og.stability(excess, MODELS[0], others=MODELS[1:])
    short = [og.Activations.from_array(model.values()[:12], model.corpus.head(2), SPACE) for model in MODELS]
    with pytest.raises(ParameterError, match="different words, and linreg needs at least 11"):
        og.stability(ranked("linreg", short), short[0], others=short[1:], resamples=2)
