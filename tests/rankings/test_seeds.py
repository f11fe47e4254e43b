"""Every method records its seed, gives the same bytes for it, and never puts equal neurons in index order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import onegrain as og
from onegrain.cli.ranking import ranking_facts
from onegrain.rankings import METHODS, rank
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus, LabelLayer

WORDS, COPIES = 400, 60
QUICK: dict[str, dict[str, Any]] = {
    "lca": {"lambda1": 3e-2, "lambda2": 1e-3, "evaluate": False, "dev_share": 0.2},
    "gaussian": {"k": 2, "dev_share": 0.2},
    "sparse-probing": {"k": 1},
    "neurox": {"epochs": 1},
}
RANKED = [name for name in METHODS if not METHODS[name].needs_model]


def corpus() -> Corpus:
    text = Corpus.from_sentences([[f"w{i}_{j}" for j in range(10)] for i in range(WORDS // 10)])
    labels = list(np.random.default_rng(0).choice(list("AB"), WORDS))
    labels[:3] = ["Z"] * 3
    return text.with_layer(LabelLayer.from_labels("tag", labels))


TEXT = corpus()


def copies(seed: int, *, order: np.ndarray | None = None) -> Activations:
    """One neuron that tells A from B a little, many copies of it, two others, and two that never change."""
    rng = np.random.default_rng(seed)
    base = rng.normal(size=WORDS) + 0.7 * (TEXT.layer("tag").codes == 0) + 0.5
    others = rng.normal(size=(WORDS, 2))
    table = np.column_stack([np.repeat(base[:, None], COPIES, axis=1), others, np.ones((WORDS, 2))])
    return Activations.from_array((table if order is None else table[:, order]).astype(np.float32), TEXT)


def ranking(method: str, seed: int, order: np.ndarray | None = None) -> og.Ranking:
    entry = METHODS[method]
    more: dict[str, Any] = {"label": "tag"} if entry.needs_label else {}
    if entry.needs_others:
        more["others"] = [copies(2)]
    return rank(method, copies(1, order=order), seed=seed, **more, **QUICK.get(method, {}))


@pytest.mark.parametrize("method", RANKED)
def test_the_same_seed_gives_the_same_bytes(method: str, tmp_path: Path) -> None:
    files = []
    for name in ("a", "b"):
        ranked = ranking(method, 6)
        assert ranked.provenance.seed == 6
        ranked.save(tmp_path / f"{name}.parquet")
        files.append((tmp_path / f"{name}.parquet").read_bytes())
    assert files[0] == files[1]


@pytest.mark.parametrize("method", sorted(set(RANKED) - {"svcca", "random", "neurox"}))
def test_equal_neurons_stand_in_an_order_of_the_seed(method: str) -> None:
    first, second = ranking(method, 6), ranking(method, 7)
    equal = [[n for n in ranked.order.tolist() if n < COPIES] for ranked in (first, second)]
    assert equal[0] != equal[1]
    for order in equal:
        assert abs(np.corrcoef(order, np.arange(COPIES))[0, 1]) < 0.5
    if first.label_scores is not None:
        parts = [[n for n in first.label(label).order.tolist() if n < COPIES] for label in first.labels]
        assert all(abs(np.corrcoef(part, np.arange(COPIES))[0, 1]) < 0.5 for part in parts)
        assert parts[0] != parts[1]


@pytest.mark.parametrize("method", sorted(set(RANKED) - {"svcca", "random", "neurox", "lca"}))
def test_permuting_the_neurons_permutes_the_scores(method: str) -> None:
    moved = np.random.default_rng(3).permutation(COPIES + 4)
    plain, moved_ranking = ranking(method, 6), ranking(method, 6, order=moved)
    plain_scores, moved_scores = plain.scores[plain.order], moved_ranking.scores[moved_ranking.order]
    np.testing.assert_allclose(moved_scores, plain_scores, rtol=1e-5, atol=1e-6)
    if method not in ("gaussian", "sparse-probing"):  # of equal neurons these choose one
        np.testing.assert_allclose(moved_ranking.scores, plain.scores[moved], rtol=1e-5, atol=1e-6)


def test_the_terminal_says_which_labels_were_left_out(tmp_path: Path) -> None:
    for method in ("probeless", "sparse-probing"):
        told = ranking_facts(ranking(method, 0), tmp_path / "r.parquet")
        assert told["labels_left_out"] == "Z (3 words); fewer than min_count=10"
    assert "labels_left_out" not in ranking_facts(ranking("std", 0), tmp_path / "r.parquet")
