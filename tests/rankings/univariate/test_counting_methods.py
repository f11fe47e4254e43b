"""The rankings that share one pass: against scikit-learn, scipy and naive loops, alone and together."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score
from sklearn.naive_bayes import GaussianNB

from onegrain.errors import ParameterError
from onegrain.rankings import METHODS, rank, rank_together
from onegrain.rankings.univariate.counting.cells import Cells
from onegrain.rankings.univariate.counting.grouped_words import labelled_words
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus, LabelLayer
from onegrain.records.ranking import Ranking
from rankings.univariate.test_univariate import cells_of, shrink, with_holes
from support.planted import LABELS, plant

PLANTED = plant(160)
ACTS, KEPT = with_holes(PLANTED.activations)
VALUES, CODES = ACTS.values()[KEPT], ACTS.layer("upos").codes[KEPT]
CONSTANT = sorted(PLANTED.constant)
VARIES = [neuron for neuron in range(32) if neuron not in PLANTED.constant]
COUNTING = [name for name, method in METHODS.items() if method.counting is not None]


def scores_of(ranking: Ranking, label: int) -> np.ndarray:
    assert ranking.label_scores is not None
    return ranking.label_scores[label]


def test_the_counting_methods_are_those() -> None:
    assert set(COUNTING) == {
        "f-statistic", "mutual-information", "probeless", "average-precision", "auroc", "iou", "gaussian-1d",
        "selectivity", "lape",
    }  # fmt: skip


def test_probeless_is_the_sum_of_distances() -> None:
    ranking, scaled = (rank("probeless", ACTS, label="upos", standardize=flag) for flag in (False, True))
    values = VALUES.astype(np.float64)
    means = np.stack([values[code == CODES].mean(axis=0) for code in range(4)])
    pairs = sum(np.abs(means[a] - means[b]) for a, b in combinations(range(4), 2))
    np.testing.assert_allclose(ranking.scores[VARIES], pairs[VARIES], rtol=1e-10)
    np.testing.assert_allclose(
        scaled.scores[VARIES], (pairs / values.std(axis=0).clip(1e-300))[VARIES], rtol=1e-9
    )
    for code in range(4):
        distances = sum(np.abs(means[code] - means[other]) for other in range(4))
        np.testing.assert_allclose(scores_of(ranking, code)[VARIES], distances[VARIES], rtol=1e-10)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(
    ("method", "reference"),
    [("average-precision", average_precision_score), ("auroc", roc_auc_score)],
)
def test_discrimination_equals_scikit_learn(method: str, reference, exact: bool) -> None:
    tied = VALUES.copy()
    tied[:, 3] = np.round(tied[:, 3])
    array = ACTS.values().copy()
    array[KEPT] = tied
    acts = replace(ACTS, array=array)
    ranking = rank(method, acts, label="upos", exact=exact)
    used = tied if exact else cells_of(acts).of_values(tied).astype(np.float64)
    best = np.full(32, -np.inf)
    for code in range(4):
        share = (code == CODES).mean()
        for neuron in VARIES:
            high, low = (reference(code == CODES, sign * used[:, neuron]) for sign in (1, -1))
            assert scores_of(ranking, code)[neuron] == pytest.approx(max(high, low), abs=1e-12)
            if high != pytest.approx(low, abs=1e-12):
                assert ranking.details["sign"][code][neuron] == (1 if high > low else -1)
            overall = max(high, low)
            best[neuron] = max(
                best[neuron], (overall - share) / (1 - share) if "average" in method else overall
            )
    np.testing.assert_allclose(ranking.scores[VARIES], best[VARIES], atol=1e-12)


@pytest.mark.parametrize("method", ["average-precision", "auroc"])
def test_cells_tell_nearly_what_values_tell(method: str) -> None:
    cells, values = (rank(method, ACTS, label="upos", exact=exact) for exact in (False, True))
    assert cells.label_scores is not None
    difference = np.abs(cells.label_scores - values.label_scores)[:, VARIES]
    assert 0 < difference.max() < 0.02
    assert difference.mean() < 0.002


def test_selectivity_is_the_difference_of_means_in_ranges() -> None:
    ranking = rank("selectivity", ACTS, label="upos")
    values = VALUES.astype(np.float64)[:, VARIES]
    for code in range(4):
        apart = values[code == CODES].mean(axis=0) - values[code != CODES].mean(axis=0)
        expected = apart / (values.max(axis=0) - values.min(axis=0))
        np.testing.assert_allclose(scores_of(ranking, code)[VARIES], np.abs(expected), rtol=1e-9)
        assert np.array(ranking.details["sign"])[code][VARIES].tolist() == np.sign(expected).tolist()
    np.testing.assert_array_equal(ranking.scores[VARIES], ranking.label_scores.max(axis=0)[VARIES])


def test_lape_is_log_labels_less_the_entropy() -> None:
    silent = ACTS.values().copy()
    silent[:, VARIES[0]] = -np.abs(silent[:, VARIES[0]]) - 1.0
    silent[:, VARIES[1]] = np.abs(silent[:, VARIES[1]]) + 1.0
    only = np.where(ACTS.layer("upos").codes == 2, 1.0, -1.0)
    silent[:, VARIES[2]] = np.where(np.isnan(silent[:, VARIES[2]]), np.nan, only)
    acts = replace(ACTS, array=silent.astype(np.float32))
    ranking = rank("lape", acts, label="upos")
    active = np.stack([(silent[KEPT] > 0)[code == CODES].mean(axis=0) for code in range(4)])
    for neuron in VARIES[1:]:
        expected = np.log(4) - stats.entropy(active[:, neuron])
        assert ranking.scores[neuron] == pytest.approx(expected, abs=1e-12)
        shares = active[:, neuron] / active[:, neuron].sum()
        np.testing.assert_allclose(ranking.label_scores[:, neuron], shares * expected, atol=1e-12)
    assert np.isnan(ranking.scores[VARIES[0]])
    assert ranking.scores[VARIES[1]] == pytest.approx(0.0, abs=1e-12)
    assert (ranking.order[0], ranking.scores[VARIES[2]]) == (VARIES[2], pytest.approx(np.log(4)))
    assert ranking.n_ranked == len(VARIES) - 1
    assert ranking.details["constant"] == len(CONSTANT)


def naive_iou(cells: np.ndarray, has: np.ndarray, q: float) -> float:
    """IoU of a label's words with the smallest set of highest cells that holds a share 1 - q of the words."""
    for least in range(255, -1, -1):
        top = cells >= least
        if top.sum() >= (1 - q) * len(cells) * (1 - 1e-12):
            return (top & has).sum() / (top | has).sum()
    raise AssertionError("cell 0 holds them all")


