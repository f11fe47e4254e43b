"""Outputs are checked first, written whole, and replaced only where onegrain wrote what is there."""

from __future__ import annotations

import errno
import os
import resource
import shutil
from pathlib import Path

import pandas as pd
import pytest

from onegrain.core.output import (
    Layout,
    claim_output,
    is_written_by_onegrain,
    require_free,
    require_writable_output,
    storage_errors,
    whole_file,
    whole_folder,
)
from onegrain.core.recognition import marked_png
from onegrain.errors import MismatchError, OutputExistsError, ParameterError, StorageError
from onegrain.records.parquet import write_table

RECORD = '{"record": "neuron cards"}'

THINGS = Layout(
    "things", lambda folder: (folder / "mark.txt").read_text() == "ours", ("mark.txt", "below/*.txt", "deep/**")
)


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if "partial" in path.name or "probe" in path.name)


def things(folder: Path) -> Path:
    (folder / "below").mkdir(parents=True)
    (folder / "mark.txt").write_text("ours")
    (folder / "below/1.txt").write_text("1")
    return folder


def test_a_file_is_there_whole_or_not_at_all(tmp_path):
    out = tmp_path / "a/b/out.json"
    with pytest.raises(TypeError), whole_file(out, force=False) as partial:
        partial.write_text(b"half")  # type: ignore[arg-type]
    assert not out.exists()
    with whole_file(out, force=False) as partial:
        assert partial.name == out.name
        partial.write_text(RECORD)
        assert not out.exists()
    assert out.read_text() == RECORD
    assert [path.name for path in out.parent.iterdir()] == ["out.json"]


def test_files_and_folders_are_synced_before_and_after_the_rename(tmp_path, monkeypatch):
    """In this order: the content, the rename, the folder of the new name."""
    events: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def recorded_fsync(descriptor: int) -> None:
        events.append("sync " + os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))
        fsync(descriptor)

    def recorded_replace(self: Path, target: Path) -> Path:
        events.append(f"rename {self.name}")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(Path, "replace", recorded_replace)
    with whole_file(tmp_path / "new/out.json", force=False) as partial:
        partial.write_text("x")
    assert events == [f"sync {tmp_path.name}", "sync out.json", "rename out.json", "sync new"]
    events.clear()
    with whole_folder(tmp_path / "things", force=False, ours=THINGS) as partial:
        things_folder = partial / "below"
        things_folder.mkdir()
        (things_folder / "1.txt").write_text("1")
        (partial / "mark.txt").write_text("ours")
    assert events[-2:] == ["rename things", f"sync {tmp_path.name}"]
    assert sorted(events[:-2]) == ["sync 1.txt", "sync below", "sync mark.txt", "sync things"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("thesis.txt", b"years of work"),
        ("a.json", b'{"record": "vinyl"}'),
        ("a.json", b"[1, 2]"),
        ("page.html", b"<html><p>onegrain is a tool</p></html>"),
        ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(100)),
        ("a.parquet", b"PAR1" + bytes(100) + b"PAR1"),
        ("empty", b""),
    ],
)
def test_a_file_that_onegrain_did_not_write_is_never_replaced(tmp_path, name, content):
    out = tmp_path / name
    out.write_bytes(content)
    for refused in (
        lambda: require_free(out, force=True),
        lambda: require_writable_output(out, force=True),
        lambda: claim_output(out, force=True),
        lambda: whole_file(out, force=True).__enter__(),
    ):
        with pytest.raises(OutputExistsError, match=r"is not a file that onegrain wrote.*remove it yourself"):
            refused()
    assert out.read_bytes() == content
    assert leftovers(tmp_path) == []


def test_a_foreign_table_is_never_replaced_and_one_of_ours_is(tmp_path):
    foreign, ours = tmp_path / "foreign.parquet", tmp_path / "ours.parquet"
    frame = pd.DataFrame({"onegrain": [1.0]})
    frame.to_parquet(foreign)
    write_table(ours, frame, {"record": "ranking"}, force=False)
    assert is_written_by_onegrain(ours)
    with pytest.raises(OutputExistsError, match="exists already; use --force"):
        write_table(ours, frame, {"record": "ranking"}, force=False)
    write_table(ours, frame, {"record": "curve"}, force=True)
    with pytest.raises(OutputExistsError, match="not a file that onegrain wrote"):
        write_table(foreign, frame, {"record": "ranking"}, force=True)


