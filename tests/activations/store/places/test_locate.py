"""Test a local folder as the place of a store: complete files and a single writer."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from onegrain.activations.store.places.local import LocalFolder
from onegrain.activations.store.places.locate import folder_at
from onegrain.errors import OutputExistsError, StorageError


@pytest.fixture
def folder(tmp_path) -> LocalFolder:
    return LocalFolder(tmp_path / "a.zarr")


def test_files_come_back_by_their_names(folder):
    assert not folder.exists()
    assert folder.names() == []
    assert folder.read("a/b") is None
    folder.write("b/c/0", b"zero")
    folder.write("b.json", iter([memoryview(b"te"), memoryview(b"xt")]))
    folder.write("b/c/0", b"again")
    assert folder.names() == ["b.json", "b/c/0"]
    assert folder.read_all(["b/c/0", "no"]) == {"b/c/0": b"again", "no": None}
    assert folder.read("b.json/below") is None
    assert folder.exists()
    assert folder.place == Path(str(folder))


def test_a_failed_write_keeps_the_old_file_and_leaves_no_other(folder, tmp_path):
    folder.write("a", b"whole")
    with pytest.raises(TypeError):
        folder.write("a", iter(["no bytes"]))  # type: ignore[arg-type]
    assert folder.read("a") == b"whole"
    assert folder.names() == ["a"]


def test_removing_prunes_the_folders_that_it_empties_but_no_others(folder):
    for name in ("a/b/c/0", "a/b/1", "a/d/2"):
        folder.write(name, b"")
    folder.remove("a/b/c/0")
    assert not (folder.place / "a/b/c").exists()
    assert folder.names() == ["a/b/1", "a/d/2"]
    folder.remove("a/b/1")
    folder.remove("a/d/2")
    assert list(folder.place.iterdir()) == []


def test_one_writer_at_a_time(folder):
    release = folder.hold()
    for other in (LocalFolder(folder.place), folder):
        with pytest.raises(OutputExistsError, match=r"another writer is at work on .*a\.zarr; wait until"):
            other.hold()
        with pytest.raises(OutputExistsError, match="another writer"):
            other.require_usable()
    release()
    release()
    folder.hold()()


def test_letting_go_drops_the_place_where_it_is_empty_only(folder):
    release = folder.hold()
    (folder.place / "labels/0").mkdir(parents=True)
    release(drop=True)
    assert not folder.exists()
    release = folder.hold()
    (folder.place / "labels/0").mkdir(parents=True)
    folder.write("kept", b"")
    release(drop=True)
    assert folder.names() == ["kept"]
    assert not (folder.place / "labels").exists()


def test_who_comes_as_the_place_is_dropped_holds_the_new_one(folder, monkeypatch):
    """Another writer removes the folder after it is opened and before it is locked."""
    folder.place.mkdir()
    opened = os.open

    def vanishing(path, flags):
        monkeypatch.setattr(os, "open", opened)
        descriptor = opened(path, flags)
        Path(path).rmdir()
        return descriptor

    monkeypatch.setattr(os, "open", vanishing)
    release = folder.hold()
    assert folder.exists()
    with pytest.raises(OutputExistsError):
        LocalFolder(folder.place).hold()
    release()


HOLDER = """
import sys
from onegrain.activations.store.places.locate import folder_at
release = folder_at(sys.argv[1]).hold()
print("holding", flush=True)
sys.stdin.read()
"""


def test_the_lock_of_a_process_that_dies_is_free(folder):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], **pipes) as other:
        assert other.stdout.readline() == "holding\n"
        with pytest.raises(OutputExistsError, match="another writer"):
            folder.hold()
        other.kill()
    folder.hold()()


@pytest.mark.parametrize("kind", ["file", "broken link"])
def test_a_file_in_its_place_is_refused(folder, kind):
    if kind == "file":
        folder.place.write_text("text")
    else:
        folder.place.symlink_to("nowhere")
    for refused in (folder.require_usable, folder.hold):
        with pytest.raises(OutputExistsError, match="is a file; a store is a folder, choose another output"):
            refused()


def test_a_file_in_the_path_is_reported(tmp_path):
    (tmp_path / "file").write_text("text")
    for place in ("file/a.zarr", "file/b/a.zarr"):
        with pytest.raises(StorageError, match=r"cannot write .*a\.zarr: a part of its path is a file"):
            folder_at(tmp_path / place).hold()


def test_an_unreadable_file_is_reported(folder):
    folder.write("a", b"secret")
    (folder.place / "a").chmod(0)
    if os.access(folder.place / "a", os.R_OK):
        pytest.skip("this user may read everything")
    refusal = r"cannot read .*Permission denied; check the disk and your permissions"
    with pytest.raises(StorageError, match=refusal):
        folder.read("a")


@pytest.mark.parametrize("name", ["a.zarr", "s3:/b/a.zarr", "C:/a.zarr", "sub dir/a.zarr"])
def test_what_is_no_url_is_a_path(name):
    assert folder_at(name).place == Path(name)
    assert folder_at(Path(name)).place == Path(name)


def test_a_folder_reaches_another_process_by_its_path(tmp_path) -> None:
    folder = LocalFolder(tmp_path / "a.zarr")
    copied = pickle.loads(pickle.dumps(folder))
    assert isinstance(copied, LocalFolder)
    assert copied.place == folder.place
