"""Test what an extraction announces before it begins, and the disk space that it requires."""

from __future__ import annotations

import shutil
from collections import namedtuple

import pytest

import onegrain as og
from onegrain.activations.extraction.planning import ExtractionPlan
from onegrain.errors import StorageError
from support.tiny import plain_corpus

Usage = namedtuple("Usage", "total used free")  # what shutil gives


@pytest.mark.parametrize(("dtype", "size"), [("float32", 4), ("float16", 2)])
def test_the_plan_is_announced_before_the_first_word(models, tmp_path, dtype, size):
    announced: list[ExtractionPlan] = []
    path = tmp_path / "a.zarr"

    def announce(plan: ExtractionPlan) -> None:
        assert not (path / "activations/c/0/0").exists()
        announced.append(plan)

    og.extract(models["bert"], plain_corpus(), path, dtype=dtype, announce=announce)
    words = plain_corpus().n_words
    assert announced == [ExtractionPlan(32, 2, words, 32 * words * size)]
    assert str(announced[0]) == f"32 neurons of 2 sites at {words} words, 1 MiB"


def test_a_disk_without_room_is_refused_before_anything_is_written(models, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 10**12, 1000))
    path = tmp_path / "deep" / "a.zarr"
    with pytest.raises(StorageError, match=r"needs 1 MiB \(32 neurons .* choose fewer sites"):
        og.extract(models["bert"], plain_corpus(), path)
    assert not path.exists()


def test_a_store_that_is_replaced_makes_room(models, tmp_path, monkeypatch):
    path = tmp_path / "a.zarr"
    og.extract(models["bert"], plain_corpus(), path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 10**12, 1000))
    assert og.extract(models["bert"], plain_corpus(), path, force=True).n_neurons == 32
