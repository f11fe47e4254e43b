"""The estimators: scikit-learn's own checks and optima, weights, kinds of input, and the strongest penalty."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils.estimator_checks import parametrize_with_checks

import onegrain as og
from onegrain.errors import ParameterError
from onegrain.rankings.data.labelled import read_values
from onegrain.rankings.data.memory import Memory, ScratchTable
from onegrain.rankings.elastic_net import inputs
from onegrain.rankings.elastic_net.classifier import ElasticNetProbe, alpha_max
from onegrain.rankings.elastic_net.regressor import ElasticNetRegressor
from support.planted import plant

EXACT: dict[str, Any] = {"tolerance": 1e-9}


@parametrize_with_checks(
    [
        ElasticNetProbe(),
        ElasticNetProbe(lambda1=0.01, lambda2=0.1, standardize=True, tolerance=1e-10),
        ElasticNetRegressor(),
        ElasticNetRegressor(standardize=True),
    ]
)
def test_scikit_learn_checks(estimator: Any, check: Any) -> None:
    check(estimator)


def problem(labels: int, seed: int = 0, words: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """Words of overlapping labels, with neurons of different scale and offset, one constant."""
    rng = np.random.default_rng(seed)
    y = np.arange(words) % labels
    z = rng.normal(size=(words, 6)) + 0.8 * rng.normal(size=(labels, 6))[y]
    z = z * [1.0, 0.3, 3.0, 1.0, 2.0, 0.0] + [0.0, 1.0, -2.0, 0.0, 5.0, 4.0]
    return z, y


def cross_entropy_objective(
    probe: Any, z: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None
) -> float:
    logits = z / probe.scale_ @ probe.coef_.T + probe.intercept_
    each = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(y)), np.searchsorted(probe.classes_, y)]
    theta = probe.coef_
    penalty = probe.lambda1 * np.abs(theta).sum() + probe.lambda2 * np.square(theta).sum()
    return float(np.average(each, weights=weights) + penalty)


def squared_objective(probe: Any, z: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> float:
    each = 0.5 * np.square(y - z / probe.scale_ @ probe.coef_ - probe.intercept_)
    theta = probe.coef_
    penalty = probe.lambda1 * np.abs(theta).sum() + probe.lambda2 * np.square(theta).sum()
    return float(np.average(each, weights=weights) + penalty)


def solution(peer: LogisticRegression, probe: ElasticNetProbe) -> ElasticNetProbe:
    """The solution of scikit-learn, as a probe."""
    other = ElasticNetProbe(**probe.get_params())
    other.classes_, other.scale_ = probe.classes_, probe.scale_
    other.coef_, other.intercept_ = peer.coef_, peer.intercept_
    if len(probe.classes_) == 2:
        other.coef_ = np.concatenate([-peer.coef_ / 2.0, peer.coef_ / 2.0])
        other.intercept_ = np.array([-peer.intercept_[0] / 2.0, peer.intercept_[0] / 2.0])
    return other


@pytest.mark.parametrize("labels", [2, 4])
@pytest.mark.parametrize("pair", [(0.02, 0.01), (0.02, 0.0), (0.0, 0.01)])
@pytest.mark.parametrize("weighted", [False, True])
def test_optimum_is_that_of_scikit_learn(labels: int, pair: tuple[float, float], weighted: bool) -> None:
    z, y = problem(labels)
    z = (z - z.mean(axis=0)) / 2.0
    weights = np.random.default_rng(1).uniform(0.5, 2.0, size=len(z)) if weighted else None
    tolerance = 1e-9 if pair[1] else 1e-7
    probe = ElasticNetProbe(lambda1=pair[0], lambda2=pair[1], tolerance=tolerance).fit(z, y, weights)
    squared = pair[1] * (1.0 if labels == 2 else 2.0)
    total = len(z) if weights is None else weights.sum()
    peer = LogisticRegression(
        solver="saga",
        C=1.0 / (total * (pair[0] + squared)),
        l1_ratio=pair[0] / (pair[0] + squared),
        tol=1e-9,
        max_iter=20000,
    ).fit(z, y, weights)
    mine, theirs = (cross_entropy_objective(model, z, y, weights) for model in (probe, solution(peer, probe)))
    assert mine == pytest.approx(theirs, abs=1e-6)
    assert probe.predict_proba(z) == pytest.approx(peer.predict_proba(z), abs=1e-3)
    assert probe.converged_
    assert probe.duality_gap_ <= tolerance
    assert mine * (1.0 - tolerance) - 1e-12 <= theirs


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("labels", [2, 4])
def test_whole_weights_equal_repeated_words(labels: int, standardize: bool) -> None:
    z, y = problem(labels)
    weights = np.random.default_rng(2).integers(0, 4, size=len(z))
    many = z.repeat(weights, axis=0), y.repeat(weights)
    options = {"lambda1": 0.01, "lambda2": 0.01, "standardize": standardize} | EXACT
    for kind, objective in (ElasticNetProbe, cross_entropy_objective), (ElasticNetRegressor, squared_objective):
        weighted, repeated = kind(**options).fit(z, y, weights), kind(**options).fit(*many)
        assert weighted.coef_ == pytest.approx(repeated.coef_, abs=1e-6)
        assert weighted.intercept_ == pytest.approx(repeated.intercept_, abs=1e-5)
        assert weighted.scale_ == pytest.approx(repeated.scale_)
        assert objective(weighted, z, y, weights) == pytest.approx(objective(repeated, *many), abs=1e-6)


@pytest.mark.parametrize("kind", [ElasticNetProbe, ElasticNetRegressor])
@pytest.mark.parametrize("standardize", [False, True])
def test_weight_zero_equals_leaving_out(kind: Any, standardize: bool) -> None:
    z, y = problem(4)
    weights = np.where(y == 2, 0.0, 1.5)
    z[y == 2] += 1e3
    options = {"lambda1": 0.01, "standardize": standardize}
    weighted = kind(**options).fit(z, y, weights)
    without = kind(**options).fit(z[y != 2], y[y != 2])
    assert weighted.coef_ == pytest.approx(without.coef_, abs=1e-9)
    if kind is ElasticNetProbe:
        assert weighted.classes_.tolist() == [0, 1, 3]
        with pytest.raises(ParameterError, match=r"one class: \[1\]"):
            kind(**options).fit(z, y, (y == 1).astype(float))


@pytest.mark.parametrize("weights", [None, np.arange(80) % 3])
def test_class_weight_equals_weights_of_the_words(weights: np.ndarray | None) -> None:
    z, y = problem(3)
    y[:40][y[:40] == 1] = 0
    word_weights = np.ones(len(y)) if weights is None else weights.astype(float)
    names = np.array(["x", "y", "z"], dtype=object)[y]
    weighted_probe = ElasticNetProbe(class_weight={"x": 2.0, "z": 0.5}, **EXACT).fit(z, names, weights)
    by_word = ElasticNetProbe(**EXACT).fit(z, names, word_weights * np.array([2.0, 1.0, 0.5])[y])
    assert weighted_probe.coef_ == pytest.approx(by_word.coef_, abs=1e-6)
    balanced = ElasticNetProbe(class_weight="balanced", **EXACT).fit(z, y, weights)
    totals = np.bincount(y, weights=word_weights)
    by_word = ElasticNetProbe(**EXACT).fit(z, y, word_weights / totals[y])
    assert balanced.coef_ == pytest.approx(by_word.coef_, abs=1e-6)
    absent = ElasticNetProbe(class_weight={"x": 0.0}).fit(z, names, weights)
    assert absent.classes_.tolist() == ["y", "z"]


@pytest.mark.parametrize("kind", [ElasticNetProbe, ElasticNetRegressor])
def test_every_kind_of_input_gives_the_same(kind: Any) -> None:
    activations = plant(40).activations
    z, y = activations.values(), activations.layer("upos").codes.astype(np.int64)
    probe = kind(lambda1=0.01).fit(z, y)
    tensors = torch.from_numpy(z).requires_grad_(), torch.from_numpy(y), torch.ones(len(y))
    for arguments in ((activations, y), tensors, (np.asfortranarray(z), y.tolist()), (z[:, ::-1][:, ::-1], y)):
        again = kind(lambda1=0.01).fit(*arguments)
        assert again.coef_ == pytest.approx(probe.coef_, abs=1e-6)
        assert again.predict(arguments[0]) == pytest.approx(probe.predict(z), abs=1e-5)
    assert probe.score(activations, y) == probe.score(z, y)
    wide = kind(lambda1=0.01).fit(z.astype(np.float64), y)
    half = torch.from_numpy(z).to(torch.bfloat16)
    for table, same in ((z, probe), (half.double().numpy(), kind(lambda1=0.01).fit(half, y))):
        assert kind(lambda1=0.01).fit(table, y).coef_.tolist() == same.coef_.tolist()
    assert wide.coef_.tolist() != probe.coef_.tolist()
    assert wide.coef_ == pytest.approx(probe.coef_, abs=0.02)


@pytest.mark.parametrize("names", [[4, 9, 1], ["noun", "verb", "adj"], np.array(["a", "bb", "c"], object)])
def test_labels_of_any_kind(names: Any) -> None:
    z, y = problem(3)
    probe = ElasticNetProbe().fit(z, np.asarray(names)[y])
    assert probe.classes_.tolist() == sorted(names)
    assert set(probe.predict(z)) <= set(names)
    assert probe.score(z, np.asarray(names)[y]) > 0.6


@pytest.mark.parametrize("kind", [ElasticNetProbe, ElasticNetRegressor])
def test_refusals(kind: Any) -> None:
    z, y = problem(2)
    broken = z.copy()
    broken[3, 4], broken[7, 0] = np.nan, np.inf
    with pytest.raises(ParameterError, match=r"2 values that are NaN or inf.* row 3, column 4"):
        kind().fit(broken, y)
    with pytest.raises(ParameterError, match="row 3, column 4"):
        kind().fit(z, y).predict(broken)
    with pytest.raises(TypeError, match="dense data is required"):
        kind().fit(sparse.csr_array(z), y)
    with pytest.raises(ParameterError, match="dense tensor"):
        kind().fit(torch.from_numpy(z).to_sparse(), y)
    with pytest.raises(ParameterError, match=r"must not be negative, got -1\.0 for word 2"):
        kind().fit(z, y, np.where(np.arange(len(y)) == 2, -1.0, 1.0))
    with pytest.raises(ParameterError, match="one weight for each"):
        kind().fit(z, y, [1.0])
    for name, value in {"max_iter": 0, "tolerance": np.nan, "lambda1": "1", "lambda2": -1}.items():
        with pytest.raises(ParameterError, match=name):
            kind(**{name: value}).fit(z, y)


@pytest.mark.parametrize("rule", ["equal", {0: -1.0}, {0: np.inf}])
def test_refuses_class_weights(rule: Any) -> None:
    with pytest.raises(ParameterError, match="class_weight must"):
        ElasticNetProbe(class_weight=rule).fit(*problem(2))


@pytest.mark.parametrize("kind", [ElasticNetProbe, ElasticNetRegressor])
def test_warns_where_the_tolerance_was_not_reached(kind: Any) -> None:
    z, y = problem(4)
    with pytest.warns(ConvergenceWarning, match=r"max_iter=1"):
        probe = kind(lambda1=1e-3, tolerance=1e-12, max_iter=1).fit(z, y)
    assert not probe.converged_
    assert probe.n_iter_ == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert kind(lambda1=1e-3).fit(z, y).converged_


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("labels", [2, 4])
def test_alpha_max_is_where_the_weights_begin(labels: int, weighted: bool, standardize: bool) -> None:
    z, y = problem(labels)
    weighting = {"sample_weight": np.arange(len(y)) % 3.0, "class_weight": "balanced"} if weighted else {}
    strongest = alpha_max(z, y, standardize=standardize, **weighting)
    options = {"standardize": standardize, "class_weight": weighting.get("class_weight")} | EXACT
    for lambda2 in (0.0, 0.1):
        for share, some in ((1.001, False), (0.98, True)):
            probe = ElasticNetProbe(lambda1=share * strongest, lambda2=lambda2, **options)
            probe.fit(z, y, weighting.get("sample_weight"))
            assert bool((probe.coef_ != 0.0).any()) == some


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("pair", [(0.1, 0.05), (0.1, 0.0), (0.0, 0.05), (0.0, 0.0)])
def test_regression_meets_its_conditions_of_optimality(pair: tuple[float, float], standardize: bool) -> None:
    z, _ = problem(2)
    rng = np.random.default_rng(3)
    y, weights = z @ [1.0, 0.0, -0.5, 0.0, 0.02, 0.0] + rng.normal(size=len(z)), rng.uniform(0.5, 2.0, len(z))
    probe = ElasticNetRegressor(lambda1=pair[0], lambda2=pair[1], standardize=standardize, tolerance=1e-10)
    probe.fit(z, y, weights)
    residual = y - probe.predict(z)
    assert np.average(residual, weights=weights) == pytest.approx(0.0, abs=1e-9)
    centred = (z - np.average(z, axis=0, weights=weights)) / probe.scale_
    slope = np.average(centred * residual[:, None], axis=0, weights=weights) - 2.0 * pair[1] * probe.coef_
    active = probe.coef_ != 0.0
    assert slope[active] == pytest.approx(pair[0] * np.sign(probe.coef_[active]), abs=1e-4)
    assert (np.abs(slope[~active]) <= pair[0] + 1e-6).all()
    assert probe.coef_[5] == 0.0
    assert probe.converged_
    assert probe.duality_gap_ <= 1e-10 or pair == (0.0, 0.0)
    if pair == (0.0, 0.05) and not standardize:
        peer = Ridge(alpha=0.1 * weights.sum(), tol=1e-12).fit(z, y, weights)
        assert probe.coef_ == pytest.approx(peer.coef_, abs=1e-9)


def test_the_regression_gap_bounds_the_distance_to_the_optimum() -> None:
    z, _ = problem(2)
    y = z @ [1.0, 0.0, -0.5, 0.0, 0.2, 0.0] + np.random.default_rng(3).normal(size=len(z))
    best = ElasticNetRegressor(lambda1=0.05, lambda2=0.01, tolerance=1e-12).fit(z, y)
    least = squared_objective(best, z, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for steps in range(1, 8):
            rough = ElasticNetRegressor(lambda1=0.05, lambda2=0.01, tolerance=0.0, max_iter=steps).fit(z, y)
            far = squared_objective(rough, z, y)
            assert far - least <= rough.duality_gap_ * far + 1e-12
            assert rough.n_iter_ <= steps
    assert ElasticNetRegressor().fit(z, np.full(len(z), 3.0)).predict(z) == pytest.approx(np.full(len(z), 3.0))


def test_a_record_is_read_to_a_budget_with_the_same_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    planted = og.planted(200, strength=1.0, seed=6)
    X, y = planted.activations, planted.activations.layer("upos").labels()
    weights = np.random.default_rng(0).integers(0, 3, size=len(y))
    options = {"lambda1": 1e-2, "standardize": True}
    array = og.ElasticNetProbe(**options).fit(X.values(), y, weights)
    monkeypatch.setattr(Memory, "_release", lambda self, size: None)
    monkeypatch.setattr(Memory, "reserve", lambda self, working, what: setattr(self, "_room", 0))
    tables: list[ScratchTable] = []
    monkeypatch.setattr(inputs, "read_values", lambda *args: tables.append(read_values(*args)) or tables[-1])
    record = og.ElasticNetProbe(**options, memory="4GiB").fit(X, y, weights)
    assert isinstance(tables[0], ScratchTable)
    assert record.coef_.tolist() == array.coef_.tolist()
    assert record.predict(X).tolist() == array.predict(X.values()).tolist()
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        og.ElasticNetProbe().fit(X, y[:-1])
