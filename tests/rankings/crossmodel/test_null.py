"""The nulls are what they claim to be, and p-values and intervals what they are called."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from onegrain.errors import ParameterError
from onegrain.rankings import rank
from onegrain.rankings.crossmodel.null import Null, NullTest, null_details
from onegrain.rankings.crossmodel.permutations import LEAST_GROUP, Exchange, permuted
from onegrain.rankings.crossmodel.rotations import random_rotation
from onegrain.rankings.crossmodel.rows import normal_scores
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.provenance import ModelIdentity
from onegrain.records.space import NeuronSpace

SENTENCES, LENGTH = 200, 6
CORPUS = Corpus.from_sentences([[f"w{number % 7}" for number in range(LENGTH)] for _ in range(SENTENCES)])
SPACE = NeuronSpace(("layers.0", "layers.1"), (12, 8))
WORDS = CORPUS.n_words


def store(values: np.ndarray, name: str, space: NeuronSpace = SPACE) -> Activations:
    acts = Activations.from_array(values.astype(np.float32), CORPUS, space)
    identity = ModelIdentity(id=name, architecture="Planted", weight_hash=name)
    return replace(acts, provenance=acts.provenance.model_copy(update={"model": identity}))


def models(seed: int = 0) -> tuple[Activations, list[Activations]]:
    """Two neurons that both others have, one upside down in one, and one that one other has with noise."""
    rng = np.random.default_rng(seed)
    subject, first, second = (rng.normal(size=(WORDS, 20)) for _ in range(3))
    first[:, 3], second[:, 5] = subject[:, 2], -subject[:, 2]
    first[:, 15], second[:, 16] = subject[:, 13], subject[:, 13]
    first[:, 9] = subject[:, 7] + rng.normal(size=WORDS)
    return store(subject, "a"), [store(first, "b"), store(second, "c")]


@pytest.mark.parametrize("width", [1, 2, 7, 300])
def test_rotations_are_orthogonal_and_uniform(width):
    turn = random_rotation(width, np.random.default_rng(width))
    assert np.abs(turn.T @ turn - np.eye(width)).max() < 1e-6
    if width == 7:
        rng = np.random.default_rng(0)
        drawn = np.stack([random_rotation(width, rng) for _ in range(3000)])
        assert np.abs(drawn.mean(axis=0)).max() < 4 * np.sqrt(1 / width / 3000)
        # an entry squared is Beta(1/2, (n-1)/2) under the Haar measure
        assert stats.kstest(drawn[:, 0, 0] ** 2, stats.beta(0.5, (width - 1) / 2).cdf).pvalue > 1e-3
        assert stats.kstest(drawn[:, 6, 6] ** 2, stats.beta(0.5, (width - 1) / 2).cdf).pvalue > 1e-3
        assert abs((np.linalg.det(drawn) > 0).mean() - 0.5) < 0.05


@pytest.mark.parametrize("compare", ["all", "same-site"])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("method", ["maxcorr", "mincorr"])
def test_the_rotation_null_is_that_of_turned_standardised_neurons(method, signed, compare):
    subject, others = models()
    values = others[0].values().copy()
    values[:, 4] *= 100.0  # one neuron that would be most of every turned one
    others[0] = store(values, "b")
    ranking = rank(
        method, subject, others=others, null="rotation", draws=3, seed=4, signed=signed, compare=compare
    )
    drawn = []
    for draw in range(3):
        scores = []
        for number, other in enumerate(others, 1):
            turned = stats.zscore(other.values().astype(np.float64))
            for site in other.space.sites:
                place = other.space.slice(site)
                rng = np.random.default_rng([4, draw, number, place.start])
                turned[:, place] = turned[:, place] @ random_rotation(place.stop - place.start, rng)
            again = store(turned, "t")
            scores.append(rank("maxcorr", subject, others=[again], signed=signed, compare=compare).scores)
        drawn.append(np.max(scores, axis=0) if method == "maxcorr" else np.min(scores, axis=0))
    null = ranking.details["null"]
    assert (null["kind"], null["draws"]) == ("rotation", 3)
    assert null["mean"] == pytest.approx(np.mean(drawn, axis=0), abs=1e-5)
    assert null["excess"] == pytest.approx(ranking.scores - np.mean(drawn, axis=0), abs=1e-5)


def test_an_exchange_moves_whole_sentences_and_leaves_words_that_do_not_count():
    subject, _ = models()
    among = np.ones(WORDS, dtype=bool)
    among[[0, 9, WORDS - 1]] = False
    moved = permuted(subject, subject.array, among, np.random.default_rng(1))
    values = moved.values()
    assert np.array_equal(values[~among], subject.values()[~among])
    assert (values[among] != subject.values()[among]).any(axis=1).mean() > 0.9
    assert np.array_equal(moved.values(5, 11, slice(3, 7)), values[5:11, 3:7])


def test_sentences_of_one_length_change_places_word_by_word():
    order = Exchange(CORPUS.sentence_of_word, np.ones(WORDS, dtype=bool)).order(np.random.default_rng(0))
    rows = order.reshape(SENTENCES, LENGTH)
    assert np.array_equal(rows % LENGTH, np.tile(np.arange(LENGTH), (SENTENCES, 1)))
    assert np.array_equal(np.sort(rows[:, 0]), np.arange(0, WORDS, LENGTH))


def test_lengths_of_few_sentences_are_put_together_and_begin_again_or_are_cut():
    lengths = [2] * 10 + [3] * 2 + [4] * 6 + [7]
    sentence = np.repeat(np.arange(19), lengths)
    exchange = Exchange(sentence, np.ones(len(sentence), dtype=bool))
    assert [len(group) for group in exchange.groups] == [10, 9]
    assert all(len(group) >= LEAST_GROUP for group in exchange.groups)
    order = exchange.order(np.random.default_rng(5))
    first = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    donors = sentence[order[first]]
    assert sorted(donors[:10]) == list(range(10))
    assert sorted(donors[10:]) == list(range(10, 19))
    for place, donor in enumerate(donors):
        expected = first[donor] + np.arange(lengths[place]) % lengths[donor]
        assert np.array_equal(order[first[place] : first[place] + lengths[place]], expected)


def test_exchanges_are_uniform():
    exchange = Exchange(np.repeat(np.arange(3), 2), np.ones(6, dtype=bool))
    orders = [tuple(exchange.order(np.random.default_rng([0, draw]))[::2]) for draw in range(1200)]
    counts = [orders.count(order) for order in sorted(set(orders))]
    assert len(counts) == 6
    assert stats.chisquare(counts).pvalue > 1e-3


def test_one_sentence_cannot_be_exchanged():
    corpus = Corpus.from_sentences([["a", "b", "c"]])
    values = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    subject, other = (Activations.from_array(array, corpus) for array in values)
    with pytest.raises(ParameterError, match="split into sentences, or null=rotation"):
        rank("maxcorr", subject, others=[other], null="permutation", draws=2)


def test_the_permutation_null_is_that_of_exchanged_sentences():
    subject, others = models()
    ranking = rank("maxcorr", subject, others=others, null="permutation", draws=3, seed=2)
    drawn = []
    for draw in range(3):
        order = np.random.default_rng([2, draw]).permutation(SENTENCES)
        moved = subject.values().reshape(SENTENCES, LENGTH, -1)[order].reshape(WORDS, -1)
        drawn.append(rank("maxcorr", store(moved, "a"), others=others).scores)
    assert ranking.details["null"]["mean"] == pytest.approx(np.mean(drawn, axis=0), abs=1e-6)


def test_normal_scores_are_quantiles_of_ranks(monkeypatch):
    subject, _ = models()
    values = subject.values().copy()
    values[:, 0] = np.arange(WORDS) ** 3
    values[:, 1] = np.arange(WORDS) % 2
    values[:, 2] = 5.0
    among = np.arange(WORDS) >= 10
    constant = np.arange(20) == 3
    asked = store(values, "a").restrict("layers.0")
    expected = normal_scores(store(values[:, :12], "a", NeuronSpace(("layers.0",), (12,))), among, constant)
    monkeypatch.setattr("onegrain.rankings.crossmodel.rows.STRIPE_BYTES", 8 * 5 * WORDS)
    scores = normal_scores(asked, among, constant).values()
    assert np.array_equal(scores, expected.values())
    n = WORDS - 10
    assert scores[10:, 0] == pytest.approx(stats.norm.ppf((np.arange(n) + 0.5) / n), abs=1e-6)
    assert np.allclose(scores[10:, 1], stats.norm.ppf(0.25 + 0.5 * (np.arange(n) % 2)), atol=1e-6)
    assert not scores[:, 2:4].any()
    assert not scores[:10].any()


@pytest.mark.parametrize("null", ["rotation", "permutation"])
def test_planted_partners_exceed_the_null_and_nothing_else_does(null):
    subject, others = models(7)
    ranking = rank("maxcorr", subject, others=others, null=null, draws=60, pooled=True, score="excess")
    q = np.array(ranking.details["null"]["q"])
    assert sorted(ranking.order[:3].tolist()) == [2, 7, 13]
    assert sorted(np.flatnonzero(q < 0.05).tolist()) == [2, 7, 13]
    assert ranking.scores == pytest.approx(ranking.details["null"]["excess"])
    both = rank("mincorr", subject, others=others, null=null, draws=60, pooled=True)
    assert sorted(both.order[:2].tolist()) == [2, 13]
    assert sorted(np.flatnonzero(np.array(both.details["null"]["q"]) < 0.05).tolist()) == [2, 13]


@pytest.mark.parametrize("pooled", [False, True])
def test_p_values_are_uniform_where_nothing_is_shared(pooled):
    rng = np.random.default_rng(3)
    scale, shift = rng.uniform(0.5, 2.0, size=2000), rng.normal(size=2000)
    drawn = rng.gumbel(size=(100, 2000)) * scale + shift
    scores = rng.gumbel(size=2000) * scale + shift
    p = Null("rotation", drawn).p_values(scores, pooled=pooled)
    assert stats.kstest(p, "uniform").statistic < 0.05
    assert p.min() >= (1 / (1 + drawn.size) if pooled else 1 / 101)


def test_p_and_q_by_hand():
    null = Null("rotation", np.array([[0.1, 0.5], [0.3, 0.5], [0.2, 0.5]]))
    scores = np.array([0.25, np.nan])
    assert null.p_values(scores)[0] == (1 + 1) / (1 + 3)
    assert np.isnan(null.p_values(scores)[1])
    many = Null("rotation", np.random.default_rng(0).uniform(size=(99, 5)))
    details = null_details(many, np.array([0.97, 0.2, 0.6, 0.99, 0.5]), pooled=False)
    assert (details["least_p"], details["least_q"]) == (0.01, 0.05)
    low = Null("permutation", np.array([[0.98], [0.1], [0.2], [0.3]]) * np.ones(5))
    both = null_details(many, np.full(5, 0.97), pooled=False, tested=NullTest(np.full(5, 0.97), (many, low)))
    assert both["p"] == [0.4] * 5  # of the two, the larger
    assert both["tested_against"] == ["rotation", "permutation"]
    assert many.least_p(5, pooled=True) == 1 / (1 + 99 * 5)
    p = np.array(details["p"])
    order = np.argsort(p)
    adjusted = np.minimum.accumulate((p[order] * 5 / np.arange(1, 6))[::-1])[::-1]
    assert np.array(details["q"])[order] == pytest.approx(np.minimum(adjusted, 1.0))


def test_constant_neurons_have_no_p_value():
    subject, others = models()
    values = subject.values().copy()
    values[:, 4] = 2.0
    theirs = others[0].values().copy()
    theirs[:, 8:12] = 1.0
    for null in ("rotation", "permutation"):
        ranking = rank(
            "maxcorr", store(values, "a"), others=[store(theirs, "b"), others[1]], null=null, draws=2
        )
        assert ranking.details["null"]["p"][4] is None
        assert ranking.details["null"]["excess"][4] is None
        assert None not in ranking.details["null"]["p"][5:]


def naive_interval(subject, others, reduce, draws, seed, level):
    rng = np.random.default_rng([seed, draws])
    picked = rng.integers(0, SENTENCES, size=(draws, SENTENCES))
    scores = []
    for sentences in picked:
        rows = (sentences[:, None] * LENGTH + np.arange(LENGTH)).ravel()
        tables = [np.abs(np.corrcoef(subject[rows].T, array[rows].T)[:20, 20:]).max(axis=1) for array in others]
        scores.append(reduce(tables, axis=0))
    tail = (1 - level) / 2
    return np.quantile(scores, [tail, 1 - tail], axis=0)


@pytest.mark.parametrize(("method", "reduce"), [("maxcorr", np.max), ("mincorr", np.min)])
def test_intervals_are_those_of_resampled_sentences(method, reduce):
    subject, others = models()
    ranking = rank(method, subject, others=others, partners=20, resamples=40, seed=6, level=0.9)
    values = [acts.values().astype(np.float64) for acts in (subject, *others)]
    low, high = naive_interval(values[0], values[1:], reduce, 40, 6, 0.9)
    assert ranking.details["interval"]["low"] == pytest.approx(low, abs=1e-5)
    assert ranking.details["interval"]["high"] == pytest.approx(high, abs=1e-5)


def test_intervals_do_not_depend_on_blocks(monkeypatch):
    subject, others = models(1)
    values = subject.values().copy()
    values[:, 3] = values[:, 3] * 1e-2 + 1e4
    values[:, 6] = 1.0
    subject = store(values, "a")
    expected = rank("maxcorr", subject, others=others, resamples=20).details["interval"]
    assert expected["low"][6] is None
    monkeypatch.setattr("onegrain.rankings.data.blocks.BLOCK_ROWS", 77)
    monkeypatch.setattr("onegrain.rankings.crossmodel.bootstrap.ROOM", 8 * 20 * 20 * 3)
    blocked = rank("maxcorr", subject, others=others, resamples=20).details["interval"]
    for side in ("low", "high"):
        known = [neuron for neuron in range(20) if neuron != 6]
        first, second = (
            np.array([interval[side][neuron] for neuron in known]) for interval in (expected, blocked)
        )
        assert first == pytest.approx(second, abs=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"null": "noise"}, "null must be one of none, rotation, permutation"),
        ({"null": "rotation", "draws": 0}, "draws must be a whole number from 1"),
        ({"null": "rotation", "draws": 1, "pooled": True}, "2 draws or more"),
        ({"score": "excess"}, "give null=rotation or null=permutation"),
        ({"score": "p"}, "score must be one of correlation, excess"),
        ({"partners": 0}, "partners must be a whole number from 1"),
        ({"resamples": 1}, "2 or more resamples"),
        ({"resamples": 20, "level": 1.0}, "a level between 0 and 1"),
    ],
)
def test_refusals(options, message):
    subject, others = models()
    with pytest.raises(ParameterError, match=message):
        rank("maxcorr", subject, others=others, **options)


def noise(rng: np.random.Generator, tail: float, shared: float) -> Activations:
    """Words of nothing but noise: shared within sentences, one neuron large, tails of Student's t."""
    words = rng.standard_t(tail, size=(SENTENCES, LENGTH, 20))
    sentences = rng.standard_t(tail, size=(SENTENCES, 1, 20))
    values = np.sqrt(1 - shared) * words + np.sqrt(shared) * sentences
    values[:, :, 0] *= 100.0
    return Activations.from_array(values.reshape(WORDS, 20).astype(np.float32), CORPUS, SPACE)


@pytest.mark.parametrize("null", ["rotation", "permutation"])
def test_noise_that_is_shared_in_sentences_large_and_long_tailed_has_no_small_p_values(null):
    p = []
    for repeat in range(12):
        rng = np.random.default_rng([repeat, 8])
        subject, other = noise(rng, 2.5, 0.4), noise(rng, 2.5, 0.4)
        ranking = rank("maxcorr", subject, others=[other], null=null, draws=40, pooled=True, seed=repeat)
        p += ranking.details["null"]["p"]
    assert np.mean(np.array(p) <= 0.05) < 0.1
    assert stats.kstest(p, "uniform", alternative="greater").statistic < 0.12
    against = ranking.details["null"]["tested_against"]
    assert against == (["rotation", "permutation"] if null == "rotation" else ["permutation"])
