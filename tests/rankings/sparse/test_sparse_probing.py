"""Sparse probing: against all subsets and scikit-learn, planted neurons, invariants."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import accuracy_score, f1_score

from onegrain.core.ordering import shuffled_places
from onegrain.rankings import rank
from onegrain.rankings.data.labelled import LabelledWords
from onegrain.rankings.sparse.correlations import LabelCorrelations
from onegrain.rankings.sparse.exact import best_set
from onegrain.rankings.sparse.fit import COPY, SAME, Fit, first_best
from onegrain.rankings.sparse.options import SparseOptions
from onegrain.rankings.sparse.search import choose
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus, LabelLayer
from onegrain.records.ranking import Ranking
from support.planted import LABELS, plant

PLANTED = plant(160)
ACTS = PLANTED.activations
HELD = plant(60, seed=1).activations


def labelled(values: np.ndarray, codes: np.ndarray, name: str = "w") -> Activations:
    names = tuple("ABCDE"[: codes.max() + 1])
    corpus = Corpus.from_sentences([[f"{name}{number}" for number in range(len(codes))]])
    layer = LabelLayer("upos", codes.astype(np.int32), names)
    return Activations.from_array(values.astype(np.float32), corpus.with_layer(layer))


def mixed(words: int = 400, seed: int = 0, neurons: int = 9, labels: int = 3) -> Activations:
    """Neurons that hang together, on different scales and far from zero."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(1).normal(size=(neurons, neurons)) + np.eye(neurons)
    codes = rng.integers(0, labels, size=words)
    means = np.random.default_rng(2).normal(size=(labels, neurons)) * 0.8
    values = (means[codes] + rng.normal(size=(words, neurons))) @ mixing
    return labelled(values * 10.0 ** np.arange(-4, neurons - 4) + 3.0, codes, f"s{seed}-")


def suppressed() -> Activations:
    """Label B is told by neurons 2 and 5 together: each alone says little, and neuron 0 more than either."""
    rng = np.random.default_rng(3)
    codes = np.tile([0, 1], 600)
    values = rng.normal(size=(1200, 7))
    values[:, 2] = 4.0 * values[:, 5] + 0.6 * codes + 0.05 * rng.normal(size=1200)
    values[:, 0] = 0.8 * codes + 0.8 * rng.normal(size=1200)
    return labelled(values, codes)


def naive_r2(acts: Activations, chosen: tuple[int, ...], code: int) -> float:
    """R^2 by numpy's least squares."""
    values = acts.values().astype(np.float64)[:, list(chosen)]
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    target = (acts.layer("upos").codes == code).astype(np.float64)
    target -= target.mean()
    weights, *_ = np.linalg.lstsq(values, target, rcond=None)
    return 1.0 - float(np.square(target - values @ weights).sum() / np.square(target).sum())


def sizes(ranking: Ranking, label: str) -> list[dict]:
    return ranking.details["labels"][label]["sizes"]


@pytest.mark.parametrize("acts", [mixed(), suppressed()], ids=["mixed", "suppressed"])
def test_an_exact_search_finds_the_best_of_all_subsets(acts: Activations) -> None:
    k = 5
    ranking = rank("sparse-probing", acts, label="upos", k=k, exact=True)
    for code, label in enumerate(ranking.labels):
        for size in range(1, k + 1):
            all_sets = {
                subset: naive_r2(acts, subset, code) for subset in combinations(range(acts.n_neurons), size)
            }
            best = max(all_sets, key=lambda subset: all_sets[subset])
            told = sizes(ranking, label)[size - 1]
            assert set(told["neurons"]) == set(best)
            assert told["r2"] == pytest.approx(all_sets[best], abs=1e-9)
            assert told["candidates"] == acts.n_neurons


@pytest.mark.parametrize("seed", range(6))
def test_the_exact_search_rules_out_nothing_that_is_best(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(60, 11)) @ (np.eye(11) + 0.7 * rng.normal(size=(11, 11)))
    target = values @ rng.normal(size=11) * (0.3 * (seed % 3)) + 4.0 * rng.normal(size=60)
    if seed >= 4:
        values[:, 7] = values[:, 2]
    table = np.corrcoef(np.column_stack([values, target]), rowvar=False)
    among, label = table[:11, :11], table[:11, 11]
    for size in (1, 2, 3, 4, 6):
        tried = {}
        for subset in map(list, combinations(range(11), size)):
            if np.linalg.cond(among[np.ix_(subset, subset)]) < 1.0 / COPY:
                tried[tuple(subset)] = label[subset] @ np.linalg.solve(
                    among[np.ix_(subset, subset)], label[subset]
                )
        most = max(tried.values())
        told = best_set(among, label, size, 0.0)
        assert told is not None
        assert tried[told] == pytest.approx(most, abs=1e-9)
        assert best_set(among, label, size, most) is None


