"""CKA, SVCCA and PWCCA: against naive implementations on raw data, on planted likeness, and under rotations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg

from onegrain import similarity
from onegrain.errors import MismatchError, ParameterError, RecordError
from onegrain.records.activations import Activations
from onegrain.records.similarity import MEASURES, Similarity
from onegrain.records.space import NeuronSpace
from support.stores import centred, changed, store

WIDER = NeuronSpace(("embeddings", "layers.0", "layers.1"), (5, 6, 2))


def naive_cka(x: np.ndarray, y: np.ndarray) -> float:
    """By kernels, tr(KHLH) / sqrt(tr(KHKH) tr(LHLH)), on data that are centred here by H [Kornblith19]."""
    middle = np.eye(len(x)) - 1.0 / len(x)
    k, other = middle @ x @ x.T @ middle, middle @ y @ y.T @ middle
    return float((k * other).sum() / np.sqrt((k * k).sum() * (other * other).sum()))


def naive_cca(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Canonical variates of x (columns) and correlations, by QR and SVD [Bjorck and Golub 1973]."""
    qx, qy = scipy.linalg.qr(x, mode="economic")[0], scipy.linalg.qr(y, mode="economic")[0]
    u, s, _ = np.linalg.svd(qx.T @ qy, full_matrices=False)
    return qx @ u, s


def naive_svcca(x: np.ndarray, y: np.ndarray, variance: float) -> float:
    kept = []
    for values in (x, y):
        u, s, _ = np.linalg.svd(values, full_matrices=False)
        count = int(np.searchsorted(np.cumsum(s**2) / (s**2).sum(), variance)) + 1
        kept.append(u[:, :count] * s[:count])
    return float(naive_cca(*kept)[1].mean())


def naive_pwcca(x: np.ndarray, y: np.ndarray) -> float:
    variates, correlations = naive_cca(x, y)
    weights = [sum(abs(h @ x[:, j]) for j in range(x.shape[1])) for h in variates.T]
    return float(np.average(correlations, weights=weights))


def value(a: Activations, b: Activations, measure: str, **options) -> float:
    table = similarity(a, b, measures=measure, by_site=False, **options).table
    assert table[["site_a", "site_b"]].to_numpy().tolist() == [["*", "*"]]
    return float(table[measure][0])


@pytest.mark.parametrize("variance", [0.6, 0.9, 0.99, 1.0])
def test_equals_naive_implementations(variance: float) -> None:
    a, b = store(0, offset=50.0), store(1, space=WIDER)
    similarities = similarity(a, b, variance=variance)
    assert similarities.measures == MEASURES
    assert len(similarities.table) == 6
    for row in similarities.table.itertuples():
        x, y = centred(a, row.site_a), centred(b, row.site_b)
        assert row.cka == pytest.approx(naive_cka(x, y), abs=1e-9)
        assert row.pwcca == pytest.approx(naive_pwcca(x, y), abs=1e-9)
        if variance < 1:
            assert row.svcca == pytest.approx(naive_svcca(x, y, variance), abs=1e-9)
        else:
            assert row.svcca == pytest.approx(naive_cca(x, y)[1].mean(), abs=1e-9)
    unblocked = {measure: value(a, b, measure) for measure in MEASURES}
    x, y = centred(a), centred(b)
    assert unblocked["cka"] == pytest.approx(naive_cka(x, y), abs=1e-9)
    assert unblocked["svcca"] == pytest.approx(naive_svcca(x, y, 0.99), abs=1e-9)
    assert similarities.details["neurons"] == similarities.details["rank"] == [[3, 4], [5, 6, 2]]


def test_scales_and_means_that_are_far_apart_cost_no_digits() -> None:
    a, b = store(0), store(1)
    scales = 10.0 ** np.arange(-3, 4)
    far = changed(a, 1e4 * scales + scales * a.values())
    x, y = centred(far), centred(b)
    assert value(far, b, "cka") == pytest.approx(naive_cka(x, y), rel=1e-6)
    assert value(far, b, "pwcca") == pytest.approx(naive_pwcca(x, y), rel=1e-6)
    assert value(b, far, "pwcca") == pytest.approx(naive_pwcca(y, x), rel=1e-6)


def test_a_rotated_copy_is_alike_and_noise_is_not() -> None:
    a, noise = store(0), store(1, common=0, sentences=40)
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(7, 7)))[0]
    copy = changed(store(2), 3.0 + 2.0 * a.values() @ rotation)
    for measure in MEASURES:
        assert value(a, copy, measure) == pytest.approx(1.0, abs=1e-6)
    assert value(a, noise, "cka") < 0.1
    assert value(a, noise, "svcca") < 0.4


