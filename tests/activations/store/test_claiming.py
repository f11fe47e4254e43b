"""Test that other folders are never written to, and that only files of a store are removed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import onegrain.activations.store.layout as layout
from activations.store.test_store import content, values
from onegrain.activations import open_activations, verify_activations
from onegrain.activations.store.journal import JOURNAL, Mark, encode_journal, read_journal
from onegrain.activations.store.manifest import seal
from onegrain.activations.store.places.locate import folder_at
from onegrain.activations.store.writer import StoreWriter, require_writable, write_store
from onegrain.errors import (
    AlreadyDoneError,
    MismatchError,
    OutputExistsError,
    ParameterError,
    RecordError,
    StorageError,
)


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch):
    monkeypatch.setattr(layout, "MOST_ROWS", 20)


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def unfinished(place: Path, shards: int = 3) -> Path:
    writer = StoreWriter(folder_at(place), content(), force=False)
    writer.write(values()[: 20 * shards])
    writer.close()
    return place


def finish(place: Path) -> None:
    writer = StoreWriter(folder_at(place), content(), force=False)
    writer.write(values()[writer.rows_done :])
    writer.finish()
    writer.close()


@pytest.mark.parametrize("journal", ["{}", "", "[]", '{"content": {}, "shards": 1}', '{"shards": 0}'])
@pytest.mark.parametrize("force", [False, True])
def test_a_journal_alone_does_not_make_a_folder_ours(tmp_path, journal, force):
    place = tmp_path / "project"
    (place / "sub").mkdir(parents=True)
    (place / "journal.json").write_text(journal)
    (place / "thesis.txt").write_text("important")
    (place / "sub/a").write_text("x")
    before = files(place)
    for refused in (
        lambda: require_writable(folder_at(place), force=force),
        lambda: StoreWriter(folder_at(place), content(), force=force),
        lambda: write_store(place, content(), [values()], force=force),
    ):
        with pytest.raises(OutputExistsError, match="a folder that onegrain did not write"):
            refused()
    assert files(place) == before


@pytest.mark.parametrize("name", ["thesis.txt", "labels/notes.txt", "activations/c/0/0.bak", "zarr.json.old"])
@pytest.mark.parametrize("state", ["finished", "unfinished"])
def test_a_foreign_file_in_a_store_survives_force(tmp_path, name, state):
    place = unfinished(tmp_path / "s.zarr")
    if state == "finished":
        finish(place)
    (place / name).write_text("precious")
    write_store(place, content("float16"), [values()], force=True)
    assert (place / name).read_text() == "precious"
    np.testing.assert_array_equal(open_activations(place).values(), values().astype(np.float16))


@pytest.mark.parametrize("damage", ["cut short", "a flipped bit", "emptied", "lengthened", "removed"])
def test_a_damaged_shard_is_written_again_when_the_run_resumes(tmp_path, damage):
    write_store(tmp_path / "whole.zarr", content(), [values()], force=False)
    place = unfinished(tmp_path / "s.zarr")
    shard = place / "activations/c/1/0"
    data = bytearray(shard.read_bytes())
    if damage == "removed":
        shard.unlink()
    else:
        data[50] ^= damage == "a flipped bit"
        sizes = {"cut short": len(data) // 2, "emptied": 0}
        shard.write_bytes(bytes(data[: sizes.get(damage, len(data))]) + b"x" * (damage == "lengthened"))
    writer = StoreWriter(folder_at(place), content(), force=False)
    assert writer.done == 1
    writer.close()
    finish(place)
    assert files(place) == files(tmp_path / "whole.zarr")
    assert verify_activations(place) > 0


def test_whole_shards_are_kept(tmp_path):
    place = unfinished(tmp_path / "s.zarr")
    times = {n: (place / f"activations/c/{n}/0").stat().st_mtime_ns for n in range(3)}
    finish(place)
    assert {n: (place / f"activations/c/{n}/0").stat().st_mtime_ns for n in range(3)} == times


def _journals() -> dict[str, bytes]:
    sealed = json.loads(encode_journal({"grid": {}, "labels": "x", "neurons": []}, [Mark(1, 2)]))
    deep = b'{"content": {"grid": 1, "labels": 1, "neurons": 1}, "shards": ' + b"[" * 50_000
    changed = {
        "shards Infinity": {"shards": float("inf")},
        "a shard too few numbers": {"shards": [[1]]},
        "negative": {"shards": [[-1, 2]]},
        "shards of text": {"shards": "many"},
        "content not an object": {"content": "grid labels neurons"},
        "content null": {"content": None},
        "another checksum": {"checksum": "0"},
        "a checksum of another kind": {"checksum": ["0"]},
    }
    journals = {name: json.dumps({**sealed, **change}).encode() for name, change in changed.items()}
    return journals | {"nested deeply": deep, "cut short": encode_journal(sealed["content"], [])[:-30]}


@pytest.mark.parametrize("kind", list(_journals()))
def test_a_damaged_journal_is_one_error_and_force_starts_over(tmp_path, kind):
    place = unfinished(tmp_path / "s.zarr")
    (place / JOURNAL).write_bytes(_journals()[kind])
    with pytest.raises(RecordError, match=r"journal\.json is damaged; use --force") as raised:
        StoreWriter(folder_at(place), content(), force=False)
    assert "\n" not in str(raised.value)
    write_store(place, content(), [values()], force=True)
    np.testing.assert_array_equal(open_activations(place).values(), values())


def test_every_flipped_byte_of_a_journal_is_noticed(tmp_path):
    journal = (unfinished(tmp_path / "s.zarr") / JOURNAL).read_bytes()
    read_journal(journal, "journal")
    for place in range(len(journal) - 1):
        damaged = bytearray(journal)
        damaged[place] ^= 1
        with pytest.raises(RecordError):
            read_journal(bytes(damaged), "journal")


def test_a_journal_of_the_first_version_is_named(tmp_path):
    with pytest.raises(MismatchError, match="an earlier version of onegrain began; use --force"):
        read_journal(b'{"content": {"format": 2}, "shards": 3}', "journal")


def _manifests(manifest: dict) -> dict[str, dict]:
    changes = {
        "files not an object": {"files": 3},
        "files of numbers": {"files": {"words/zarr.json": 3}},
        "files elsewhere": {"files": {"../../etc/passwd": "0"}},
        "a file with NUL": {"files": {"words/\0": "0"}},
        "no files": {"files": {}},
        "space null": {"space": None},
        "space of text": {"space": "layers"},
        "layers a number": {"layers": 7},
        "layers of numbers": {"layers": [1, 2]},
        "a vocabulary of numbers": {"layers": [{"name": "upos", "vocabulary": 3}]},
        "provenance a list": {"provenance": []},
        "provenance without corpus": {"provenance": {"stage": "extract"}},
        "source a list": {"source": [1]},
    }
    return {name: {**manifest, **change} for name, change in changes.items()} | {
        f"without {key}": {name: value for name, value in manifest.items() if name != key}
        for key in ("files", "space", "layers", "provenance", "source")
    }


def test_a_manifest_of_wrong_types_is_one_error_even_sealed_anew(tmp_path):
    place = tmp_path / "s.zarr"
    write_store(place, content(), [values()], force=False)
    attributes = json.loads((place / "zarr.json").read_text())["attributes"]
    manifest = {name: value for name, value in attributes.items() if name != "checksum"}
    for kind, changed in _manifests(manifest).items():
        (place / "zarr.json").write_bytes(seal(changed))
        with pytest.raises(RecordError, match=r"s\.zarr is damaged") as raised:
            open_activations(place)
        assert "\n" not in str(raised.value), kind
    for deep in ("[" * 100_000, '{"attributes": ' * 50_000, '{"attributes": []}', "[]", "7", "\x00"):
        (place / "zarr.json").write_text(deep)
        with pytest.raises(RecordError):
            open_activations(place)


def test_a_finished_store_of_the_same_content_is_done_and_another_is_refused(tmp_path):
    place = tmp_path / "s.zarr"
    write_store(place, content(), [values()], force=False)
    before = files(place)
    for again in (
        lambda: StoreWriter(folder_at(place), content(), force=False),
        lambda: write_store(place, content(), [values()], force=False),
    ):
        with pytest.raises(AlreadyDoneError, match="the same command has made it"):
            again()
    with pytest.raises(OutputExistsError, match="exists already; use --force") as raised:
        write_store(place, content("float16"), [values()], force=False)
    assert not isinstance(raised.value, AlreadyDoneError)
    assert files(place) == before
    (place / "activations/c/1/0").unlink()
    with pytest.raises(RecordError, match="1 of 5 shards are lost"):
        write_store(place, content(), [values()], force=False)


@pytest.mark.parametrize("way", ["moved", "removed", "replaced"])
def test_a_store_that_is_moved_or_removed_while_it_is_written_is_one_line(tmp_path, way):
    place = tmp_path / "s.zarr"
    writer = StoreWriter(folder_at(place), content(), force=False)
    writer.write(values()[:20])
    if way == "removed":
        shutil.rmtree(place)
    else:
        shutil.move(place, tmp_path / "elsewhere")
    if way == "replaced":
        place.mkdir()
    with pytest.raises(StorageError, match="the folder was moved or removed while onegrain wrote in it"):
        writer.write(values()[20:40])
    writer.close()
    if way == "moved":
        assert not place.exists()
        shutil.move(tmp_path / "elsewhere", place)
        finish(place)
        np.testing.assert_array_equal(open_activations(place).values(), values())


@pytest.mark.parametrize("place", ["/", ".", ".."])
def test_a_place_that_names_no_folder_is_refused_at_once(place):
    with pytest.raises((ParameterError, OutputExistsError)):
        require_writable(folder_at(place), force=True)


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "loop", "loop/s.zarr", "file/s.zarr"])
def test_a_place_that_takes_no_store_is_one_line(tmp_path, name):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="cannot write") as raised:
        require_writable(folder_at(tmp_path / name), force=True)
    assert "\n" not in str(raised.value)
    with pytest.raises(StorageError):
        write_store("/proc/s.zarr", content(), [values()], force=True)


def test_all_files_are_synced_before_the_manifest(tmp_path, monkeypatch):
    """Every file is synced before the manifest is renamed, and every shard before the journal records it."""
    import onegrain.activations.store.places.local as local

    events: list[tuple[str, str]] = []
    place = tmp_path / "s.zarr"

    def recorded(kind: str, path: Path) -> None:
        events.append((kind, path.relative_to(tmp_path).as_posix()))

    sync_file, sync_folder, replace = local.sync_file, local.sync_folder, Path.replace
    monkeypatch.setattr(local, "sync_file", lambda path: (recorded("file", path), sync_file(path))[1])
    monkeypatch.setattr(
        local, "make_folder", lambda path: (recorded("made", path), path.mkdir(exist_ok=True))[1]
    )
    monkeypatch.setattr(local, "sync_folder", lambda path: (recorded("folder", path), sync_folder(path))[1])
    monkeypatch.setattr(
        Path, "replace", lambda self, target: (recorded("rename", target), replace(self, target))[1]
    )
    finish(unfinished(place))
    last = events.index(("rename", "s.zarr/zarr.json"))
    written = {f"s.zarr/{name}" for name in files(place)} - {"s.zarr/zarr.json"}
    assert written <= {name for kind, name in events[:last] if kind == "file"}
    assert ("folder", "s.zarr") in events[last:]
    assert events[0] == ("made", "s.zarr")
    noted = [index for index, event in enumerate(events) if event == ("rename", "s.zarr/journal.json")]
    for shard in range(3):
        assert events.index(("file", f"s.zarr/activations/c/{shard}/0")) < noted[1]
    assert events[last - 1][0] != "rename"