def test_greedy_misses_the_pair_that_swaps_and_the_exact_search_find() -> None:
    acts = suppressed()
    greedy = rank("sparse-probing", acts, label="upos", k=2, swaps=False)
    swapped = rank("sparse-probing", acts, label="upos", k=2)
    exact = rank("sparse-probing", acts, label="upos", k=2, exact=True, swaps=False)
    assert 0 in sizes(greedy, "B")[1]["neurons"]
    for ranking in (swapped, exact):
        assert sizes(ranking, "B")[0]["neurons"] == [0]
        assert set(sizes(ranking, "B")[1]["neurons"]) == {2, 5}
        assert sizes(ranking, "B")[1]["r2"] > sizes(greedy, "B")[1]["r2"] + 0.1
    assert "candidates" not in sizes(swapped, "B")[1]


@pytest.mark.parametrize("swaps", [True, False])
def test_every_step_is_the_best_addition_and_no_swap_is_left(swaps: bool) -> None:
    acts = mixed(neurons=10)
    ranking = rank("sparse-probing", acts, label="upos", k=4, swaps=swaps)
    everything = set(range(10))
    for code, label in enumerate(ranking.labels):
        before: tuple[int, ...] = ()
        for told in sizes(ranking, label):
            chosen = tuple(told["neurons"])
            assert told["r2"] == pytest.approx(naive_r2(acts, chosen, code), abs=1e-9)
            added = max(naive_r2(acts, (*before, neuron), code) for neuron in everything - set(before))
            assert told["r2"] >= added - 1e-9
            if swaps:
                for gone in chosen:
                    rest = tuple(set(chosen) - {gone})
                    best = max(naive_r2(acts, (*rest, neuron), code) for neuron in everything - set(rest))
                    assert told["r2"] >= best - 1e-9
            else:
                assert told["r2"] == pytest.approx(added, abs=1e-9)
            before = chosen


def test_a_fit_follows_the_neurons_that_it_is_given() -> None:
    acts = mixed(neurons=8)
    values = acts.values().astype(np.float64)
    table = np.corrcoef(np.column_stack([values, acts.layer("upos").codes == 1]), rowvar=False)
    every, fit = np.ones(8, dtype=bool), Fit(table[:8, 8])
    for size, neuron in enumerate([6, 1, 4, 3], 1):
        fit.add(neuron, table[neuron, :8])
        inside = list(fit.chosen)
        inverse = np.linalg.inv(table[np.ix_(inside, inside)])
        assert fit.weights == pytest.approx(inverse @ table[inside, 8])
        assert fit.precision == pytest.approx(inverse.diagonal())
        assert fit.r2 == pytest.approx(naive_r2(acts, tuple(inside), 1), abs=1e-9)
        gains = fit.gains(every)
        assert (gains[inside] == -np.inf).all()
        outside = sorted(set(range(8)) - set(inside))
        for outsider in outside:
            assert gains[outsider] == pytest.approx(naive_r2(acts, (*inside, outsider), 1) - fit.r2, abs=1e-9)
        swapped = {
            (step, outsider): naive_r2(acts, (*inside[:step], *inside[step + 1 :], outsider), 1) - fit.r2
            for step in range(size)
            for outsider in outside
        }
        gain, position, comes = fit.best_swap(every)
        assert gain == pytest.approx(max(swapped.values()), abs=1e-9)
        assert swapped[position, comes] == pytest.approx(gain, abs=1e-9)


def test_probes_equal_linear_regression_and_are_scored_as_scikit_learn_does() -> None:
    train, dev, test = mixed(), mixed(200, 5), mixed(150, 6)
    ranking = rank("sparse-probing", train, label="upos", dev=dev, test=test, k=3)
    assert ranking.weights is not None
    for code, label in enumerate(ranking.labels):
        told = ranking.details["labels"][label]
        chosen = told["sizes"][-1]["neurons"]
        values, target = train.values().astype(np.float64)[:, chosen], train.layer("upos").codes == code
        center, scale = values.mean(axis=0), values.std(axis=0)
        model = LinearRegression().fit((values - center) / scale, target)
        weights = model.coef_ / scale
        assert ranking.weights[code, chosen] == pytest.approx(weights, rel=1e-6)
        assert np.flatnonzero(ranking.weights[code]).tolist() == sorted(chosen)
        assert told["bias"] == pytest.approx(model.intercept_ - weights @ center, rel=1e-6)
        assert told["sizes"][-1]["r2"] == pytest.approx(
            model.score((values - center) / scale, target), abs=1e-9
        )
        outputs = model.predict((values - center) / scale)
        cuts = [f1_score(target, outputs >= cut) for cut in outputs]
        assert told["train"]["f1"] == pytest.approx(max(cuts))
        for name, acts in (("dev", dev), ("test", test)):
            values = (acts.values().astype(np.float64)[:, chosen] - center) / scale
            said = model.predict(values) >= told["threshold"]
            has = acts.layer("upos").codes == code
            assert told[name]["f1"] == pytest.approx(f1_score(has, said))
            assert told[name]["accuracy"] == pytest.approx(accuracy_score(has, said))
            assert told[name]["words"] == has.sum()
    assert ranking.details["dev"]["words"] == 200