def test_a_record_of_ours_is_known_even_when_it_is_damaged(tmp_path):
    path = tmp_path / "a.parquet"
    write_table(path, pd.DataFrame({"x": range(1000)}), {"record": "ranking"}, force=False)
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    data[-20] ^= 1
    path.write_bytes(data)
    assert is_written_by_onegrain(path)


def test_marked_pictures_and_pages_are_known(tmp_path):
    picture, page = tmp_path / "a.png", tmp_path / "a.html"
    header = b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + b"IHDR" + bytes(17)
    picture.write_bytes(marked_png(header + b"the other chunks"))
    assert picture.read_bytes().endswith(b"the other chunks")
    page.write_text('<html><head><meta name="generator" content="onegrain 0.1.0">')
    assert is_written_by_onegrain(picture)
    assert is_written_by_onegrain(page)


def test_a_folder_in_the_place_of_a_file_and_the_reverse(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputExistsError, match="is a folder, and the output is a file"):
        require_writable_output(tmp_path / "folder", force=True)
    with pytest.raises(OutputExistsError, match="is a file, and the output is a folder"):
        require_writable_output(tmp_path / "file", force=True, ours=THINGS)
    with pytest.raises(OutputExistsError, match="exists already"):
        require_free(tmp_path / "folder", force=False)


def test_a_folder_of_ours_is_replaced_whole(tmp_path):
    out = things(tmp_path / "out")
    with pytest.raises(OutputExistsError, match="exists already"), whole_folder(out, force=False, ours=THINGS):
        pass
    with whole_folder(out, force=True, ours=THINGS) as partial:
        (partial / "mark.txt").write_text("ours")
    assert [path.name for path in out.iterdir()] == ["mark.txt"]
    assert leftovers(tmp_path) == []
    assert claim_output(out, force=True, ours=THINGS) == out
    assert not out.exists()


@pytest.mark.parametrize("name", ["thesis.txt", "below/deeper/1.txt", "mark.txt.old", "below/1.png"])
def test_a_foreign_file_in_a_folder_of_ours_survives(tmp_path, name):
    out = things(tmp_path / "out")
    (out / name).parent.mkdir(exist_ok=True, parents=True)
    (out / name).write_text("precious")
    for refused in (
        lambda: claim_output(out, force=True, ours=THINGS),
        lambda: whole_folder(out, force=True, ours=THINGS).__enter__(),
    ):
        with pytest.raises(OutputExistsError, match=f"holds {name}, which is not part of things"):
            refused()
    assert (out / name).read_text() == "precious"
    assert (out / "mark.txt").exists()


def test_a_folder_with_the_names_but_not_the_content_is_foreign(tmp_path):
    out = things(tmp_path / "out")
    (out / "mark.txt").write_text("theirs")
    with pytest.raises(OutputExistsError, match="did not write as things"):
        claim_output(out, force=True, ours=THINGS)
    assert (out / "below/1.txt").exists()


def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path):
    target, link = tmp_path / "real.json", tmp_path / "link.json"
    link.symlink_to(target)
    with whole_file(link, force=False) as partial:
        partial.write_text(RECORD)
    assert link.is_symlink()
    assert target.read_text() == RECORD
    with pytest.raises(OutputExistsError), whole_file(link, force=False):
        pass
    with whole_file(link, force=True) as partial:
        partial.write_text("new")
    assert (link.is_symlink(), target.read_text()) == (True, "new")


