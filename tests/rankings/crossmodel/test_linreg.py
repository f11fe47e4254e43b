"""LinReg: against numpy's least squares, on planted mixtures, over shards and tiles, and on what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import psutil
import pytest

from onegrain.errors import MismatchError, ParameterError
from onegrain.rankings import rank
from onegrain.records.activations import Activations
from onegrain.records.space import NeuronSpace
from support.stores import centred, changed, store

HALVES = {"layers.0": slice(0, 3), "layers.1": slice(3, 7)}


def by_lstsq(subject: Activations, other: Activations, site: str | None = None) -> np.ndarray:
    """R^2 of each neuron (of a site) by numpy, float64, with an intercept."""
    x, y = centred(subject, site), (other if site is None else other.restrict(site)).values().astype(np.float64)
    inputs = np.column_stack([y - y.mean(axis=0), np.ones(len(y))])
    inputs[:, :-1] /= np.maximum(inputs[:, :-1].std(axis=0), 1e-300)
    solution = np.linalg.lstsq(inputs, x, rcond=1e-6)[0]
    return 1.0 - ((x - inputs @ solution) ** 2).sum(axis=0) / (x**2).sum(axis=0)


@pytest.mark.parametrize(("reduce", "by"), [("worst", np.min), ("best", np.max), ("mean", np.mean)])
def test_equals_lstsq(reduce: str, by) -> None:
    subject, others = store(0), [store(1), store(2)]
    ranking = rank("linreg", subject, others=others, reduce=reduce)
    expected = np.stack([by_lstsq(subject, other) for other in others])
    assert np.array(ranking.details["r2"]) == pytest.approx(expected, abs=1e-12)
    assert ranking.scores == pytest.approx(by(expected, axis=0), abs=1e-12)
    assert ranking.order.tolist() == np.argsort(-by(expected, axis=0), kind="stable").tolist()
    assert ranking.details["models"] == ["model-1", "model-2"]
    assert ranking.details["rank"] == [[7], [7]]


def test_same_site_predicts_like_from_like() -> None:
    subject, other = store(0), store(1)
    ranking = rank("linreg", subject, others=[other], compare="same-site")
    expected = np.concatenate([by_lstsq(subject, other, site) for site in HALVES])
    assert ranking.scores == pytest.approx(expected, abs=1e-12)
    assert ranking.details["rank"] == [[3, 4]]


def test_means_that_are_large_beside_the_deviations_cost_no_digits() -> None:
    subject, other = store(0), store(1)
    shrunk = [changed(acts, 1e4 + 1e-2 * acts.values()) for acts in (subject, other)]
    mixed = other.values() * np.array([1, 1e-6, 1, 1e5, 1, 1, 1]) + np.array([0, 0, 1e3, 0, 0, 0, 1e-3])
    for acts in (shrunk[1], changed(other, mixed)):
        ranking = rank("linreg", shrunk[0], others=[acts])
        assert ranking.scores == pytest.approx(by_lstsq(shrunk[0], acts), abs=1e-5)
        assert 0.05 < ranking.scores.min() < ranking.scores.max() < 0.95


def test_a_planted_mixture_is_found_and_pure_noise_is_not() -> None:
    subject, other = store(0, common=0), store(1, common=0)
    values = subject.values().copy()
    values[:, 2] = 5.0 + other.values() @ np.array([1, -2, 0, 3, 0, 0.5, 1])
    values[:, 5] += other.values()[:, :4].sum(axis=1)
    ranking = rank("linreg", changed(subject, values), others=[other])
    assert ranking.order[:2].tolist() == [2, 5]
    assert ranking.scores[2] == pytest.approx(1.0, abs=1e-10)
    assert 0.6 < ranking.scores[5] < 0.95
    assert ranking.scores[[0, 1, 3, 4, 6]].max() < 4 * 7 / subject.n_words


def test_neurons_that_depend_on_each_other_count_once() -> None:
    subject, other = store(0), store(1)
    values = other.values().copy()
    values[:, 5], values[:, 6] = values[:, 0], 2.0 * values[:, 1]
    ranking = rank("linreg", subject, others=[changed(other, values)])
    assert ranking.details["rank"] == [[5]]
    assert ranking.scores == pytest.approx(by_lstsq(subject, changed(other, values)), abs=1e-9)


def test_constant_neurons_have_no_score_come_last_and_predict_nothing() -> None:
    subject, other = store(0), store(1)
    values, theirs = subject.values().copy(), other.values().copy()
    values[:, [1, 4]], theirs[:, 3] = (0.1, 0.0), 0.3
    ranking = rank("linreg", changed(subject, values), others=[changed(other, theirs), store(2)])
    assert ranking.order[-2:].tolist() == [1, 4]
    assert np.isnan(ranking.scores[[1, 4]]).all()
    assert (ranking.n_ranked, ranking.details["constant"]) == (5, 2)
    assert ranking.details["constant_in_others"] == [1, 0]
    assert ranking.details["r2"][0][1] is None
    assert ranking.details["rank"] == [[6], [7]]
    still = changed(other, np.ones_like(theirs))
    assert rank("linreg", subject, others=[still]).scores.tolist() == [0.0] * 7


@pytest.mark.parametrize(("rows", "shard", "room"), [(1, 3, 16), (7, 14, 16 * 14 * 2), (64, 64, 2**20)])
def test_blocks_shards_tiles_and_model_by_model_change_nothing(
    monkeypatch: pytest.MonkeyPatch, rows: int, shard: int, room: int
) -> None:
    subject, others = store(0, offset=300.0), [store(1), store(2)]
    expected = rank("linreg", subject, others=others)
    monkeypatch.setattr("onegrain.rankings.data.blocks.BLOCK_ROWS", rows)
    monkeypatch.setattr("onegrain.rankings.crossmodel.sums.passes.SHARD_ROWS", shard)
    monkeypatch.setattr("onegrain.rankings.crossmodel.sums.passes.ROOM", room)
    ranking = rank("linreg", subject, others=others)
    assert ranking.scores == pytest.approx(expected.scores, abs=1e-11)
    assert ranking.details["rank"] == expected.details["rank"]
    monkeypatch.setattr("onegrain.rankings.crossmodel.sums.passes.Passes.has_room", lambda passes, size: False)
    monkeypatch.setattr("onegrain.rankings.crossmodel.sums.passes.Passes.require_room", lambda *arguments: None)
    assert rank("linreg", subject, others=others).scores == pytest.approx(expected.scores, abs=1e-11)


def test_permuting_neurons_or_words_and_turning_the_other_model_change_nothing_else() -> None:
    subject, other = store(0), store(1)
    rng = np.random.default_rng(0)
    moved, words = rng.permutation(7), rng.permutation(subject.n_words)
    expected = rank("linreg", subject, others=[other]).scores
    neurons = rank("linreg", changed(subject, subject.values()[:, moved]), others=[other]).scores
    rows = rank(
        "linreg", changed(subject, subject.values()[words]), others=[changed(other, other.values()[words])]
    )
    turned = rank("linreg", subject, others=[changed(other, other.values() @ rng.normal(size=(7, 7)))])
    assert neurons == pytest.approx(expected[moved], abs=1e-12)
    assert rows.scores == pytest.approx(expected, abs=1e-12)
    assert turned.scores == pytest.approx(expected, abs=1e-6)


def test_a_budget_is_kept_or_refused() -> None:
    subject, other = store(0), store(1)
    expected = rank("linreg", subject, others=[other]).scores
    room = psutil.Process().memory_info().rss + 2**28
    assert rank("linreg", subject, others=[other], memory=room).scores.tolist() == expected.tolist()
    wide = NeuronSpace(("layers.0",), (1000,))
    big = [store(seed, sentences=220, space=wide, common=0) for seed in (0, 1)]
    tight = psutil.Process().memory_info().rss + 2**24
    with pytest.raises(
        ParameterError, match=r"predicting neurons .* needs \d+ MiB; restrict the sites, or give"
    ):
        rank("linreg", big[0], others=big[1:], memory=tight)


def naive_draws(x: np.ndarray, y: np.ndarray, sentence: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """R^2 of one fit to all words, of words that are really repeated, draw by draw."""
    inputs = np.column_stack([y, np.ones(len(y))])
    predicted = inputs @ np.linalg.lstsq(inputs, x, rcond=None)[0]
    n_sentences = sentence.max() + 1
    picked = np.random.default_rng([seed, resamples]).integers(0, n_sentences, size=(resamples, n_sentences))
    draws = []
    for draw in picked:
        words = np.concatenate([np.flatnonzero(sentence == number) for number in draw])
        spread = ((x[words] - x[words].mean(axis=0)) ** 2).sum(axis=0)
        draws.append(1.0 - ((x[words] - predicted[words]) ** 2).sum(axis=0) / spread)
    return np.stack(draws)


@pytest.mark.parametrize(("reduce", "by"), [("worst", np.min), ("best", np.max), ("mean", np.mean)])
def test_intervals_are_those_of_resampled_sentences(monkeypatch: pytest.MonkeyPatch, reduce: str, by) -> None:
    subject, others = store(0, offset=300.0), [store(1), store(2)]
    sentence = subject.corpus.sentence_of_word
    x = subject.values().astype(np.float64)
    drawn = [naive_draws(x, acts.values().astype(np.float64), sentence, 40, 6) for acts in others]
    expected = np.quantile(by(drawn, axis=0), [0.05, 0.95], axis=0)
    for rows, room in ((2048, 2**30), (7, 16 * 14 * 2)):
        monkeypatch.setattr("onegrain.rankings.data.blocks.BLOCK_ROWS", rows)
        monkeypatch.setattr("onegrain.rankings.crossmodel.sums.passes.ROOM", room)
        options = {"reduce": reduce, "resamples": 40, "level": 0.9}
        ranking = rank("linreg", subject, others=others, seed=6, **options)
        interval = ranking.details["interval"]
        assert [interval["low"], interval["high"]] == [pytest.approx(edge, abs=1e-5) for edge in expected]
    assert np.mean((np.array(interval["low"]) < ranking.scores) & (ranking.scores < interval["high"])) > 0.8


def test_a_constant_neuron_has_no_interval_and_like_from_like_has_its_own() -> None:
    subject, other = store(0), store(1)
    values = subject.values().copy()
    values[:, 4] = 2.0
    ranking = rank("linreg", changed(subject, values), others=[other], resamples=10, compare="same-site")
    interval = ranking.details["interval"]
    assert interval["low"][4] is interval["high"][4] is None
    sites = [rank("linreg", subject.restrict(s), others=[other.restrict(s)], resamples=10) for s in HALVES]
    alone = np.concatenate([np.array(site_ranking.details["interval"]["low"]) for site_ranking in sites])
    kept = [0, 1, 2, 3, 5, 6]
    assert np.array(interval["low"], dtype=np.float64)[kept] == pytest.approx(alone[kept], abs=1e-6)
    assert "interval" not in rank("linreg", subject, others=[other]).details


def test_refusals() -> None:
    subject = store(0)
    with pytest.raises(ParameterError, match="needs other models"):
        rank("linreg", subject)
    with pytest.raises(MismatchError, match="different words"):
        rank("linreg", subject, others=[store(1, sentences=39)])
    with pytest.raises(MismatchError, match="the same model"):
        rank("linreg", subject, others=[store(1), store(0)])
    for options in ({"reduce": "median"}, {"compare": "some"}):
        with pytest.raises(ParameterError, match=f"{next(iter(options))} must be one of"):
            rank("linreg", subject, others=[store(1)], **options)
    for options, message in (
        ({"resamples": 1}, "2 or more resamples"),
        ({"resamples": -1}, "whole number from 0"),
    ):
        with pytest.raises(ParameterError, match=message):
            rank("linreg", subject, others=[store(1)], **options)
    few, fewer = store(0, sentences=1), store(1, sentences=1)
    with pytest.raises(
        ParameterError, match=r"on 7 neurons and an intercept\) needs at least 9 words, and the models have 5"
    ):
        rank("linreg", few, others=[fewer])
    with pytest.raises(ParameterError, match=r"on 4 neurons and an intercept.* at least 6 words"):
        rank("linreg", few, others=[fewer], compare="same-site")
    values = store(1).values().copy()
    values[3, 4] = np.nan
    with pytest.raises(ParameterError, match=r"layers\.1:1 at word 3"):
        rank("linreg", subject, others=[replace(store(1), array=values)])
