"""Dimension selection: against naive refits and scipy's densities, planted neurons, invariants."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import entropy, multivariate_normal

from onegrain.core.ordering import shuffled_places
from onegrain.errors import ParameterError
from onegrain.rankings import rank
from onegrain.rankings.data.labelled import read_labelled
from onegrain.rankings.gaussian.factor import Factor
from onegrain.rankings.gaussian.heldout import HeldOut
from onegrain.rankings.gaussian.likelihood import likelihoods
from onegrain.rankings.gaussian.options import GaussianOptions
from onegrain.rankings.gaussian.selection import MARGIN, choose_next
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus, LabelLayer
from support.planted import plant


def naive_fit(
    values: np.ndarray, everything: np.ndarray, options: GaussianOptions, n_varying: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of one label at the posterior mode, from its words and those of all labels."""
    n, d = values.shape
    mean = values.mean(axis=0)
    scatter = np.cov(values, rowvar=False, bias=True).reshape(d, d) * n
    least = options.floor * everything.var(axis=0)
    prior = options.scale * np.diag(np.maximum(values.var(axis=0), least))
    apart = mean - everything.mean(axis=0)
    pull = options.kappa * n / (options.kappa + n)
    dimension = d if options.mode == "chosen" else n_varying
    covariance = (scatter + prior + pull * np.outer(apart, apart)) / (n + 2 * dimension + options.degrees + 2)
    return (options.kappa * everything.mean(axis=0) + n * mean) / (options.kappa + n), covariance


def naive_information(
    words: tuple[np.ndarray, ...], chosen: list[int], options: GaussianOptions = GaussianOptions()
) -> tuple[float, float]:
    """Mutual information (bits) and accuracy of a probe that is fitted to some neurons from nothing."""
    train, codes, dev, dev_codes = words
    varying = int((np.ptp(train, axis=0) > 0).sum())
    joint = []
    for code in range(codes.max() + 1):
        words_of_label = train[codes == code][:, chosen]
        mean, covariance = naive_fit(words_of_label, train[:, chosen], options, varying)
        density = multivariate_normal(mean, covariance).logpdf(dev[:, chosen])
        joint.append(np.log(np.mean(codes == code)) + np.atleast_1d(density))
    logs = np.stack(joint, axis=1)
    posterior = logs - logsumexp(logs, axis=1, keepdims=True)
    known = posterior[np.arange(len(dev)), dev_codes].mean() / np.log(2)
    return entropy(np.bincount(dev_codes), base=2) + known, (posterior.argmax(axis=1) == dev_codes).mean()


def naive_selection(
    words: tuple[np.ndarray, ...], k: int, options: GaussianOptions = GaussianOptions()
) -> tuple[list[int], list[float], list[float]]:
    """Fit every candidate anew at every step."""
    varying = np.flatnonzero(np.ptp(words[0], axis=0) > 0).tolist()
    chosen: list[int] = []
    information, right = [], []
    for _ in range(k):
        tried = {
            neuron: naive_information(words, [*chosen, neuron], options)
            for neuron in varying
            if neuron not in chosen
        }
        best = max(tried, key=lambda neuron: tried[neuron][0])
        chosen.append(best)
        information.append(tried[best][0])
        right.append(tried[best][1])
    return chosen, information, right


def mixed(sentences: int, seed: int, neurons: int = 14, labels: int = 3) -> Activations:
    """Neurons that hang together, on different scales, at different distances from zero; labels uneven."""
    rng = np.random.default_rng([seed, 7])
    fixed = np.random.default_rng(11)
    mixing = fixed.normal(size=(neurons, neurons)) * fixed.uniform(0.1, 2.0, size=neurons)
    means = fixed.normal(size=(labels, neurons)) * (fixed.random(neurons) < 0.5)
    spread = fixed.uniform(0.5, 1.5, size=(labels, neurons))
    codes = np.concatenate(
        [np.arange(labels), rng.choice(labels, size=4 * sentences - labels, p=[0.6, 0.3, 0.1])]
    )
    values = (means[codes] + spread[codes] * rng.normal(size=(len(codes), neurons))) @ mixing
    values = values * 10.0 ** fixed.integers(-1, 2, size=neurons) + fixed.normal(size=neurons) * 5
    corpus = Corpus.from_sentences([[f"{seed}-{number}"] * 4 for number in range(sentences)])
    names = tuple("ABC"[:labels])
    layer = LabelLayer("upos", codes.astype(np.int32), names)
    return Activations.from_array(values.astype(np.float32), corpus.with_layer(layer))


