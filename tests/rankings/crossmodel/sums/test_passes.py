"""Passes over stores: budgets, other engines, and workers that are killed."""

from __future__ import annotations

import os
import signal
import weakref
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import onegrain as og
from onegrain.engines import engine_named
from onegrain.errors import EngineError, ParameterError
from onegrain.rankings.crossmodel.sums.passes import Passes
from onegrain.records.activations import Activations
from onegrain.records.provenance import ModelIdentity

SHARD = 100


def stored(folder: Path, name: str, seed: int) -> Activations:
    """A finished store of 90 sentences of planted activations, as a model of its own."""
    from onegrain.activations.store.writer import StoreContent, write_store

    acts = og.planted(90, seed=seed, words_seed=3).activations
    identity = ModelIdentity(id=name, architecture="Planted", weight_hash=name)
    provenance = acts.provenance.model_copy(update={"model": identity})
    content = StoreContent(acts.corpus, acts.space, provenance, "float32")
    write_store(folder / f"{name}.zarr", content, [acts.values()], force=False)
    return og.open_activations(folder / f"{name}.zarr")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Activations]:
    folder = tmp_path_factory.mktemp("stores")
    return [stored(folder, name, seed) for seed, name in enumerate(("a", "b", "c"))]


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several shards; only this process cuts them, the workers are told their words."""
    monkeypatch.setattr("onegrain.rankings.crossmodel.sums.passes.SHARD_ROWS", SHARD)


@dataclass(frozen=True)
class Deadly:
    """The ray engine with a worker that is killed at one shard, once."""

    folder: Path
    at: int

    def stream(
        self, start: Callable[[], Any], items: Sequence[Any], advance: Callable[[int], None]
    ) -> Generator[Any, None, None]:
        folder, at = self.folder, self.at

        def deadly() -> Any:
            work = start()

            def done(words: tuple[int, int], advance: Callable[[int], None]) -> Any:
                result = work(words, advance)
                if words[0] == at and not (folder / "died").exists():
                    (folder / "died").touch()
                    os.kill(os.getpid(), signal.SIGKILL)
                return result

            return done

        return engine_named("ray", workers=2).stream(deadly, items, advance)


def same(first: Any, second: Any) -> None:
    assert np.array_equal(first.order, second.order)
    assert np.array_equal(first.scores, second.scores, equal_nan=True)
    assert first.details == second.details


@pytest.mark.usefixtures("two_cpus_of_ray", "small_shards")
def test_ray_gives_the_same_bytes_killed_workers_included(models, tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'onegrain[ray]'")
    subject, *others = models
    assert subject.n_words > 3 * SHARD
    expected = og.rank("maxcorr", subject, others=others, null="rotation", draws=5)
    again = og.rank("maxcorr", subject, others=others, null="rotation", draws=5, engine="ray")
    same(again, expected)
    killed = og.rank(
        "maxcorr", subject, others=others, null="rotation", draws=5, engine=Deadly(tmp_path, 2 * SHARD)
    )
    assert (tmp_path / "died").exists()
    same(killed, expected)
    paths = []
    for name, ranking in (("local", expected), ("ray", again)):
        ranking.save(tmp_path / f"{name}.parquet")
        paths.append(tmp_path / f"{name}.parquet")
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.usefixtures("two_cpus_of_ray", "small_shards")
def test_what_a_worker_cannot_read_is_told(models):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'onegrain[ray]'")
    subject, *others = models
    values = others[0].values().copy()
    values[250, 3] = np.inf
    spoilt = replace(others[0], array=values, path=None)
    with pytest.raises((ParameterError, EngineError), match=r":3 at word 250"):
        og.rank("maxcorr", subject, others=[spoilt], engine="ray")


@pytest.mark.usefixtures("small_shards")
def test_a_budget_cuts_tiles_and_changes_nothing(models, monkeypatch):
    subject, *others = models
    expected = og.rank("maxcorr", subject, others=others)
    passes = []
    real = Passes.sums
    monkeypatch.setattr(Passes, "sums", lambda self, *a, **k: passes.append(a) or real(self, *a, **k))
    monkeypatch.setattr("onegrain.rankings.crossmodel.sums.passes.LEAST_ROOM", 2**10)
    held = psutil.Process().memory_info().rss
    blocks = 2048 * (12 * 2 + 8) * subject.n_neurons
    each = 12 * 2 * subject.n_neurons + 2048 * 12
    monkeypatch.setattr(psutil.Process, "memory_info", lambda self: type("Info", (), {"rss": held})())
    ranking = og.rank("maxcorr", subject, others=others, memory=held + blocks + each * 7)
    assert len(passes) == -(-subject.n_neurons // 7)
    assert ranking.scores == pytest.approx(expected.scores, abs=1e-6, nan_ok=True)
    assert ranking.details["partner"]["neuron"] == expected.details["partner"]["neuron"]


@pytest.mark.parametrize("method", ["maxcorr", "linreg"])
def test_the_matrices_of_a_tile_are_gone_before_the_next_ones_come(models, monkeypatch, method):
    subject, *others = models
    references: list[weakref.ref] = []
    real = Passes.sums

    def sums(self, *arguments, **options):
        assert not any(reference() is not None for reference in references)
        moments = real(self, *arguments, **options)
        references.extend(weakref.ref(table) for _, table in moments.products)
        return moments

    monkeypatch.setattr(Passes, "sums", sums)
    monkeypatch.setattr("onegrain.rankings.crossmodel.sums.passes.ROOM", 7 * 2048 * 24)
    og.rank(method, subject, others=others)
    assert len(references) > 2 * len(others)


def test_a_budget_that_is_too_small_is_refused_with_what_is_needed(models):
    subject, *others = models
    with pytest.raises(ParameterError, match=r"a memory budget of 1 MiB is too small.*give at least"):
        og.rank("maxcorr", subject, others=others, memory="1MiB")


def test_two_words_in_common_are_needed(models):
    subject, other, _ = models
    missing = np.ones(subject.n_words, dtype=bool)
    missing[4] = False
    values = subject.values().copy()
    values[missing] = np.nan
    with pytest.raises(ParameterError, match="needs at least 2 words, and the models have 1"):
        og.rank("maxcorr", replace(subject, array=values, missing=missing, path=None), others=[other])
