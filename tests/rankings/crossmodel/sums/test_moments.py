"""Sums over shards: against float64 numpy, merged in any order, and what they make of hard numbers."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from onegrain.errors import ParameterError
from onegrain.rankings.crossmodel.partners import correlations
from onegrain.rankings.crossmodel.sums.moments import CrossMoments, Product
from onegrain.rankings.crossmodel.sums.summing import Summing
from onegrain.rankings.data import blocks as module
from onegrain.records.activations import Activations
from support.planted import labelled_corpus

CORPUS = labelled_corpus(150)
WORDS = CORPUS.n_words


def activations(values: np.ndarray) -> Activations:
    return Activations.from_array(values, CORPUS)


def pair(seed: int = 0) -> tuple[Activations, Activations]:
    """Neurons with every trait that costs digits: 9 and 8 of them, some alike."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(WORDS, 3))
    subject = rng.normal(size=(WORDS, 9)) + common @ rng.normal(size=(3, 9))
    other = rng.normal(size=(WORDS, 8)) + common @ rng.normal(size=(3, 8))
    subject[:, 1] = 1e4 + 1e-2 * subject[:, 1]
    other[:, 2] = 1e4 + 1e-2 * subject[:, 0]
    subject[:, 3] = -3e6 + 50.0 * subject[:, 3]
    subject[:, 4] *= 1e-8
    other[:, 4] *= 1e12
    subject[:, 5] += np.linspace(0.0, 300.0, WORDS)  # drifts from the first block on
    other[:, 5] += np.linspace(0.0, 300.0, WORDS)
    subject[:, 6] = 7.25
    return activations(subject.astype(np.float32)), activations(other.astype(np.float32))


def moments_of(
    models: Sequence[Activations],
    products: Sequence[Product],
    words: tuple[int, int],
    among: np.ndarray,
    **options,
) -> CrossMoments:
    """The sums over one shard."""
    return Summing(models, products, among, **options).over(words)


def product(subject: Activations, other: Activations) -> list[Product]:
    return [Product(0, slice(0, subject.n_neurons), 1, slice(0, other.n_neurons))]


def table(moments: CrossMoments) -> np.ndarray:
    moments.widen()
    ((asked, sums),) = moments.products
    return np.concatenate([values for _, values in correlations(moments, asked, sums)])


def everywhere(models: tuple[Activations, ...]) -> np.ndarray:
    return np.logical_and.reduce([model.present for model in models])


def expected(subject: Activations, other: Activations) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        both = np.concatenate([subject.values(), other.values()], axis=1).astype(np.float64)
        return np.corrcoef(both.T)[: subject.n_neurons, subject.n_neurons :]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rows", [1, 50, 2048])
def test_equals_numpy_in_float64(monkeypatch, dtype, rows):
    monkeypatch.setattr(module, "BLOCK_ROWS", rows)
    models = pair()
    moments = moments_of(models, product(*models), (0, WORDS), everywhere(models), dtype=dtype)
    values, known = table(moments), expected(*models)
    assert np.isnan(values[6]).all()
    kept = [0, 1, 2, 3, 4, 5, 7, 8]
    np.testing.assert_allclose(values[kept], known[kept], atol=1e-5)
    assert moments.by_model[0].constant.tolist() == [False] * 6 + [True] + [False] * 2
    double = models[0].values().astype(np.float64)
    apart = np.abs(moments.by_model[0].mean - double.mean(axis=0))
    assert (apart[kept] < 1e-6 * double[:, kept].std(axis=0)).all()
    spread = np.sqrt(moments.by_model[0].squares[kept] / WORDS)
    np.testing.assert_allclose(spread, double[:, kept].std(axis=0), rtol=1e-5)


def shards(models: tuple[Activations, ...], edges: list[int]) -> list[CrossMoments]:
    summing = Summing(models, product(*models), everywhere(models))
    return [summing.over(words) for words in pairwise(edges)]


def merged(parts: list[CrossMoments]) -> CrossMoments:
    first, *rest = deepcopy(parts)
    for moments in rest:
        first.merge(moments)
    return first