def test_scores_are_what_a_neuron_and_those_behind_it_add() -> None:
    acts = mixed()
    ranking = rank("sparse-probing", acts, label="upos", k=4)
    assert ranking.label_scores is not None
    for code, label in enumerate(ranking.labels):
        chosen = sizes(ranking, label)[-1]["neurons"]
        complete = naive_r2(acts, tuple(chosen), code)
        before = [naive_r2(acts, tuple(chosen[:step]), code) if step else 0.0 for step in range(4)]
        assert ranking.label_scores[code, chosen] == pytest.approx(complete - np.array(before), abs=1e-9)
        assert ranking.label(label).order[:4].tolist() == chosen
        assert ranking.label(label).n_ranked == 4
        assert np.count_nonzero(ranking.label_scores[code]) == 4
    np.testing.assert_array_equal(ranking.scores, ranking.label_scores.max(axis=0))
    used = {neuron for label in ranking.labels for neuron in sizes(ranking, label)[-1]["neurons"]}
    assert ranking.n_ranked == len(used)
    assert set(ranking.order[: len(used)].tolist()) == used
    assert (np.diff(ranking.scores[ranking.order]) <= 0).all()


def test_the_planted_neurons_are_found_with_one_neuron_each() -> None:
    ranking = rank("sparse-probing", ACTS, label="upos", dev=HELD, k=1)
    assert ranking.labels == LABELS
    for label, neuron in PLANTED.exclusive.items():
        assert sizes(ranking, label)[0]["neurons"] == [neuron]
        assert ranking.details["labels"][label]["dev"]["f1"] > 0.95
    assert ranking.n_ranked == 4
    assert set(ranking.order[:4].tolist()) == set(PLANTED.exclusive.values())
    assert np.isnan(ranking.scores[list(PLANTED.constant)]).all()
    assert set(ranking.order[-2:].tolist()) == set(PLANTED.constant)
    assert ranking.details["constant"] == 2


def test_copies_add_nothing() -> None:
    rng = np.random.default_rng(4)
    codes = rng.integers(0, 3, size=300)
    values = (rng.normal(size=(300, 5)) + rng.normal(size=(3, 5))[codes]).astype(np.float32)
    wide = np.column_stack([values, values[:, ::-1], 0.3 * values[:, [2]] - 7.0, values[:, 0] + values[:, 1]])
    alone = rank("sparse-probing", labelled(values, codes), label="upos", k=5)
    ranking = rank("sparse-probing", labelled(wide, codes), label="upos", k=9)
    exact = rank("sparse-probing", labelled(wide, codes), label="upos", k=5, exact=True)
    for code, label in enumerate(ranking.labels):
        assert len(sizes(ranking, label)) == 5
        full = LinearRegression().fit(values, codes == code).score(values, codes == code)
        assert sizes(ranking, label)[-1]["r2"] == pytest.approx(full, abs=1e-7)
        for number in range(5):
            assert sizes(exact, label)[number]["r2"] >= sizes(alone, label)[number]["r2"] - 1e-7
    assert ranking.weights is not None
    assert np.abs(ranking.weights).max() < 10.0


