"""The registry: what exists, what is refused, and the random baseline."""

from __future__ import annotations

import numpy as np
import pytest

from onegrain.errors import ParameterError
from onegrain.rankings import METHODS, rank
from planted import plant

ACTS = plant(20).activations


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
    ("name", "given", "message"),
    [
        ("lcaa", {}, "the methods are: lca, maxcorr, "),
        ("lca", {}, "lca needs a label layer"),
        ("lca", {"label": "upos", "others": [ACTS]}, "takes no other models"),
        ("lca", {"label": "upos", "lambda3": 1}, "takes no parameter lambda3; its parameters are: lambda1"),
        ("random", {"label": "upos"}, "takes no label layer"),
        ("random", {"k": 1}, "its parameters are: none"),
        ("random", {"dev": ACTS}, "uses no held-out words"),
        ("maxcorr", {}, "maxcorr needs other models"),
    ],
)
def test_refusals(name: str, given: dict, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        rank(name, ACTS, **given)