def test_iou_is_that_of_sets() -> None:
    quantiles = (0.5, 0.75, 0.9, 0.99)
    ranking = rank("iou", ACTS, label="upos", quantiles=quantiles)
    single = rank("iou", ACTS, label="upos", quantiles=0.75)
    cells = cells_of(ACTS).of_values(VALUES)
    for neuron in VARIES:
        for code in range(4):
            high, low = (
                [naive_iou(side, code == CODES, q) for q in quantiles]
                for side in (cells[:, neuron], 255 - cells[:, neuron])
            )
            expected = max(*high, *low)
            assert scores_of(ranking, code)[neuron] == pytest.approx(expected, abs=1e-12)
            assert scores_of(single, code)[neuron] == pytest.approx(max(high[1], low[1]), abs=1e-12)
            sign, q = (ranking.details[name][code][neuron] for name in ("sign", "quantile"))
            assert (high if sign == 1 else low)[quantiles.index(q)] == pytest.approx(expected, abs=1e-12)
    np.testing.assert_array_equal(ranking.scores[VARIES], ranking.label_scores.max(axis=0)[VARIES])


def test_one_gaussian_predicts_as_naive_bayes_does() -> None:
    ranking = rank("gaussian-1d", ACTS, label="upos")
    cells = cells_of(ACTS)
    seen = np.take_along_axis(cells.values(), cells.of_values(VALUES).T.astype(np.int64), axis=1)
    for neuron in VARIES:
        model = GaussianNB(var_smoothing=1e-12).fit(VALUES[:, [neuron]].astype(np.float64), CODES)
        told = f1_score(CODES, model.predict(seen[neuron][:, None]), average=None)
        np.testing.assert_allclose(ranking.label_scores[:, neuron], told, atol=1e-9)
        close = f1_score(CODES, model.predict(VALUES[:, [neuron]].astype(np.float64)), average="macro")
        assert ranking.scores[neuron] == pytest.approx(told.mean(), abs=1e-9)
        assert ranking.scores[neuron] == pytest.approx(close, abs=0.03)