def _awkward(tmp_path: Path) -> dict[str, tuple[Path, str]]:
    (tmp_path / "file").write_text("x")
    (tmp_path / "loop").symlink_to("loop")
    return {
        "below a file": (tmp_path / "file/a.parquet", "a part of its path is a file"),
        "far below a file": (tmp_path / "file/b/c/a.parquet", "a part of its path is a file"),
        "a loop": (tmp_path / "loop", "in a circle"),
        "below a loop": (tmp_path / "loop/a.parquet", "in a circle|a part of its path"),
        "a long name": (tmp_path / ("x" * 300), "the name is too long"),
        "a long folder": (tmp_path / ("x" * 300) / "a/b", "the name is too long"),
        "a long path": (tmp_path / "/".join(["y" * 200] * 30), "the name is too long"),
        "NUL": (tmp_path / "a\0b", "NUL character"),
        "proc": (Path("/proc/x.parquet"), "cannot write /proc/x.parquet: "),
        "below proc": (Path("/proc/x/y.parquet"), "cannot write /proc/x/y.parquet: "),
    }


AWKWARD = [
    "below a file",
    "far below a file",
    "a loop",
    "below a loop",
    "a long name",
    "a long folder",
    "a long path",
    "NUL",
    "proc",
    "below proc",
]


@pytest.mark.parametrize("case", AWKWARD)
def test_places_where_nothing_can_be_written_end_in_one_line(tmp_path, case):
    path, reason = _awkward(tmp_path)[case]

    def write() -> None:
        with whole_file(path, force=True) as partial:
            partial.write_text("x")

    for refused in (lambda: require_writable_output(path, force=True), write):
        with pytest.raises(StorageError, match=reason) as raised:
            refused()
        assert "\n" not in str(raised.value)
        assert len(str(raised.value)) < 600


@pytest.mark.parametrize("path", ["/", ".", "..", ""])
def test_what_names_no_output_is_refused(path):
    with pytest.raises(ParameterError, match="names no output"):
        require_writable_output(path, force=True)


def test_a_check_leaves_nothing_and_names_the_endings(tmp_path):
    out = tmp_path / "new/folder/a.parquet"
    assert require_writable_output(out, force=False, suffixes=(".parquet",)) == out
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ParameterError, match=r"a\.txt: the name of this output ends in \.hdf5 or \.json"):
        require_writable_output(tmp_path / "a.txt", force=False, suffixes=(".hdf5", ".json"))


def test_the_longest_name_that_a_disk_takes_is_written(tmp_path):
    out = tmp_path / ("n" * 255)
    require_writable_output(out, force=False)
    with whole_file(out, force=False) as partial:
        partial.write_text("x")
    assert out.read_text() == "x"
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_every_error_of_the_system_is_one_line(number):
    with pytest.raises(StorageError, match=r"^cannot write out/a\.txt: [^\n]+$"), storage_errors("out/a.txt"):
        raise OSError(number, os.strerror(number), "out/a.txt")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("Error while serializing: I/O error: No space left (os error 28)"), "the disk is full"),
        (OSError("Can't write data (file write failed: errno = 28, error message = 'No'"), "the disk is full"),
        (ValueError("embedded null byte"), "NUL character"),
        (OSError("odd"), "odd; check the disk"),
    ],
)
def test_errors_of_libraries_are_one_line(error, reason):
    with pytest.raises(StorageError, match=reason), storage_errors("a"):
        raise error


@pytest.mark.parametrize(
    "error", [ValueError("a bug"), MismatchError("other"), KeyError("x"), RuntimeError("b")]
)
def test_errors_that_are_not_of_a_disk_pass_through(error):
    with pytest.raises(type(error)) as raised, storage_errors("a"):
        raise error
    assert raised.value is error


def test_an_error_about_another_file_names_it():
    with pytest.raises(StorageError, match=r"cannot write out/a \(/elsewhere/b\): "), storage_errors("out/a"):
        raise FileNotFoundError(errno.ENOENT, "No such file", "/elsewhere/b")


def test_a_limit_on_file_sizes_is_one_line(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with (
            pytest.raises(StorageError, match="limit on file sizes"),
            whole_file(tmp_path / "a", force=False) as partial,
        ):
            partial.write_bytes(bytes(10_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_moved_away_in_the_middle_is_one_line(tmp_path):
    out = tmp_path / "folder/a.json"

    def write() -> None:
        with whole_file(out, force=False) as partial:
            shutil.move(out.parent, tmp_path / "moved")
            partial.write_text("x")

    with pytest.raises(StorageError, match="its folder was moved or removed meanwhile"):
        write()