def test_of_equals_the_seed_takes_one_wherever_they_stand() -> None:
    rng = np.random.default_rng(9)
    codes = rng.integers(0, 3, size=331)
    for width in range(61, 76):
        drawn = shuffled_places(width).tolist()
        values = rng.normal(size=(331, width))
        values[:, [width - 1, width // 2, 5]] = (np.array([0.0, 1.0, 3.0])[codes] + values[:, 0])[:, None]
        ranking = rank("sparse-probing", labelled(values, codes), label="upos", k=1)
        assert sizes(ranking, "C")[0]["neurons"] == [min((5, width // 2, width - 1), key=drawn.__getitem__)]


def test_what_rounding_tells_apart_is_equal() -> None:
    assert first_best(np.array([0.1, 0.5, 0.5 + SAME / 2, 0.4])) == 1
    assert first_best(np.array([0.1, 0.5, 0.5 + SAME * 2, 0.4])) == 2


def test_a_threshold_never_parts_equal_outputs() -> None:
    values = np.array([2.0, 2.0, 1.0, 1.0, 1.0, 1.0])[:, None]
    ranking = rank(
        "sparse-probing", labelled(values, np.array([1, 1, 1, 0, 0, 0])), label="upos", k=1, min_count=1
    )
    assert ranking.details["labels"]["B"]["train"]["f1"] == pytest.approx(0.8)
    assert ranking.details["labels"]["A"]["train"]["f1"] == pytest.approx(6 / 7)


def test_a_copy_is_told_by_the_tolerance_whichever_came_first() -> None:
    near, far = (
        np.array([[1.0, correlation], [correlation, 1.0]]) for correlation in (1.0 - COPY / 4, 1.0 - COPY)
    )
    for table, possible in ((near, False), (far, True)):
        fit = Fit(np.array([0.5, 0.3]))
        fit.add(0, table[0])
        assert (fit.gains(np.ones(2, dtype=bool))[1] > -np.inf) == possible
    step = 2.0 * np.sqrt(COPY)
    basis = np.array([[1.0, 0.0, 0.0], [1.0, step, 0.0], [0.0, 1.0, step]])
    table = basis @ basis.T / np.outer(*[np.linalg.norm(basis, axis=1)] * 2)
    fit = Fit(np.array([0.5, 0.3, 0.1]))
    fit.add(0, table[0])
    fit.add(1, table[1])
    assert fit.variance[2] > COPY
    assert fit.gains(np.ones(3, dtype=bool))[2] == -np.inf
    assert np.linalg.inv(table).diagonal().max() > 1.0 / COPY


@pytest.mark.parametrize("exact", [True, False])
def test_neurons_that_nearly_tell_each_other_give_no_nonsense(exact: bool) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        base = rng.normal(size=(300, 6))
        step = np.sqrt(rng.uniform(1.0, 4.0) * COPY)
        values = np.column_stack([base, base[:, :5] + step * base[:, 1:], base[:, 1:5] + step * base[:, 2:]])
        codes = (rng.normal(size=300) + base @ rng.normal(size=6) > 0).astype(np.int64)
        words = LabelledWords(values, codes, np.arange(300), ("A", "B"), {})
        known = LabelCorrelations(words)
        for probe in choose(known, SparseOptions(k=6, exact=exact), lambda done: None):
            for told in probe.sizes:
                chosen = values[:, told["neurons"]]
                assert len(set(told["neurons"])) == len(told["neurons"])
                expected = LinearRegression().fit(chosen, codes).score(chosen, codes)
                assert told["r2"] == pytest.approx(expected, abs=1e-6)
            assert np.isfinite(probe.fit.weights).all()


def test_permuting_the_neurons_permutes_the_ranking() -> None:
    acts = mixed()
    moved = np.random.default_rng(0).permutation(9)
    for options in ({}, {"exact": True}, {"exact": True, "candidates": 6}):
        first = rank("sparse-probing", acts, label="upos", k=4, **options)
        second = rank(
            "sparse-probing", replace(acts, array=acts.values()[:, moved]), label="upos", k=4, **options
        )
        assert first.label_scores is not None
        np.testing.assert_allclose(second.scores, first.scores[moved], rtol=1e-8, atol=1e-12)
        np.testing.assert_allclose(second.label_scores, first.label_scores[:, moved], rtol=1e-8, atol=1e-12)
        assert moved[second.order].tolist()[: second.n_ranked] == first.order.tolist()[: first.n_ranked]


def test_blocks_of_words_and_a_memory_budget_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    acts = mixed()
    expected = rank("sparse-probing", acts, label="upos", k=4, exact=True)
    monkeypatch.setattr("onegrain.rankings.sparse.correlations.BLOCK_ROWS", 7)
    monkeypatch.setattr("onegrain.rankings.sparse.exact.PAIR_ROWS", 2)
    monkeypatch.setattr(
        "onegrain.rankings.data.memory.Memory.reserve", lambda self, working, what: setattr(self, "_room", 0)
    )
    ranking = rank("sparse-probing", acts, label="upos", k=4, exact=True, memory=1)
    np.testing.assert_array_equal(ranking.order, expected.order)
    np.testing.assert_allclose(ranking.scores, expected.scores, rtol=1e-10)


def test_passes_are_shared_by_the_labels() -> None:
    assert rank("sparse-probing", ACTS, label="upos", k=5, swaps=False).details["passes"] == 7