@pytest.mark.parametrize("method", COUNTING)
def test_planted_neurons_come_first_and_constant_ones_have_no_score(method: str) -> None:
    ranking = rank(method, ACTS, label="upos")
    for label, neuron in PLANTED.exclusive.items():
        assert neuron in ranking.label(label).order[:4]
    places = ranking.positions()
    noise = [n for n in VARIES if n not in PLANTED.informative and n not in PLANTED.loud]
    assert max(places[list(PLANTED.exclusive.values())]) < np.median(places[noise])
    assert np.isnan(ranking.scores[CONSTANT]).all()
    assert np.isnan(ranking.label_scores[:, CONSTANT]).all()
    assert ranking.details["constant"] == len(CONSTANT)
    assert sorted(ranking.order[-len(CONSTANT) :].tolist()) == CONSTANT


def test_together_they_are_as_alone_in_one_pass_over_the_words() -> None:
    class Watched:
        """Counts how often each word is read."""

        shape, dtype, ndim = ACTS.array.shape, ACTS.array.dtype, 2

        def __init__(self) -> None:
            self.reads = np.zeros(ACTS.n_words, dtype=int)

        def __getitem__(self, key) -> np.ndarray:
            self.reads[key[0]] += 1
            return ACTS.array[key]

    watched = Watched()
    asked = {"iou": {"quantiles": [0.9]}, "mutual-information": {"bins": 8}}
    names = [*COUNTING, "random"]
    rankings = rank_together(names, replace(ACTS, array=watched), label="upos", seed=3, parameters=asked)
    assert list(rankings) == names
    assert watched.reads.max() == 2  # once to lay the cells out, once to count: all words are few
    for name, ranking in rankings.items():
        label = None if name == "random" else "upos"
        alone = rank(name, ACTS, label=label, seed=3, **asked.get(name, {}))
        np.testing.assert_array_equal(ranking.scores, alone.scores)
        np.testing.assert_array_equal(ranking.order, alone.order)
        if alone.label_scores is not None:
            np.testing.assert_array_equal(ranking.label_scores, alone.label_scores)
        assert ranking.details == alone.details
        assert ranking.provenance == alone.provenance


def test_the_sample_is_small_and_spread_over_the_words() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(20_000, 3)).astype(np.float32) * [1.0, 1e-2, 0.0] + [0.0, 1e4, 7.0]
    values[-2048:, 2] = 9.0
    codes = rng.integers(0, 2, 20_000).astype(np.int32)
    corpus = Corpus.from_sentences([["w"] * 20_000])
    acts = Activations.from_array(
        values.astype(np.float32), corpus.with_layer(LabelLayer("x", codes, ("a", "b")))
    )
    cells = Cells.of(labelled_words(acts, "x"), slice(0, 3))
    assert cells.middle == pytest.approx([0.0, 1e4, 7.0], abs=0.2)
    assert cells.unit[:2] == pytest.approx([2.0, 0.02], rel=0.2)
    numbers = cells.of_values(acts.values())
    assert (np.diff(numbers[np.argsort(values[:, 0], kind="stable"), 0].astype(int)) >= 0).all()
    assert len(np.unique(numbers[:, 1])) > 15  # as float32 has them
    assert len(np.unique(numbers[:, 2])) == 2