def test_shards_merge_in_any_order_and_grouping():
    models = pair(1)
    parts = shards(models, [0, 1, 17, 18, 200, 201, WORDS - 3, WORDS])
    undivided = table(moments_of(models, product(*models), (0, WORDS), everywhere(models)))
    forward, backward = merged(parts), merged(parts[::-1])
    grouped = merged([merged(parts[:3]), merged(parts[3:5]), merged(parts[5:])])
    kept = [0, 1, 2, 3, 4, 5, 7, 8]
    for moments in (forward, backward, grouped):
        assert moments.words == WORDS
        assert moments.by_model[0].constant.tolist() == [False] * 6 + [True] + [False] * 2
        np.testing.assert_allclose(table(moments)[kept], undivided[kept], atol=3e-6)
        np.testing.assert_allclose(moments.by_model[0].mean, forward.by_model[0].mean, rtol=1e-12)
        np.testing.assert_allclose(
            moments.by_model[0].squares[kept], forward.by_model[0].squares[kept], rtol=1e-5
        )
        ((_, sums),) = moments.products
        assert sums.dtype == torch.float64
    # across shards sums are float64: regrouping moves no more than their last digits
    np.testing.assert_allclose(table(forward)[kept], table(grouped)[kept], atol=1e-12)


def test_neurons_that_are_still_in_each_shard_but_not_over_all_are_not_constant():
    values = np.ones((WORDS, 2), dtype=np.float32)
    values[WORDS // 2 :, 0] = 2.0
    models = activations(values), activations(values)
    moments = merged(shards(models, [0, WORDS // 2, WORDS]))
    assert moments.by_model[0].constant.tolist() == [False, True]
    assert table(moments)[0, 0] == pytest.approx(1.0)


def test_float16_values_near_the_limit():
    rng = np.random.default_rng(2)
    subject = (rng.uniform(0.5, 1.0, size=(WORDS, 3)) * 65504).astype(np.float16)
    other = (subject.astype(np.float32) * -0.5 + rng.normal(size=subject.shape) * 100).astype(np.float16)
    models = activations(subject), activations(other)
    moments = moments_of(models, product(*models), (0, WORDS), everywhere(models))
    np.testing.assert_allclose(table(moments), expected(*models), atol=1e-5)


def test_words_without_activation_are_left_out():
    subject, other = pair(3)
    values = subject.values().copy()
    missing = np.zeros(WORDS, dtype=bool)
    missing[[0, 5, WORDS - 1]] = True
    values[missing] = np.nan
    models = replace(subject, array=values, missing=missing), other
    moments = moments_of(models, product(*models), (0, WORDS), everywhere(models))
    assert moments.words == WORDS - 3
    with np.errstate(invalid="ignore"):
        both = np.concatenate([values, other.values()], axis=1)[~missing].astype(np.float64)
        known = np.corrcoef(both.T)[:9, 9:]
    kept = [0, 1, 2, 3, 4, 5, 7, 8]
    np.testing.assert_allclose(table(moments)[kept], known[kept], atol=1e-5)
    nothing = moments_of(models, product(*models), (0, 1), everywhere(models))
    assert nothing.words == 0
    undivided = merged([nothing, moments])
    np.testing.assert_array_equal(table(undivided)[kept], table(moments)[kept])


def test_what_is_not_finite_is_named():
    subject, other = pair(4)
    values = other.values().copy()
    values[7, 3] = np.inf
    models = subject, activations(values)
    with pytest.raises(ParameterError, match=r"layers\.0:3 at word 7"):
        moments_of(models, product(*models), (0, WORDS), everywhere(models))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_gpu_gives_the_same():
    models = pair(5)
    moments = moments_of(models, product(*models), (0, WORDS), everywhere(models), device=torch.device("cuda"))
    kept = [0, 1, 2, 3, 4, 5, 7, 8]
    np.testing.assert_allclose(table(moments)[kept], expected(*models)[kept], atol=1e-5)
