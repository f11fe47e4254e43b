"""The registry: what exists, what is refused, and the random baseline."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pkgutil import walk_packages

import numpy as np
import pytest

from onegrain import rankings
from onegrain.core.ordering import order_by_score
from onegrain.errors import ParameterError
from onegrain.rankings import METHODS, Method, Request, rank, registry
from onegrain.records.ranking import Ranking
from support.planted import plant

ACTS = plant(20).activations


def test_every_method_of_the_package_is_registered() -> None:
    modules = [
        module.name for module in walk_packages(rankings.__path__, "onegrain.rankings.") if not module.ispkg
    ]
    defined = {
        f"{module}:{name}": value
        for module in modules
        for name, value in vars(import_module(module)).items()
        if isinstance(value, Method)
    }
    assert set(defined) == set(registry.BUILT_IN.values())
    assert all(method is METHODS[method.name] for method in defined.values())


def test_every_method_is_described() -> None:
    univariate = {"mean", "std", "f-statistic", "mutual-information"}
    compared = {"linreg", "maxcorr", "mincorr", "svcca"}
    assert {"lca", "random"} | univariate | compared <= set(METHODS)
    for name, entry in METHODS.items():
        assert entry.name == name
        assert entry.summary
        entry.options()


def test_random_is_a_seeded_permutation() -> None:
    first, again, other = (rank("random", ACTS, seed=seed) for seed in (1, 1, 2))
    assert sorted(first.order.tolist()) == list(range(32))
    assert first.order.tolist() == again.order.tolist() != other.order.tolist()
    assert first.n_ranked == 32
    assert np.argsort(-first.scores).tolist() == first.order.tolist()
    assert first.provenance.seed == 1


def test_random_orders_are_uniform() -> None:
    firsts = np.bincount([rank("random", ACTS, seed=seed).order[0] for seed in range(320)], minlength=32)
    assert ((firsts - 10.0) ** 2 / 10.0).sum() < 65.0


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("lcaa", {}, "the methods are: lca, neurox, "),
        ("lca", {}, "lca needs a label layer"),
        ("lca", {"label": "upos", "others": [ACTS]}, "takes no other models"),
        ("lca", {"label": "upos", "lambda3": 1}, "takes no parameter lambda3; its parameters are: lambda1"),
        ("random", {"label": "upos"}, "takes no label layer"),
        ("random", {"k": 1}, "its parameters are: none"),
        ("random", {"dev": ACTS}, "uses no held-out words"),
        ("maxcorr", {}, "maxcorr needs other models"),
    ],
)
def test_refusals(name: str, parameters: dict, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        rank(name, ACTS, **parameters)


class Plugin:
    """An entry point of another package, as importlib.metadata gives it."""

    def __init__(self, name: str, value: object) -> None:
        self.name, self.value, self._object = name, f"elsewhere:{name}", value

    def load(self) -> object:
        if isinstance(self._object, Exception):
            raise self._object
        return self._object


def loudest(request: Request) -> Ranking:
    scores = np.abs(request.activations.values()).max(axis=0).astype(np.float64)
    return Ranking(
        method="loudest",
        space=request.activations.space,
        order=order_by_score(scores),
        scores=scores,
        n_ranked=len(scores),
        provenance=request.provenance("loudest"),
    )


LOUDEST = Method(name="loudest", summary="greatest absolute activation", function=loudest)


def test_a_method_of_another_package_is_found_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = [Plugin("gone", ImportError("no module named gone")), Plugin("odd", "not a method")]
    plugins = [Plugin("loudest", LOUDEST), *broken]
    monkeypatch.setattr(registry, "METHODS", registry._Methods())
    monkeypatch.setattr(
        "importlib.metadata.entry_points", lambda group: plugins if group == "onegrain.methods" else []
    )
    ranking = rank("loudest", ACTS)
    assert ranking.order[0] == np.abs(ACTS.values()).max(axis=0).argmax()
    assert list(registry.METHODS)[-3:] == ["gone", "loudest", "odd"]
    with pytest.raises(ParameterError, match="'gone' of elsewhere:gone cannot be loaded"):
        rank("gone", ACTS)
    with pytest.raises(ParameterError, match="'odd' but is not a Method of that name"):
        rank("odd", ACTS)


def test_a_method_is_registered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "METHODS", registry._Methods())
    assert registry.register(LOUDEST) is LOUDEST
    assert rank("loudest", ACTS).method == "loudest"
    with pytest.raises(ParameterError, match="a ranking method 'loudest' already"):
        registry.register(LOUDEST)
    with pytest.raises(ParameterError, match="a ranking method 'lca' already"):
        registry.register(replace(LOUDEST, name="lca"))
