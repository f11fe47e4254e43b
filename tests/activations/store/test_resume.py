"""Test that an interrupted extraction resumes and writes the same bytes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from onegrain.activations import extract, open_activations
from onegrain.activations.extraction import extract as extraction
from onegrain.errors import MismatchError, OutputExistsError, RecordError, StorageError
from support import TESTS
from support.tiny import parallel_corpus, plain_corpus


def content(store: Path) -> dict[str, bytes]:
    return {str(p.relative_to(store)): p.read_bytes() for p in sorted(store.rglob("*")) if p.is_file()}


class StopWorkError(Exception):
    """Raised by the tests to interrupt an extraction."""


def stop_after(advances: int):
    """Return a progress that raises at the n-th report (the first reports what an earlier run has written)."""

    @contextmanager
    def progress(description: str, total: int, unit: str) -> Iterator:
        left = advances

        def advance(done: int) -> None:
            nonlocal left
            if left == 0:
                raise StopWorkError
            left -= 1

        yield advance

    return progress


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr("onegrain.activations.store.layout.MOST_ROWS", 20)
    monkeypatch.setattr("onegrain.activations.extraction.extract.READ_BYTES", 1)


@pytest.fixture
def unfinished(models, tmp_path, small_shards) -> Path:
    """Return an unfinished store of the language model on the tiny corpus with two shards."""
    with pytest.raises(StopWorkError):
        extract(models["nlm"], plain_corpus(), tmp_path / "cut.zarr", progress=stop_after(3))
    return tmp_path / "cut.zarr"


@pytest.mark.parametrize(
    ("way", "number", "least"),
    [
        ("moments", 50, 50),
        ("changes", 19, 4),
        pytest.param("changes", 1, 60, marks=pytest.mark.slow),
        pytest.param("moments", 500, 500, marks=pytest.mark.slow),
    ],
)
def test_killed_at_any_moment_it_ends_in_the_same_bytes(models, tmp_path, way, number, least):
    """Kill the process with SIGKILL at random moments, and at changes from the first to the last."""
    if not hasattr(os, "fork"):
        pytest.skip("needs os.fork")
    run = subprocess.run(
        [
            sys.executable,
            Path(__file__).with_name("interrupted.py"),
            models["nlm"].identity.id,
            tmp_path,
            way,
            str(number),
        ],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) >= least


def test_a_run_resumes_after_the_last_complete_shard(models, tmp_path, unfinished):
    unbroken = extract(models["nlm"], plain_corpus(), tmp_path / "whole.zarr")
    with pytest.raises(RecordError, match="unfinished"):
        open_activations(unfinished)
    kept = {shard: (unfinished / f"activations/c/{shard}/0").stat().st_mtime_ns for shard in (0, 1)}
    reported: list[int] = []

    @contextmanager
    def progress(description: str, total: int, unit: str) -> Iterator:
        yield reported.append

    store = extract(models["nlm"], plain_corpus(), unfinished, progress=progress)
    assert reported == [40, 20, 18]
    assert {shard: (unfinished / f"activations/c/{shard}/0").stat().st_mtime_ns for shard in (0, 1)} == kept
    assert content(unfinished) == content(tmp_path / "whole.zarr")
    np.testing.assert_array_equal(store.values(), unbroken.values())


def test_a_shard_that_vanished_is_written_again_and_strays_are_swept(models, tmp_path, unfinished):
    extract(models["nlm"], plain_corpus(), tmp_path / "whole.zarr")
    (unfinished / "activations/c/1/0.4f2a.partial").write_bytes(b"half a shard")
    (unfinished / "activations/c/2").mkdir()
    (unfinished / "activations/c/2/0").write_bytes(b"a shard that the journal does not know")
    (unfinished / "activations/c/0/0").unlink()
    extract(models["nlm"], plain_corpus(), unfinished)
    assert content(unfinished) == content(tmp_path / "whole.zarr")


@pytest.mark.parametrize(
    ("options", "other"),
    [
        ({"aggregate": "mean"}, "parameters"),
        ({"dtype": "float16"}, "parameters"),
        ({"sites": "layers.*"}, "neurons and sites"),
        ({"corpus": plain_corpus().lower()}, "corpus"),
        ({"corpus": plain_corpus().with_layer(plain_corpus().layer("length"))}, None),
        ({"corpus": parallel_corpus()}, None),
        ({"batch_size": 3}, None),
        ({"model": "gpt2"}, "model"),
    ],
)
@pytest.mark.usefixtures("small_shards")
def test_going_on_with_something_else_is_refused(models, unfinished, options, other):
    arguments = {"model": models["nlm"], "corpus": plain_corpus()} | options
    if options.get("model"):
        arguments["model"] = models["gpt2"]
        arguments["sites"] = ["embeddings", "layers.?"]
    if other is None:
        assert extract(out=unfinished, **arguments).n_words == plain_corpus().n_words
        return
    before = content(unfinished)
    with pytest.raises(MismatchError, match=f"unfinished extraction that was begun with other {other}"):
        extract(out=unfinished, **arguments)
    assert content(unfinished) == before
    assert extract(out=unfinished, force=True, **arguments).n_words == plain_corpus().n_words


def test_other_labels_are_something_else(models, unfinished):
    corpus = plain_corpus()
    swapped = corpus.with_layer(corpus.layer("length").take(np.arange(corpus.n_words)[::-1]))
    with pytest.raises(MismatchError, match="begun with other labels"):
        extract(models["nlm"], swapped, unfinished)


def test_a_damaged_journal_is_refused(models, unfinished):
    (unfinished / "journal.json").write_text("{")
    with pytest.raises(RecordError, match=r"journal\.json is damaged; use --force"):
        extract(models["nlm"], plain_corpus(), unfinished)
    assert extract(models["nlm"], plain_corpus(), unfinished, force=True).n_words == plain_corpus().n_words


def test_an_empty_folder_is_taken_and_a_finished_store_is_not(models, tmp_path):
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr/.journal.json.partial-77").write_text("{")
    extract(models["nlm"], plain_corpus(), tmp_path / "a.zarr")
    extract(models["nlm"], plain_corpus(), tmp_path / "b.zarr")
    assert content(tmp_path / "a.zarr") == content(tmp_path / "b.zarr")
    with pytest.raises(OutputExistsError):
        extract(models["nlm"], plain_corpus().head(2), tmp_path / "a.zarr")


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """Mount a file system of 104 KiB if this machine permits it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=104k", "tmpfs", folder], capture_output=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("no mount command")
    if mounted.returncode:
        pytest.skip("mounting a small file system is not permitted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.usefixtures("small_shards")
def test_a_full_disk_is_reported_and_the_run_resumes_with_free_space(models, tmp_path, small_disk, monkeypatch):
    """Test a disk that becomes full before the shards, while a thread writes them, and after them.

    The disk has room when the run begins, and another program takes it.
    """
    monkeypatch.setattr(extraction, "require_room", lambda *args, **options: None)
    ballast, reached = small_disk / "ballast", set()
    for spare in range(10, 72, 8):
        ballast.write_bytes(b"x" * 1024 * (100 - spare))
        out = small_disk / "a.zarr"
        with pytest.raises(StorageError, match="the disk is full; free some space and run the same command"):
            extract(models["gpt2"], plain_corpus(), out)
        reached.add(len(list(out.glob("activations/c/*/0"))))
    assert len(reached) >= 3
    subprocess.run(["mount", "-o", "remount,size=8m", small_disk], check=True)
    extract(models["gpt2"], plain_corpus(), out)
    extract(models["gpt2"], plain_corpus(), tmp_path / "whole.zarr")
    assert content(out) == content(tmp_path / "whole.zarr")


def test_a_read_only_disk_is_reported(models, small_disk):
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(StorageError, match="read-only; choose another output"):
        extract(models["nlm"], plain_corpus(), small_disk / "a.zarr")