def test_values_at_the_limits_stay_in_order() -> None:
    cells = Cells(np.zeros(1, np.float32), np.full(1, 1e-30, np.float32), np.zeros(1, np.int64))
    values = np.array([[-3e38], [-65504.0], [-1e-31], [0.0], [1e-31], [1e-30], [65504.0], [3e38]], np.float32)
    numbers = cells.of_values(values)[:, 0].astype(int)
    assert (np.diff(numbers) >= 0).all()
    assert (numbers[0], numbers[3], numbers[-1]) == (0, 128, 255)


def test_values_further_apart_than_float32_reaches_stay_in_order() -> None:
    values = np.linspace(-3.4e38, 3.4e38, 700, dtype=np.float64).astype(np.float32)[:, None].repeat(3, axis=1)
    values[:, 1:], values[1:, 2] = np.float32(3.4e38), np.float32(-3.4e38)
    layer = LabelLayer("x", np.arange(700, dtype=np.int32) % 2, ("a", "b"))
    acts = Activations.from_array(values, Corpus.from_sentences([["w"] * 700]).with_layer(layer))
    cells = Cells.of(labelled_words(acts, "x"), slice(0, 3))
    numbers = cells.of_values(values).astype(int)
    np.testing.assert_array_equal(numbers, [cells.of_values(row[None])[0] for row in values])
    assert (np.diff(numbers[:, 0]) >= 0).all()
    assert len(np.unique(numbers[:, 0])) > 20
    assert [len(np.unique(numbers[:, column])) for column in (1, 2)] == [1, 2]


@pytest.mark.parametrize("method", COUNTING)
def test_the_order_of_neurons_the_blocks_and_the_turns_change_nothing(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"exact": True} if method == "auroc" else {}
    expected = rank(method, ACTS, label="upos", **options)
    moved = np.random.default_rng(0).permutation(32)
    ranking = rank(method, replace(ACTS, array=ACTS.values()[:, moved]), label="upos", **options)
    np.testing.assert_array_equal(ranking.scores, expected.scores[moved])
    shrink(monkeypatch)
    cut = rank(method, ACTS, label="upos", **options)
    np.testing.assert_allclose(cut.scores, expected.scores, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(cut.label_scores, expected.label_scores, rtol=1e-10, atol=1e-12)
    assert cut.details.keys() == expected.details.keys()
    assert cut.details["constant"] == expected.details["constant"]


@pytest.mark.parametrize("method", COUNTING)
def test_values_that_are_not_finite_are_refused(method: str) -> None:
    values = ACTS.values().copy()
    values[78, 13] = -np.inf
    with pytest.raises(ParameterError, match="not finite; the first is neuron"):
        rank(method, replace(ACTS, array=values), label="upos")


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("probeless", {"standardize": 1}, "standardize must be true or false"),
        ("auroc", {"exact": "yes"}, "exact must be true or false"),
        ("iou", {"quantiles": [0.5, 1.0]}, "quantiles must be one or more numbers between 0 and 1"),
        ("iou", {"quantiles": []}, "quantiles must be one or more"),
        ("iou", {"quantiles": "high"}, "quantiles must be one or more"),
        ("lape", {"label": None}, "lape needs a label layer"),
        ("selectivity", {"dev": ACTS}, "selectivity uses no held-out words"),
    ],
)
def test_refusals(method: str, options: dict, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        rank(method, ACTS, **{"label": "upos", **options})


def test_what_together_refuses() -> None:
    for names, options, message in (
        (["auroc", "auroc"], {"label": "upos"}, "name each method once, got auroc"),
        ([], {"label": "upos"}, "name each method once, got none"),
        (["auroc"], {}, "auroc needs a label layer"),
        (["std"], {"label": "upos"}, "std takes no label layer; leave it out"),
        (["std", "random"], {"label": "upos"}, "none of the methods takes label"),
        (
            ["auroc"],
            {"label": "upos", "parameters": {"iou": {}}},
            "parameters of iou, which is not among auroc",
        ),
        (["auroc", "lca", "nothing"], {"label": "upos"}, "no ranking method 'nothing'"),
    ):
        with pytest.raises(ParameterError, match=message):
            rank_together(names, ACTS, **options)
    assert rank_together(["std", "auroc"], ACTS, label="upos")["auroc"].labels == LABELS