def test_what_each_measure_is_blind_to() -> None:
    a, b = store(0), store(1)
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(rng.normal(size=(7, 7)))[0]
    turned, mixed = (changed(b, b.values() @ by) for by in (rotation, rng.normal(size=(7, 7))))
    for measure in ("cka", "svcca", "pwcca"):
        assert value(a, turned, measure) == pytest.approx(value(a, b, measure), abs=1e-6)
    assert value(a, mixed, "pwcca") == pytest.approx(value(a, b, "pwcca"), abs=1e-6)
    assert value(a, changed(store(2), a.values() @ rng.normal(size=(7, 7))), "pwcca") == pytest.approx(
        1.0, abs=1e-6
    )
    assert abs(value(a, mixed, "cka") - value(a, b, "cka")) > 1e-3
    assert value(a, b, "cka") == pytest.approx(value(b, a, "cka"), abs=1e-12)
    assert abs(value(a, b, "pwcca") - value(b, a, "pwcca")) > 1e-4


def test_permuting_words_and_neurons_and_splitting_shards_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a, b = store(0, offset=300.0), store(1, space=WIDER)
    expected = similarity(a, b).table[list(MEASURES)].to_numpy()
    rng = np.random.default_rng(0)
    words, moved = rng.permutation(a.n_words), np.concatenate([rng.permutation(3), 3 + rng.permutation(4)])
    again = similarity(changed(a, a.values()[words][:, moved]), changed(b, b.values()[words])).table
    assert again[list(MEASURES)].to_numpy() == pytest.approx(expected, abs=1e-10)
    monkeypatch.setattr("onegrain.rankings.data.blocks.BLOCK_ROWS", 7)
    monkeypatch.setattr("onegrain.rankings.crossmodel.sums.passes.SHARD_ROWS", 14)
    assert similarity(a, b).table[list(MEASURES)].to_numpy() == pytest.approx(expected, abs=1e-10)


def test_a_site_that_does_not_vary_has_no_similarity() -> None:
    a, b = store(0), store(1)
    values = a.values().copy()
    values[:, :3], values[:, 4] = 0.1, 0.7
    table = similarity(changed(a, values), b).table.set_index(["site_a", "site_b"])
    assert table.loc["layers.0"].isna().to_numpy().all()
    assert table.loc["layers.1"].notna().to_numpy().all()
    fewer = changed(a, values).restrict("layers.1")
    x = np.delete(centred(fewer), 1, axis=1)
    assert value(fewer, b, "pwcca") == pytest.approx(naive_pwcca(x, centred(b)), abs=1e-9)


def test_words_that_one_model_misses_are_left_out() -> None:
    a, b = store(0), store(1)
    missing = np.zeros(a.n_words, dtype=bool)
    missing[[3, 50]] = True
    values = b.values().copy()
    values[missing] = np.nan
    similarities = similarity(a, replace(b, array=values, missing=missing), by_site=False)
    assert similarities.details["words"] == a.n_words - 2
    x, y = a.values()[~missing].astype(float), b.values()[~missing].astype(float)
    assert similarities.table["cka"][0] == pytest.approx(naive_cka(x, y), abs=1e-9)


def test_the_record_is_saved_and_read(tmp_path) -> None:
    similarities = similarity(store(0), store(1, space=WIDER), measures=["svcca", "cka"])
    similarities.save(tmp_path / "alike.parquet")
    again = Similarity.load(tmp_path / "alike.parquet")
    assert again.to_pandas().equals(similarities.table)
    assert (again.details, again.provenance) == (similarities.details, similarities.provenance)
    assert again.measures == ("svcca", "cka")
    matrix = again.matrix("cka")
    assert (list(matrix.index), list(matrix.columns)) == (["layers.0", "layers.1"], list(WIDER.sites))
    assert matrix.loc["layers.1", "embeddings"] == similarities.table["cka"][3]
    with pytest.raises(RecordError, match="no measure 'pwcca' in this record; it has svcca, cka"):
        again.matrix("pwcca")


def test_refusals() -> None:
    a, b = store(0), store(1)
    with pytest.raises(MismatchError, match="different words"):
        similarity(a, store(1, sentences=39))
    few = store(0, sentences=1), store(1, sentences=1)
    with pytest.raises(
        ParameterError, match=r"pwcca and svcca \(of 8 neurons\) needs at least 9 words, and the models have 5"
    ):
        similarity(*few)
    assert similarity(*few, measures="cka").table["cka"].notna().all()
    with pytest.raises(ParameterError, match="measures must be some of cka, pwcca, svcca, got rsa"):
        similarity(a, b, measures=["cka", "rsa"])
    for variance in (0.0, 1.5):
        with pytest.raises(ParameterError, match="variance must be above 0 and at most 1"):
            similarity(a, b, variance=variance)
    with pytest.raises(ParameterError, match=r"products of all pairs of sites needs .*; restrict the sites"):
        similarity(a, b, memory="1MiB")
