"""The univariate rankings: against scipy and scikit-learn, planted answers, splits of the words, refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn.feature_selection import f_classif
from sklearn.metrics import mutual_info_score

from onegrain.errors import LabelError, ParameterError
from onegrain.rankings import rank
from onegrain.rankings.univariate.counting.cells import Cells
from onegrain.rankings.univariate.counting.counts import count
from onegrain.rankings.univariate.counting.grouped_words import labelled_words
from onegrain.records.activations import Activations
from onegrain.records.corpus import UNLABELLED, Corpus, LabelLayer
from onegrain.records.ranking import Ranking
from support.planted import LABELS, plant

PLANTED = plant(160)
ACTS = PLANTED.activations
LABEL = {"mean": None, "std": None, "f-statistic": "upos", "mutual-information": "upos"}


def with_holes(acts: Activations = ACTS) -> tuple[Activations, np.ndarray]:
    """Some words without label and some without activation, and which are left."""
    layer = acts.layer("upos")
    codes = layer.codes.copy()
    codes[::7] = UNLABELLED
    missing = np.zeros(acts.n_words, dtype=bool)
    missing[[0, 3, 20, 21, 600]] = True
    values = acts.values().copy()
    values[missing] = np.nan
    corpus = acts.corpus.with_layer(LabelLayer("upos", codes, layer.vocabulary))
    return replace(acts, array=values, corpus=corpus, missing=missing), (codes >= 0) & ~missing


def cells_of(acts: Activations) -> Cells:
    return Cells.of(labelled_words(acts, "upos"), slice(0, acts.n_neurons))


def shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small blocks of words, several turns of neurons, and few of them in each piece of work."""
    monkeypatch.setattr("onegrain.rankings.data.blocks.BLOCK_ROWS", 3)
    counts = "onegrain.rankings.univariate.counting.counts"
    monkeypatch.setattr(f"{counts}.TABLE_BYTES", 4 * 4 * 256 * 11)
    for name, value in (("counts.STRIPE", 5), ("stripes.WAITING_WORDS", 7), ("stripes.TILE", 2)):
        monkeypatch.setattr(f"onegrain.rankings.univariate.counting.{name}", value)
    monkeypatch.setattr("onegrain.rankings.univariate.counting.scoring.STRIP", 3)
    monkeypatch.setattr("onegrain.rankings.univariate.counting.scoring.SORTED_BYTES", 4 * 800 * 5)


def binned(values: np.ndarray, bins: int) -> np.ndarray:
    """Bins of equal frequency, naively: how many of the inner quantiles lie below each value."""
    cuts = np.quantile(values, np.arange(1, bins) / bins, method="inverted_cdf")
    return np.array([(cuts < value).sum() for value in values])


def test_mean_and_std_equal_numpy() -> None:
    acts, _ = with_holes()
    values = acts.values()[acts.present].astype(np.float64)
    assert rank("mean", acts).scores == pytest.approx(values.mean(axis=0), rel=1e-12, abs=1e-12)
    assert rank("mean", acts, absolute=True).scores == pytest.approx(np.abs(values.mean(axis=0)), abs=1e-12)
    ranking = rank("std", acts)
    assert ranking.scores == pytest.approx(values.std(axis=0), rel=1e-12, abs=1e-12)
    assert (np.diff(ranking.scores[ranking.order]) <= 0.0).all()
    assert ranking.n_ranked == 32
    assert ranking.details == {
        "words": 795,
        "left_out": {"no_activation": 5},
        "constant": len(PLANTED.constant),
    }


def test_std_keeps_its_digits_under_a_large_mean() -> None:
    moved = ACTS.values() + np.float32(4096.0)
    expected = moved.astype(np.float64).std(axis=0)
    assert rank("std", replace(ACTS, array=moved)).scores == pytest.approx(expected, rel=1e-10, abs=1e-12)


def test_the_spread_under_each_label_keeps_its_digits_at_any_mean() -> None:
    rng = np.random.default_rng(0)
    means = np.array([0.0, 3.0, 31.0, 33.0, -1e3, 1e5, 1e30, 1e-30])
    deviations = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1e28, 1e-31])
    values = (means + deviations * rng.standard_normal((5000, 8))).astype(np.float32)
    alike = rng.integers(0, 5, 5000) == 4
    values[alike, 3] = 33.3
    codes = np.where(alike, 4, rng.integers(0, 4, 5000)).astype(np.int32)
    codes[0] = 5  # a label of one word
    corpus = Corpus.from_sentences([["w"] * 5000]).with_layer(LabelLayer("x", codes, tuple("abcdef")))
    (counts,) = count(labelled_words(Activations.from_array(values, corpus), "x"))
    for code, spread in enumerate(counts.spreads):
        values_of_label = values[codes == code].astype(np.float64)
        assert spread.words == len(values_of_label)
        assert spread.mean == pytest.approx(values_of_label.mean(axis=0), rel=1e-12, abs=1e-42)
        squares = np.square(values_of_label - values_of_label.mean(axis=0)).sum(axis=0)
        assert spread.squares == pytest.approx(squares, rel=1e-10, abs=1e-80)
    assert (counts.spreads[4].squares[3], counts.spreads[4].mean[3]) == (0.0, np.float32(33.3))
    assert (counts.spreads[5].squares == 0.0).all()


