"""Scores that should not depend on a neuron's scale do not, whatever float32 holds; one rule of constancy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import onegrain as og
from onegrain.rankings import METHODS, rank
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus, LabelLayer

SENTENCES, LENGTH, NEURONS = 60, 10, 24
WORDS = SENTENCES * LENGTH
DEAD, BIAS = 5, 11
"""A neuron that never changes, and one that toggles between two neighbouring floats."""
EXPONENTS = [-126, -110, -63, -31, 0, 31, 62, 100, 120]
"""Powers of two, and so exact; tests multiply values of some units by them."""

FREE: dict[str, dict[str, Any]] = {
    "maxcorr": {"partners": 2},
    "mincorr": {},
    "linreg": {},
    "f-statistic": {},
    "mutual-information": {},
    "probeless": {"standardize": True},
    "average-precision": {},
    "auroc": {},
    "iou": {},
    "gaussian-1d": {},
    "selectivity": {},
    "lape": {},
    "gaussian": {"k": 4, "dev_share": 0.2},
    "sparse-probing": {"k": 2},
    "lca": {"standardize": True, "lambda1": 1e-3, "lambda2": 1e-3, "evaluate": False, "dev_share": 0.2},
    "random": {},
}
"""Methods whose scores do not depend on the scale of any neuron, with parameters."""
OF_SCALE = {"mean", "std", "neurox", "svcca", "integrated-gradients"}
"""Methods whose scores do."""


def corpus() -> Corpus:
    rng = np.random.default_rng(5)
    words = Corpus.from_sentences([[f"w{i}_{j}" for j in range(LENGTH)] for i in range(SENTENCES)])
    labels = list(rng.choice(list("ABC"), WORDS, p=[0.5, 0.3, 0.2]))
    return words.with_layer(LabelLayer.from_labels("tag", labels))


def values(seed: int, text: Corpus) -> np.ndarray:
    """Neurons of order 1, float32: some tell labels, some are alike over models."""
    rng, shared = np.random.default_rng(seed), np.random.default_rng(9).normal(size=(WORDS, 6))
    table = rng.normal(size=(WORDS, NEURONS)) + 1.0
    table[:, :6] += shared
    for code in range(3):
        table[:, 6 + code] += 1.5 * (text.layer("tag").codes == code)
    table[:, DEAD] = 0.75
    table[:, BIAS] = 1.0 + 2.0**-23 * (rng.random(WORDS) < 0.5)
    return (
        np.round(table * 2.0**12).astype(np.float32) / np.float32(2.0**12) if seed else table.astype(np.float32)
    )


TEXT = corpus()
OWN, OTHER = values(0, TEXT), values(1, TEXT)


def scaled(table: np.ndarray, exponents: np.ndarray) -> Activations:
    with np.errstate(under="ignore"):
        return Activations.from_array(np.ldexp(table, exponents).astype(np.float32), TEXT)


def ranking(method: str, exponents: np.ndarray, others: np.ndarray) -> og.Ranking:
    entry = METHODS[method]
    more: dict[str, Any] = {"label": "tag"} if entry.needs_label else {}
    if entry.needs_others:
        more["others"] = [scaled(OTHER, others)]
    return rank(method, scaled(OWN, exponents), **more, **FREE[method])


def test_every_method_is_said_to_depend_on_scale_or_not() -> None:
    assert {*FREE, *OF_SCALE} >= set(METHODS) - {name for name in METHODS if name.startswith("_")}


@pytest.mark.parametrize("method", FREE)
def test_scores_do_not_depend_on_the_scale_of_a_neuron(method: str) -> None:
    rng = np.random.default_rng(3)
    none = np.zeros(NEURONS, dtype=np.int64)
    plain = ranking(method, none, none)
    for _ in range(2):
        exponents, others = rng.choice(EXPONENTS, (2, NEURONS))
        scaled_ranking = ranking(method, exponents, others)
        # the normal numbers of float32 end at 2^-126: below, values lose digits
        np.testing.assert_allclose(scaled_ranking.scores, plain.scores, rtol=2e-3, atol=2e-3)
        exact = np.clip(exponents, -90, 120), np.clip(others, -90, 120)
        scaled_ranking = ranking(method, *exact)
        np.testing.assert_allclose(scaled_ranking.scores, plain.scores, rtol=1e-5, atol=1e-6)
        if method != "lca":
            assert scaled_ranking.order.tolist() == plain.order.tolist() or method in (
                "maxcorr",
                "mincorr",
                "linreg",
            )


@pytest.mark.parametrize("method", FREE)
def test_a_model_that_is_tiny_or_huge_altogether_is_ranked_as_it_is_at_size_one(method: str) -> None:
    none = np.zeros(NEURONS, dtype=np.int64)
    plain = ranking(method, none, none)
    for exponent in (-105, 60, 122):
        scaled_ranking = ranking(method, none + exponent, none - min(exponent, 100))
        np.testing.assert_allclose(scaled_ranking.scores, plain.scores, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("method", sorted({*FREE} - {"random"}))
def test_constant_neurons_are_told_by_one_rule(method: str) -> None:
    rng = np.random.default_rng(4)
    for exponents in (np.zeros(NEURONS, dtype=np.int64), rng.choice(EXPONENTS[1:], NEURONS)):
        scaled_ranking = ranking(method, exponents, exponents)
        assert scaled_ranking.details["constant"] == 2
        assert set(scaled_ranking.order[-2:].tolist()) == {DEAD, BIAS}
        if method == "lca":
            assert (scaled_ranking.scores[[DEAD, BIAS]] == 0.0).all()
        else:
            assert np.flatnonzero(np.isnan(scaled_ranking.scores)).tolist() == [DEAD, BIAS]


@pytest.mark.parametrize("method", ["mean", "std", "neurox"])
def test_methods_of_scale_count_the_same_neurons_as_constant(method: str) -> None:
    more = {"label": "tag", "epochs": 1} if method == "neurox" else {}
    scaled_ranking = rank(method, scaled(OWN, np.zeros(NEURONS, dtype=np.int64)), **more)
    assert scaled_ranking.details["constant"] == 2
    if method == "std":
        assert (scaled_ranking.scores[[DEAD, BIAS]] == 0.0).all()
        huge = np.where(np.arange(NEURONS) == BIAS, 100, 0)
        assert set(rank("std", scaled(OWN, huge)).order[-2:].tolist()) == {DEAD, BIAS}


def test_a_neuron_that_wakes_up_after_the_first_blocks_is_summed_in_its_own_scale() -> None:
    """Its values grow by sixty orders of magnitude between blocks of one shard, and shrink between shards."""
    rng, words = np.random.default_rng(6), 40_000
    text = Corpus.from_sentences([["w"] * 100 for _ in range(words // 100)])
    table = rng.normal(size=(words, 3))
    table[:, 1] += table[:, 0]
    scale = np.ones(words)
    scale[:5000], scale[5000:9000] = 1e-30, 0.0
    subject = np.column_stack([table[:, 0] * scale, table[:, 1] * 1e-34, table[:, 2] * scale * 1e25])
    other = np.column_stack([table[:, 1] * scale * 1e30, table[:, 0], table[:, 2] * 1e-20])
    first, second = subject.astype(np.float32), other.astype(np.float32)
    with np.errstate(invalid="ignore"):
        both = np.concatenate([first, second], axis=1).astype(np.float64)
        expected = np.abs(np.corrcoef(both / np.abs(both).max(axis=0), rowvar=False)[:3, 3:]).max(axis=1)
    scaled_ranking = rank(
        "maxcorr", Activations.from_array(first, text), others=[Activations.from_array(second, text)]
    )
    np.testing.assert_allclose(scaled_ranking.scores, expected, rtol=1e-5)


@pytest.mark.parametrize("measure", ["cka", "svcca", "pwcca"])
@pytest.mark.parametrize("exponents", [(-105, 0), (60, -60), (110, 100)])
def test_similarities_do_not_depend_on_the_scale_of_a_model(measure: str, exponents: tuple[int, int]) -> None:
    none = np.zeros(NEURONS, dtype=np.int64)
    plain = og.similarity(scaled(OWN, none), scaled(OTHER, none), measures=measure)
    similarities = og.similarity(
        scaled(OWN, none + exponents[0]), scaled(OTHER, none + exponents[1]), measures=measure
    )
    assert similarities.table[measure].tolist() == pytest.approx(plain.table[measure].tolist(), rel=1e-5)


def test_a_huge_constant_neuron_does_not_move_a_similarity() -> None:
    none = np.zeros(NEURONS, dtype=np.int64)
    huge = np.where(np.isin(np.arange(NEURONS), [DEAD, BIAS]), 90, 0)
    for measure in ("cka", "svcca", "pwcca"):
        plain, scaled_ranking = (
            og.similarity(scaled(OWN, exponents), scaled(OTHER, exponents), measures=measure)
            .table[measure]
            .tolist()
            for exponents in (none, huge)
        )
        assert scaled_ranking == pytest.approx(plain, rel=1e-6)


def test_svcca_does_not_depend_on_the_scale_of_a_model() -> None:
    none = np.zeros(NEURONS, dtype=np.int64)
    plain, scaled_ranking = (
        rank("svcca", scaled(OWN, none + first), others=[scaled(OTHER, none + second)]).scores
        for first, second in ((0, 0), (-100, 90))
    )
    np.testing.assert_allclose(scaled_ranking, plain, rtol=1e-6)


def test_clusters_do_not_depend_on_the_scale_of_a_neuron() -> None:
    none = np.zeros(NEURONS, dtype=np.int64)
    exponents = np.random.default_rng(8).choice(EXPONENTS[1:], NEURONS)
    plain, scaled_ranking = (og.clusters(scaled(OWN, shift), threshold=0.6) for shift in (none, exponents))
    assert scaled_ranking.numbers.tolist() == plain.numbers.tolist()
    assert scaled_ranking.details["constant"] == plain.details["constant"] == 2


def test_an_ordinary_neuron_keeps_its_bits_beside_extreme_ones() -> None:
    none = np.zeros(NEURONS, dtype=np.int64)
    some = np.where(np.arange(NEURONS) < 4, -100, 0)
    for method in ("maxcorr", "auroc", "mutual-information", "f-statistic", "gaussian-1d"):
        plain, scaled_ranking = ranking(method, none, none), ranking(method, some, none)
        np.testing.assert_array_equal(scaled_ranking.scores[4:], plain.scores[4:])
