from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from onegrain.core.ordering import order_by_score
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.curve import Curve
from onegrain.records.provenance import ModelIdentity, Provenance
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace

LABELS = ("ADJ", "DET", "NOUN", "PRON", "PUNCT")
SPACE = NeuronSpace(("embeddings", "layers.0"), (16, 24))


def provenance(stage: str, model: str) -> Provenance:
    identity = ModelIdentity(id=f"models/{model}", architecture="tiny", weight_hash="ab" * 32)
    return Provenance(stage=stage, model=identity, parameters={"note": "<b>&</b>"})


def evaluation() -> dict:
    points = [
        {
            "keep": keep,
            "share": share,
            "neurons": int(40 * share),
            "accuracy": low + share / 3,
            "low": low,
            "high": 1,
        }
        for keep, low in (("top", 0.6), ("bottom", 0.2), ("random", 0.4))
        for share in (0.2, 0.5, 1.0)
    ]
    return {
        "majority": 0.25,
        "full": {
            "accuracy": 0.93,
            "low": 0.91,
            "high": 0.95,
            "macro_f1": 0.9,
            "labels": {"DET": {"words": 9, "f1": 0.8}},
        },
        "masking": points,
        "retraining": points,
        "minimal_set": {"neurons": 8, "accuracy": 0.925, "delta": 0.01},
    }


def lca(model: str, seed: int) -> Ranking:
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=(5, 40)) * (rng.random((5, 40)) < 0.3)
    theta[1, 20] = 9.0
    best = np.abs(theta).max(axis=0)
    grid = [
        {"lambda1": a, "lambda2": b, "accuracy": 0.9 - a, "score": 0.2 + b, "zero_share": 0.5}
        for a in (0, 1e-4)
        for b in (0, 1e-4)
    ]
    details = {"grid": grid, "lambda1": 1e-4, "lambda2": 0, "evaluation": evaluation()}
    return Ranking(
        method="lca",
        space=SPACE,
        order=order_by_score(best),
        scores=best,
        n_ranked=int(np.count_nonzero(best)),
        provenance=provenance("rank", model),
        layer="upos",
        labels=LABELS,
        label_scores=np.abs(theta),
        weights=theta,
        details=details,
    )


def maxcorr(model: str, seed: int) -> Ranking:
    scores = np.random.default_rng(seed).random(40)
    scores[5] = np.nan
    return Ranking("maxcorr", SPACE, order_by_score(scores), scores, 39, provenance("rank", model))


def sweep(model: str, metric: str = "perplexity", hurt: float = 3.0) -> Curve:
    sign = 1 if metric == "perplexity" else -1
    rows = [
        (line, erased, value := 30 * np.exp(sign * strength * erased / 40), value * 0.97, value * 1.03)
        for line, strength in (("top", hurt), ("bottom", 0.5), ("random", 1.5))
        for erased in (0, 8, 20)
    ]
    points = pd.DataFrame(rows, columns=["line", "neurons", "value", "low", "high"])
    return Curve(metric, sign < 0, "as defined", points, 40, provenance("ablate", model))


@pytest.fixture(scope="session")
def make_curve() -> Callable[..., Curve]:
    return sweep


@pytest.fixture(scope="session")
def rankings() -> dict[tuple[str, str], Ranking]:
    """Two models, each with an LCA and a cross-model ranking."""
    return {
        ("nlm", "lca"): lca("nlm", 0),
        ("nlm", "maxcorr"): maxcorr("nlm", 1),
        ("nmt", "lca"): lca("nmt", 2),
        ("nmt", "maxcorr"): maxcorr("nmt", 3),
    }


@pytest.fixture(scope="session")
def probes(rankings: dict[tuple[str, str], Ranking]) -> dict[str, Ranking]:
    return {model: ranking for (model, method), ranking in rankings.items() if method == "lca"}


@pytest.fixture(scope="session")
def curves() -> dict[tuple[str, str], Curve]:
    return {
        ("nlm", "lca"): sweep("nlm"),
        ("nlm", "maxcorr"): sweep("nlm", hurt=2.0),
        ("nmt", "lca"): sweep("nmt", "BLEU"),
    }


@pytest.fixture(scope="session")
def activations() -> Activations:
    """Words with markup in them; the neuron layers.0:4 (flat 20) goes up at ``1984`` and down at ``the``."""
    rng = np.random.default_rng(7)
    words = ["the", "<script>alert(1)</script>", "1984", "a&b", "runs"]
    sentences = [[words[number] for number in rng.integers(0, 5, 6)] for _ in range(30)]
    corpus = Corpus.from_sentences(sentences, source="planted")
    array = rng.normal(size=(180, 40)).astype(np.float32)
    array[np.array(corpus.words) == "1984", 20] += 6
    array[np.array(corpus.words) == "the", 20] -= 6
    return Activations.from_array(array, corpus, SPACE)
