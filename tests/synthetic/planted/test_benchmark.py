"""The planted-neuron benchmark: its bytes never change, and each neuron does what its kind says."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import onegrain as og
from onegrain.errors import MismatchError, ParameterError
from onegrain.synthetic.planted.columns import draw_words
from onegrain.synthetic.planted.neurons import INFORMATIVE, KINDS

BENCHMARK = og.planted_benchmark("1")
LABELS = ("ADJ", "DET", "NOUN", "VERB")

BYTES = {
    "clear": "0adaffa3fffbebea",
    "faint": "87e1d756af3334d4",
    "buried": "06a09f4b4231eb2d",
    "rare": "216daabce8fb8cfc",
    "low": "9df54717cf8823d0",
    "shared": "a033c9b101bce7b1",
    "copies": "debe1cb22e47278e",
    "weak": "3d2f75171b3b9e83",
    "masked": "777212b2f2c841bc",
    "pairs": "3d2785126c913119",
    "variance": "c412a6bd9ec72cb1",
    "scales": "d028a6347be4215a",
    "offsets": "f72e2cc5b9f9068f",
    "rectified": "e6fb3b0c76d67b5e",
    "outliers": "8b04348d4e676d7d",
    "confounded": "309b9301fc88d323",
    "mixed": "3aeac608ac5ec62b",
}


def digest(case: og.PlantedCase) -> str:
    """Of all that a method and its score can see."""
    hasher = hashlib.sha256()
    for acts in (case.activations, case.dev, *case.others):
        hasher.update(np.ascontiguousarray(acts.values(), dtype="<f4").tobytes())
        hasher.update(" ".join(acts.corpus.words).encode())
        for layer in ("upos", "topic"):
            hasher.update(acts.layer(layer).codes.astype("<i4").tobytes())
    hasher.update(" ".join(case.planted.kind).encode())
    hasher.update(case.planted.carries.tobytes())
    hasher.update(case.planted.original.astype("<i8").tobytes())
    return hasher.hexdigest()[:16]


def column_of(case: og.PlantedCase, *kinds: str, label: str | None = None) -> np.ndarray:
    """Float64 values of the first neuron of a kind."""
    return case.activations.values()[:, case.planted.indices(*kinds, label=label)[0]].astype(np.float64)


def has_label(case: og.PlantedCase, label: str) -> np.ndarray:
    layer = case.activations.layer("upos")
    return layer.codes == layer.vocabulary.index(label)


@pytest.mark.parametrize("name", [scenario.name for scenario in BENCHMARK.scenarios])
def test_the_bytes_of_version_1_never_change(name: str) -> None:
    assert digest(BENCHMARK.plant(name, seed=0)) == BYTES[name]


def test_no_scenario_of_version_1_was_added_or_taken_away() -> None:
    assert [scenario.name for scenario in BENCHMARK.scenarios] == list(BYTES)


def test_another_seed_gives_other_words_and_another_order() -> None:
    first, second = (BENCHMARK.plant("clear", seed) for seed in (0, 1))
    assert first.planted.kind.tolist() != second.planted.kind.tolist()
    assert first.activations.corpus.content_hash != second.activations.corpus.content_hash
    assert first.dev.corpus.content_hash != first.activations.corpus.content_hash


def test_an_index_tells_nothing_about_a_kind() -> None:
    places = np.concatenate([BENCHMARK.plant("clear", s).planted.indices(*INFORMATIVE) for s in range(40)])
    assert places.mean() == pytest.approx(39.5, abs=4 * 23.1 / np.sqrt(places.size))


def test_every_kind_is_planted_somewhere_and_labels_come_in_the_shares() -> None:
    cases = {scenario.name: BENCHMARK.plant(scenario.name) for scenario in BENCHMARK.scenarios}
    assert set().union(*(case.planted.kind for case in cases.values())) == set(KINDS)
    rare = cases["rare"].activations
    assert rare.layer("upos").counts() == {"ADJ": 1200, "DET": 560, "NOUN": 200, "VERB": 40}
    for case in cases.values():
        informative = np.isin(case.planted.kind, INFORMATIVE)
        assert (case.planted.carries.any(axis=1) == informative).all()
        assert case.planted.labels == case.activations.layer("upos").vocabulary == LABELS


@pytest.mark.parametrize("name", ["clear", "masked", "pairs", "variance", "confounded"])
def test_neither_mean_nor_deviation_betrays_a_neuron(name: str) -> None:
    """Both are set by 2000 words drawn apart, and so are 0 and 1 to about 2 / sqrt(2000)."""
    case = BENCHMARK.plant(name)
    values = case.activations.values().astype(np.float64)
    varying = case.planted.kind != "constant"
    assert np.abs(values[:, varying].mean(axis=0)).max() < 5 * np.sqrt(2 / 2000)
    assert np.abs(values[:, varying].std(axis=0) - 1.0).max() < 0.15


def test_exclusive_neurons_are_high_by_the_strength_at_their_label() -> None:
    for name, strength in (("clear", 1.0), ("faint", 0.25), ("low", -0.6)):
        case = BENCHMARK.plant(name, seed=2)
        values = case.activations.values().astype(np.float64)
        for label in LABELS:
            labelled = has_label(case, label)
            for neuron in case.planted.indices("exclusive", label=label):
                inside, rest = values[labelled, neuron], values[~labelled, neuron]
                error = np.sqrt(1 / inside.size + 1 / rest.size)
                assert (inside.mean() - rest.mean()) / rest.std() == pytest.approx(strength, abs=4 * error)


def test_a_suppressor_knows_nothing_alone_and_frees_the_masked_neuron() -> None:
    case = BENCHMARK.plant("masked")
    labelled = has_label(case, "NOUN")
    masked, suppressor = (column_of(case, kind, label="NOUN") for kind in ("masked", "suppressor"))
    assert stats.ttest_ind(suppressor[labelled], suppressor[~labelled]).pvalue > 0.001
    alone = np.corrcoef(masked, labelled)[0, 1]
    freed = masked - np.polyval(np.polyfit(suppressor, masked, 1), suppressor)
    assert 0.0 < alone < 0.2 < 0.6 < np.corrcoef(freed, labelled)[0, 1]


def test_only_the_product_of_a_pair_tells_the_label() -> None:
    case = BENCHMARK.plant("pairs")
    labelled = has_label(case, "VERB")
    values = case.activations.values()[:, case.planted.indices("pair", label="VERB")].astype(np.float64)
    for column in values.T:
        assert stats.ks_2samp(column[labelled], column[~labelled]).pvalue > 0.001
    products = [values[:, right] * values[:, left] for right in range(4) for left in range(right)]
    told = np.array([abs(np.corrcoef(product, labelled)[0, 1]) for product in products])
    assert (told > 0.5).sum() == 2
    assert np.sort(told)[:4].max() < 0.1


def test_a_variance_neuron_has_one_mean_and_two_deviations() -> None:
    case = BENCHMARK.plant("variance")
    labelled, values = has_label(case, "DET"), column_of(case, "variance", label="DET")
    assert values[labelled].std() / values[~labelled].std() == pytest.approx(2.0, rel=0.15)
    assert stats.ttest_ind(values[labelled], values[~labelled], equal_var=False).pvalue > 0.001


def test_a_confounded_neuron_tells_nothing_of_the_label_where_its_confounder_is_known() -> None:
    """Each follows word, place or topic: within each value of that, its means at the labels are the same."""
    case = BENCHMARK.plant("confounded", seed=1)
    values = case.activations.values().astype(np.float64)
    codes = case.activations.layer("upos").codes
    confounders = {
        "word": np.array([int(word[1:]) for word in case.activations.corpus.words]) % 4,
        "place": np.tile(np.arange(5), 400) % 4,
        "topic": case.activations.layer("topic").codes,
    }
    followed = []
    for neuron in case.planted.indices("confounded"):
        column = values[:, neuron]
        means = {
            name: [column[numbers == value].mean() for value in range(4)]
            for name, numbers in confounders.items()
        }
        confounder = max(means, key=lambda name: np.ptp(means[name]))
        followed.append((confounder, int(np.argmax(means[confounder]))))
        groups = [column[codes == code] for code in range(4)]
        assert stats.f_oneway(*groups).pvalue < 1e-10
        for value in range(4):
            chosen = confounders[confounder] == value
            assert stats.f_oneway(*(column[chosen & (codes == code)] for code in range(4))).pvalue > 1e-4
    assert sorted(followed) == sorted((name, value) for name in confounders for value in range(4))


def test_the_forms_are_those_of_the_groups() -> None:
    outliers, rectified = BENCHMARK.plant("outliers"), BENCHMARK.plant("rectified")
    huge = np.abs(outliers.activations.values()) > 15
    assert huge[:, outliers.planted.indices("outlier")].mean() == pytest.approx(0.005, rel=0.15)
    assert not huge[:, outliers.planted.indices("noise", "constant")].any()
    with_outliers = huge[:, outliers.planted.indices("exclusive")].any(axis=0)
    assert with_outliers.sum() == 8
    values = rectified.activations.values()[:, rectified.planted.kind != "constant"]
    assert ((values == 0) | (values >= 1)).all()
    assert (values == 0).mean() == pytest.approx(stats.norm.cdf(1), abs=0.01)
    shifted = BENCHMARK.plant("offsets").activations.values().mean(axis=0)
    assert np.unique(shifted.round(-3)).tolist() == [-10_000.0, 0.0, 10_000.0]
    scales = BENCHMARK.plant("scales")
    deviations = scales.activations.values().std(axis=0)
    assert deviations[scales.planted.indices("loud")] == pytest.approx(np.full(22, 30.0), rel=0.1)
    exclusive = np.sort(deviations[scales.planted.indices("exclusive")])
    assert exclusive == pytest.approx(np.repeat([0.01, 1.0, 30.0], 4), rel=0.1)


def test_copies_repeat_their_original_and_constants_are_constant() -> None:
    case = BENCHMARK.plant("copies")
    values = case.activations.values().astype(np.float64)
    copies = case.planted.indices("copy")
    assert (case.planted.kind[case.planted.original[copies]] == "exclusive").all()
    assert (case.planted.carries[case.planted.original[copies]] == case.planted.carries[copies]).all()
    for copy in copies:
        correlation = np.corrcoef(values[:, copy], values[:, case.planted.original[copy]])[0, 1]
        assert correlation == pytest.approx(0.9, abs=0.03)
    constant = values[:, case.planted.indices("constant")]
    assert (constant == constant[0]).all()
    assert 0.0 in constant[0]


def test_the_other_model_has_what_is_planted_and_no_noise_in_common() -> None:
    case = BENCHMARK.plant("clear")
    other = case.others[0]
    case.activations.require_same_words(other)
    varying = case.planted.kind != "constant"
    with np.errstate(invalid="ignore"):
        table = np.abs(np.corrcoef(case.activations.values().T, other.values().T)[:80, 80:])
    best = np.nan_to_num(table).max(axis=1)
    informative = np.isin(case.planted.kind, INFORMATIVE)
    assert best[informative].min() > 0.1 > best[varying & ~informative].max()


def test_held_out_words_are_of_the_same_neurons() -> None:
    case = BENCHMARK.plant("clear", seed=4)
    means = []
    for acts in (case.activations, case.dev):
        codes = acts.layer("upos").codes
        means.append(np.stack([acts.values()[codes == code].mean(axis=0) for code in range(4)]))
    assert means[0] == pytest.approx(means[1], abs=0.35)
    assert np.corrcoef(means[0].ravel(), means[1].ravel())[0, 1] > 0.8


def test_score_takes_one_ranking_or_several_and_any_seeds() -> None:
    table = BENCHMARK.score(
        lambda case: {
            "one": og.rank("random", case.activations, seed=case.seed),
            "f": og.rank("f-statistic", case.activations, label="upos"),
        },
        seeds=[3, 5],
        scenarios=["clear", "rare"],
    )
    overall = table[table["scope"] == "all"]
    assert list(zip(overall["ranking"], overall["scenario"], overall["seed"], strict=True)) == [
        (name, scenario, seed) for scenario in ("clear", "rare") for seed in (3, 5) for name in ("one", "f")
    ]
    assert set(table.loc[table["ranking"] == "one", "scope"]) == {"all", "kind"}
    assert set(table.loc[table["ranking"] == "f", "name"]) == {"", "exclusive", *LABELS}
    alone = BENCHMARK.score(
        lambda case: og.rank("f-statistic", case.activations, label="upos"), seeds=[3], scenarios=["clear"]
    )
    wanted = table[(table["ranking"] == "f") & (table["scenario"] == "clear") & (table["seed"] == 3)]
    pd.testing.assert_frame_equal(
        alone.drop(columns="ranking"), wanted.drop(columns="ranking").reset_index(drop=True)
    )
    assert set(alone["ranking"]) == {"f-statistic"}


def test_words_keep_to_the_agreement() -> None:
    scenario = replace(BENCHMARK.scenario("clear"), agreement=1.0)
    words = draw_words(scenario, 0, np.random.RandomState(0))
    for name in ("word", "place", "topic"):
        assert (words.favoured(name) == words.codes).all()
    free = draw_words(BENCHMARK.scenario("clear"), 0, np.random.RandomState(0))
    for name in ("word", "place", "topic"):
        assert (free.favoured(name) == free.codes).mean() == pytest.approx(0.25, abs=0.05)


def test_refusals() -> None:
    with pytest.raises(ParameterError, match=r"no version '9' .* the versions are: 1"):
        og.planted_benchmark("9")
    with pytest.raises(
        ParameterError, match=r"no scenario 'loud' in version 1; the scenarios are: clear, faint"
    ):
        BENCHMARK.plant("loud")
    for seed, message in ((-1, "whole number from 0"), (0.5, "whole number from 0"), (2**32, "at most")):
        with pytest.raises(ParameterError, match=message):
            BENCHMARK.plant("clear", seed)
    with pytest.raises(ParameterError, match="nothing to score"):
        BENCHMARK.score(lambda case: og.rank("std", case.activations), seeds=0)
    with pytest.raises(ParameterError, match="no scenario 'x'"):
        BENCHMARK.score(lambda case: og.rank("std", case.activations), seeds=1, scenarios=["clear", "x"])
    other = og.rank("std", BENCHMARK.plant("mixed").activations)
    with pytest.raises(MismatchError, match="std ranking: expected neurons of"):
        BENCHMARK.score(lambda case: other, seeds=1, scenarios=["clear"])