def arrays(train: Activations, dev: Activations) -> tuple[np.ndarray, ...]:
    parts = []
    for acts in (train, dev):
        parts += [acts.values().astype(np.float64), acts.layer("upos").codes.astype(np.int64)]
    return tuple(parts)


TRAIN, DEV, TEST = mixed(100, 0), mixed(60, 1), mixed(50, 2)
PLANTED = plant(160)
HELD = plant(60, seed=1).activations


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"mode": "whole"},
        {"kappa": 3.0, "scale": 5.0, "degrees": 0.0},
        {"floor": 1.0, "mode": "whole", "kappa": 0.5},
    ],
)
def test_it_chooses_what_fitting_every_candidate_anew_chooses(parameters: dict) -> None:
    options = GaussianOptions(k=6, **parameters)
    chosen, information, right = naive_selection(arrays(TRAIN, DEV), 6, options)
    ranking = rank("gaussian", TRAIN, label="upos", dev=DEV, test=TEST, k=6, **parameters)
    steps = ranking.details["steps"]
    assert [step["neuron"] for step in steps] == chosen == ranking.order[:6].tolist()
    assert [step["information"] for step in steps] == pytest.approx(information, abs=1e-6)
    assert [step["accuracy"] for step in steps] == pytest.approx(right, abs=1e-12)
    for number, step in enumerate(steps):
        expected = naive_information(arrays(TRAIN, TEST), chosen[: number + 1], options)
        assert step["test"]["information"] == pytest.approx(expected[0], abs=1e-6)
        assert step["test"]["accuracy"] == pytest.approx(expected[1], abs=1e-12)
        assert step["normalized"] == pytest.approx(step["information"] / ranking.details["entropy"])
    assert ranking.details["best"] == 1 + int(np.argmax(information))


def followed(
    k: int, train: Activations = TRAIN, dev: Activations = DEV, scale: float = 1.0
) -> tuple[Factor, HeldOut]:
    """A factor that has chosen k neurons, and the held-out words that follow it."""
    words = [read_labelled(acts, "upos", np.ones(acts.corpus.n_sentences, bool), 1) for acts in (train, dev)]
    factor = Factor(words[0], GaussianOptions(k=12, scale=scale))
    held = HeldOut(words[1], factor)
    for _ in range(k):
        neuron = choose_next(factor, held)
        held.add(factor, neuron)
        factor.add(neuron)
    return factor, held


@pytest.mark.parametrize("k", [0, 1, 5, 11])
def test_the_likelihood_of_every_candidate_is_that_of_a_refit_and_single_precision_errs_little(k: int) -> None:
    factor, held = followed(k)
    exact, rough = likelihoods(factor, held), likelihoods(factor, held, dtype=np.float32)
    some = likelihoods(factor, held, np.array([13, 2, 8]))
    np.testing.assert_allclose(some, exact[[13, 2, 8]], rtol=0, atol=1e-12)
    for neuron in set(range(14)) - set(factor.chosen):
        expected, _ = naive_information(arrays(TRAIN, DEV), [*factor.chosen, neuron])
        assert held.entropy + exact[neuron] / np.log(2) == pytest.approx(expected, abs=1e-6)
        assert rough[neuron] == pytest.approx(exact[neuron], abs=MARGIN / 3)


def test_tiles_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = rank("gaussian", TRAIN, label="upos", dev=DEV, k=8)
    monkeypatch.setattr("onegrain.rankings.gaussian.likelihood.TILE_NEURONS", 5)
    monkeypatch.setattr("onegrain.rankings.gaussian.likelihood.TILE_CELLS", 64)
    monkeypatch.setattr("onegrain.rankings.gaussian.factor.BLOCK_ROWS", 37)
    monkeypatch.setattr("onegrain.rankings.gaussian.factor.PRODUCT_ROWS", 3)
    ranking = rank("gaussian", TRAIN, label="upos", dev=DEV, k=8)
    np.testing.assert_array_equal(ranking.order, expected.order)
    for step, other in zip(ranking.details["steps"], expected.details["steps"], strict=True):
        assert step["information"] == pytest.approx(other["information"], abs=1e-12)


def test_a_memory_budget_changes_nothing_and_too_small_a_one_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = rank("gaussian", TRAIN, label="upos", dev=DEV, k=5)
    monkeypatch.setattr(
        "onegrain.rankings.data.memory.Memory.reserve", lambda self, working, what: setattr(self, "_room", 0)
    )
    spilled = rank("gaussian", TRAIN, label="upos", dev=DEV, k=5, memory=1)
    np.testing.assert_array_equal(spilled.order, expected.order)
    assert spilled.details == expected.details
    monkeypatch.undo()
    with pytest.raises(ParameterError, match="choosing neurons for a Gaussian probe needs"):
        rank("gaussian", TRAIN, label="upos", dev=DEV, k=5, memory="1MiB")