def test_f_equals_scikit_learn_and_scipy_also_for_one_label_against_the_rest() -> None:
    acts, kept = with_holes()
    values, codes = acts.values()[kept].astype(np.float64), acts.layer("upos").codes[kept]
    varies = ~np.isin(np.arange(32), PLANTED.constant)
    ranking = rank("f-statistic", acts, label="upos")
    expected, _ = f_classif(values[:, varies], codes)
    assert ranking.scores[varies] == pytest.approx(expected, rel=1e-9)
    groups = [values[codes == code][:, 5] for code in range(4)]
    assert ranking.scores[5] == pytest.approx(stats.f_oneway(*groups).statistic, rel=1e-9)
    assert ranking.labels == LABELS
    assert ranking.label_scores is not None
    for code in range(4):
        expected, _ = f_classif(values[:, varies], codes == code)
        assert ranking.label_scores[code][varies] == pytest.approx(expected, rel=1e-9)
    assert ranking.details["degrees_of_freedom"] == {
        "scores": [3, len(codes) - 4],
        "label_scores": [1, len(codes) - 2],
    }
    assert ranking.details["label_words"] == dict(zip(LABELS, np.bincount(codes).tolist(), strict=True))
    assert sum(ranking.details["left_out"].values()) == acts.n_words - len(codes)


@pytest.mark.parametrize("bins", [2, 7, 16])
def test_mutual_information_equals_scikit_learn(bins: int) -> None:
    acts, kept = with_holes()
    values, codes = acts.values()[kept], acts.layer("upos").codes[kept]
    ranking = rank("mutual-information", acts, label="upos", bins=bins)
    assert ranking.label_scores is not None
    cells = cells_of(acts).of_values(values)
    for neuron in [n for n in range(32) if n not in PLANTED.constant]:
        cut = binned(cells[:, neuron], bins)
        assert ranking.scores[neuron] == pytest.approx(mutual_info_score(codes, cut), abs=1e-12)
        for code in range(4):
            expected = mutual_info_score(codes == code, cut)
            assert ranking.label_scores[code, neuron] == pytest.approx(expected, abs=1e-12)
        uncut = mutual_info_score(codes, binned(values[:, neuron], bins))
        assert ranking.scores[neuron] == pytest.approx(uncut, abs=0.02)


def test_equal_values_share_a_bin() -> None:
    values = np.maximum(ACTS.values(), 1.0)
    ranking = rank("mutual-information", replace(ACTS, array=values), label="upos")
    for neuron in range(32):
        expected = mutual_info_score(ACTS.layer("upos").codes, binned(values[:, neuron], 16))
        if len(np.unique(values[:, neuron])) > 1:
            assert ranking.scores[neuron] == pytest.approx(expected, abs=0.02)
    switches = (ACTS.values() > 0).astype(np.float32)
    ranking = rank("mutual-information", replace(ACTS, array=switches), label="upos")
    neuron = PLANTED.exclusive["NOUN"]
    assert ranking.scores[neuron] == pytest.approx(
        mutual_info_score(ACTS.layer("upos").codes, switches[:, neuron]), abs=1e-12
    )


@pytest.mark.parametrize("method", ["f-statistic", "mutual-information"])
def test_the_planted_neurons_come_first(method: str) -> None:
    ranking = rank(method, ACTS, label="upos")
    informative = PLANTED.informative
    assert set(ranking.order[: len(informative)].tolist()) == informative
    for label, neuron in PLANTED.exclusive.items():
        assert neuron in ranking.label(label).order[:3]
    assert set(ranking.order[-len(PLANTED.constant) :].tolist()) == set(PLANTED.constant)
    assert np.isnan(ranking.scores[list(PLANTED.constant)]).all()
    n_constant = len(PLANTED.constant)
    assert (ranking.n_ranked, ranking.details["constant"]) == (32 - n_constant, n_constant)
    assert ranking.label("NOUN").n_ranked == 32 - n_constant


def test_the_planted_loud_neurons_move_most() -> None:
    ranking = rank("std", ACTS)
    assert set(ranking.order[: len(PLANTED.loud)].tolist()) == set(PLANTED.loud)
    assert set(ranking.order[-len(PLANTED.constant) :].tolist()) == set(PLANTED.constant)
    assert (ranking.scores[list(PLANTED.constant)] == 0.0).all()


def test_a_neuron_that_a_label_decides_has_an_infinite_f_and_all_the_information(
    monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    monkeypatch.setattr("onegrain.rankings.data.blocks.BLOCK_ROWS", 7)
    codes = ACTS.layer("upos").codes
    values = ACTS.values().copy()
    values[:, 9] = np.array([0.1, -0.3, 0.7, 1e6], dtype=np.float32)[codes]
    values[:, 10] = np.array([0.1, -0.3, 0.7, 2.0], dtype=np.float32)[codes]
    told = replace(ACTS, array=values)
    ranking = rank("f-statistic", told, label="upos")
    assert ranking.order[:2].tolist() == [9, 10]
    assert ranking.scores[[9, 10]].tolist() == [np.inf, np.inf]
    ranking.save(tmp_path / "f.parquet")
    np.testing.assert_array_equal(Ranking.load(tmp_path / "f.parquet").scores, ranking.scores)
    shares = np.bincount(codes) / len(codes)
    information = rank("mutual-information", told, label="upos")
    assert information.scores[10] == pytest.approx(-(shares * np.log(shares)).sum(), abs=1e-12)


@pytest.mark.parametrize("method", LABEL)
def test_the_order_of_neurons_and_the_blocks_of_words_change_nothing(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    acts, _ = with_holes()
    expected = rank(method, acts, label=LABEL[method])
    moved = np.random.default_rng(0).permutation(32)
    ranking = rank(method, replace(acts, array=acts.values()[:, moved]), label=LABEL[method])
    np.testing.assert_array_equal(ranking.scores, expected.scores[moved])
    shrink(monkeypatch)
    cut = rank(method, acts, label=LABEL[method])
    np.testing.assert_allclose(cut.scores, expected.scores, rtol=1e-10, atol=1e-12)
    if expected.label_scores is not None:
        np.testing.assert_allclose(cut.label_scores, expected.label_scores, rtol=1e-10, atol=1e-12)
    assert cut.details == expected.details


@pytest.mark.parametrize("method", LABEL)
def test_a_value_that_is_not_finite_is_refused(method: str) -> None:
    values = ACTS.values().copy()
    values[77, 13] = np.inf
    with pytest.raises(ParameterError, match=r"1 activations .* layers\.1:1 at word 77"):
        rank(method, replace(ACTS, array=values), label=LABEL[method])


@pytest.mark.parametrize("method", ["f-statistic", "mutual-information"])
def test_labels_that_tell_nothing_are_refused(method: str) -> None:
    def labelled(labels: list[str | None]) -> Activations:
        corpus = Corpus.from_sentences([["a", "b", "c"]], {"upos": [labels]})
        return Activations.from_array(np.eye(3, dtype=np.float32), corpus)

    with pytest.raises(LabelError, match=r"fewer than two labels with .* left out: X \(2 words\)"):
        rank(method, labelled(["X", "X", None]), label="upos")
    with pytest.raises(LabelError, match="the layers are: upos"):
        rank(method, labelled(["X", "Y", None]), label="penn")
    acts = labelled(["X", "Y", "Y"])
    missing = np.array([True, False, False])
    values = np.where(missing[:, None], np.float32(np.nan), np.eye(3, dtype=np.float32))
    with pytest.raises(LabelError, match=r"Y \(2\) alone is left; left out: X \(0 words\)"):
        rank(method, replace(acts, array=values, missing=missing), label="upos", min_count=1)


def test_other_refusals() -> None:
    corpus = Corpus.from_sentences([["a", "b"]], {"upos": [["X", "Y"]]})
    pair = Activations.from_array(np.eye(2, dtype=np.float32), corpus)
    with pytest.raises(LabelError, match="has one word, so nothing varies within a label"):
        rank("f-statistic", pair, label="upos", min_count=1)
    nothing = replace(pair, array=np.full((2, 2), np.nan, np.float32), missing=np.ones(2, dtype=bool))
    for method in ("mean", "std"):
        with pytest.raises(ParameterError, match=r"no word .* has an activation"):
            rank(method, nothing)
    for bins in (1, 257, 4.0, True):
        with pytest.raises(ParameterError, match="bins must be a whole number from 2 to 256"):
            rank("mutual-information", ACTS, label="upos", bins=bins)
    with pytest.raises(ParameterError, match="absolute must be true or false"):
        rank("mean", ACTS, absolute="yes")
    with pytest.raises(ParameterError, match="f-statistic needs a label layer"):
        rank("f-statistic", ACTS)
    with pytest.raises(ParameterError, match="std takes no label layer"):
        rank("std", ACTS, label="upos")