def test_the_planted_neurons_come_first() -> None:
    ranking = rank("gaussian", PLANTED.activations, label="upos", dev=HELD, k=8)
    first = set(ranking.order[:3].tolist())
    assert first <= PLANTED.informative
    assert ranking.details["steps"][2]["accuracy"] > 0.99
    assert not set(ranking.order[:8].tolist()) & {*PLANTED.constant, *PLANTED.loud}
    told = [step["information"] for step in ranking.details["steps"]]
    assert ranking.details["entropy"] == pytest.approx(2.0)
    assert told[2] > 1.9
    assert max(told) <= 2.0


def test_a_neuron_is_followed_by_the_one_that_tells_only_together_with_it() -> None:
    rng = np.random.default_rng(5)
    codes = np.tile([0, 1], 400)
    noise = rng.normal(size=(800, 6))
    noise[:, 3] = rng.normal(size=800)
    noise[:, 1] = noise[:, 3] * np.where(codes == 1, 0.98, -0.98) + 0.2 * rng.normal(size=800)
    corpus = Corpus.from_sentences([[f"w{number}", "x"] for number in range(400)])
    acts = Activations.from_array(
        noise.astype(np.float32), corpus.with_layer(LabelLayer("upos", codes.astype(np.int32), ("A", "B")))
    )
    ranking = rank("gaussian", acts, label="upos", k=6, dev_share=0.3)
    places = ranking.positions()[[1, 3]]
    assert abs(places[0] - places[1]) == 1
    told = [step["information"] for step in ranking.details["steps"]]
    assert told[places.min()] < 0.05
    assert told[places.max()] > 0.4


def test_permuting_the_neurons_permutes_the_ranking() -> None:
    moved = np.random.default_rng(0).permutation(14)
    first = rank("gaussian", TRAIN, label="upos", dev=DEV, k=9)
    train, dev = (replace(acts, array=acts.values()[:, moved]) for acts in (TRAIN, DEV))
    second = rank("gaussian", train, label="upos", dev=dev, k=9)
    assert moved[second.order[:9]].tolist() == first.order[:9].tolist()
    np.testing.assert_array_equal(second.scores, first.scores[moved])


def test_scales_of_neurons_change_nothing() -> None:
    factors = 2.0 ** np.arange(-7, 7)
    first = rank("gaussian", TRAIN, label="upos", dev=DEV, k=9)
    train, dev = (replace(acts, array=acts.values() * factors.astype(np.float32)) for acts in (TRAIN, DEV))
    second = rank("gaussian", train, label="upos", dev=dev, k=9)
    np.testing.assert_array_equal(second.order, first.order)
    for step, other in zip(second.details["steps"], first.details["steps"], strict=True):
        assert step["information"] == pytest.approx(other["information"], abs=1e-9)


def test_more_neurons_that_are_not_chosen_change_the_whole_mode_only() -> None:
    rng = np.random.default_rng(3)
    wider = []
    for acts in (TRAIN, DEV):
        more = rng.normal(size=(acts.n_words, 60)).astype(np.float32)
        wider.append(Activations.from_array(np.hstack([acts.values(), more]), acts.corpus))
    told = {}
    for mode in ("chosen", "whole"):
        for name, (train, dev) in {"narrow": (TRAIN, DEV), "wide": wider}.items():
            ranking = rank("gaussian", train, label="upos", dev=dev, k=1, mode=mode)
            told[mode, name] = ranking.details["steps"][0]["information"]
    assert told["chosen", "wide"] == pytest.approx(told["chosen", "narrow"], abs=1e-9)
    assert told["whole", "wide"] < told["whole", "narrow"] - 1e-3


def test_of_equal_neurons_the_seed_takes_one() -> None:
    rng = np.random.default_rng(8)
    best, places = (
        rank("gaussian", TRAIN, label="upos", dev=DEV, k=1).order[0],
        np.array([3, 40, 130, 257, 300]),
    )
    records = []
    for acts in (TRAIN, DEV):
        wide = rng.normal(size=(acts.n_words, 301)).astype(np.float32)
        wide[:, places] = acts.values()[:, [best]]
        records.append(Activations.from_array(wide, acts.corpus))
    for width in (301, 300, 258, 131):
        train, dev = (Activations.from_array(acts.values()[:, :width], acts.corpus) for acts in records)
        copies = places[places < width]
        for seed in (0, 1, 2):
            drawn = shuffled_places(width, seed)
            expected = copies[drawn[copies].argmin()]
            assert rank("gaussian", train, label="upos", dev=dev, k=1, seed=seed).order[0] == expected


def test_where_all_is_known_the_seed_takes_the_neurons() -> None:
    records = []
    for acts in (TRAIN, DEV):
        values = np.random.default_rng(acts.n_words).normal(size=(acts.n_words, 9)).astype(np.float32)
        values[:, 6] += 11.0 * acts.layer("upos").codes
        records.append(Activations.from_array(values, acts.corpus))
    ranking = rank("gaussian", records[0], label="upos", dev=records[1], k=4)
    assert ranking.details["steps"][0]["information"] == pytest.approx(ranking.details["entropy"], abs=1e-10)
    drawn = [neuron for neuron in np.argsort(shuffled_places(9)).tolist() if neuron != 6]
    assert ranking.order[:4].tolist() == [6, *drawn[:3]]


def test_fewer_words_than_neurons_and_neurons_constant_within_a_label() -> None:
    rng = np.random.default_rng(1)
    codes = np.tile([0, 1, 2], 8).astype(np.int32)
    values = rng.normal(size=(24, 40)).astype(np.float32)
    values[codes == 1, 4] = 0.0
    values[:, 7] = 3.0
    values[:, 9] = values[:, 8]
    dev_values = rng.normal(size=(24, 40)).astype(np.float32)
    dev_values[:, 9] = dev_values[:, 8]
    dev_values[0, 7] = -1.0
    records = []
    for name, table in (("a", values), ("b", dev_values)):
        corpus = Corpus.from_sentences([[f"{name}{number}"] * 3 for number in range(8)])
        records.append(
            Activations.from_array(table, corpus.with_layer(LabelLayer("upos", codes, ("X", "Y", "Z"))))
        )
    ranking = rank("gaussian", records[0], label="upos", dev=records[1], min_count=1, k=40)
    chosen, information, _ = naive_selection(arrays(*records), 12)
    assert ranking.n_ranked == 39
    first_copy = {8: 8, 9: 8}
    assert [first_copy.get(n, n) for n in ranking.order[:12].tolist()] == [first_copy.get(n, n) for n in chosen]
    assert [step["information"] for step in ranking.details["steps"][:12]] == pytest.approx(
        information, abs=1e-5
    )
    assert np.isfinite([step["information"] for step in ranking.details["steps"]]).all()
    assert ranking.order[-1] == 7
    assert np.isnan(ranking.scores[7])
    assert ranking.details["constant"] == 1


def test_a_neuron_that_single_precision_cannot_hold_can_be_the_best() -> None:
    best = int(rank("gaussian", TRAIN, label="upos", dev=DEV, k=1).order[0])
    factor, _ = followed(0)
    widest = int((factor.left[:, best] / factor.divisors(1)).argmax())
    values = DEV.values().copy()
    values[int((DEV.layer("upos").codes == widest).argmax()), best] *= np.float32(1e25)
    far = replace(DEV, array=values)
    factor, held = followed(0, dev=far)
    assert not np.isfinite(likelihoods(factor, held, dtype=np.float32)[best])
    chosen, information, _ = naive_selection(arrays(TRAIN, far), 3)
    ranking = rank("gaussian", TRAIN, label="upos", dev=far, k=3)
    assert ranking.order[:3].tolist() == chosen
    assert chosen[0] == best
    assert [step["information"] for step in ranking.details["steps"]] == pytest.approx(information, abs=1e-6)


def test_a_prior_that_counts_for_nothing_still_leaves_every_neuron_a_variance() -> None:
    rng = np.random.default_rng(2)
    codes = np.tile([0, 1], 6).astype(np.int32)
    records = []
    for name in "ab":
        corpus = Corpus.from_sentences([[f"{name}{number}"] * 2 for number in range(6)])
        corpus = corpus.with_layer(LabelLayer("upos", codes, ("X", "Y")))
        records.append(Activations.from_array(rng.normal(size=(12, 30)).astype(np.float32), corpus))
    factor, _ = followed(12, *records, scale=1e-18)
    assert (factor.left > 0.0).all()
    assert np.isfinite(factor.rows).all()


def test_without_a_neuron_the_probe_knows_the_shares_of_the_training_words() -> None:
    train, _, _, codes = arrays(TRAIN, DEV)
    shares = np.bincount(TRAIN.layer("upos").codes) / len(train)
    start = rank("gaussian", TRAIN, label="upos", dev=DEV, k=1).details["start"]
    held = np.bincount(codes) / len(codes)
    assert start["information"] == pytest.approx(-entropy(held, shares, base=2), abs=1e-12)
    assert start["accuracy"] == held[shares.argmax()]
