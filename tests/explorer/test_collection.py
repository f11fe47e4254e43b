"""The collection: what places become, by which names, and what is left out."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from onegrain.errors import ParameterError
from onegrain.explorer.collecting import collect
from onegrain.explorer.collection import MODEL, Collection
from onegrain.explorer.errors import NotFoundError
from onegrain.records.ranking import Ranking
from support import records


def test_a_study_has_an_entry_for_each_record(collection: Collection) -> None:
    names = [entry.name for entry in collection.entries]
    assert len(names) == len(set(names)) == 20
    assert collection.left_out == ()
    kinds = {entry.kind for entry in collection.entries}
    assert {"activations", MODEL, "ranking", "curve", "sweep", "stability", "specificity"} <= kinds
    upos = collection.entry("rankings/upos--nlm-1")
    assert (upos.kind, upos.model, upos.method, upos.layer) == ("ranking", "nlm-1", "lca", "upos")
    assert collection.model_of(upos).name == "models/nlm-1"
    assert upos in collection.about(upos.weights, "ranking")
    assert "rankings/upos-nmt--nmt" not in [entry.name for entry in collection.about(upos.weights)]


def test_records_open_by_name_and_kind(collection: Collection) -> None:
    assert isinstance(collection.record("rankings/upos--nlm-1"), Ranking)
    assert collection.record("rankings/upos--nlm-1") is collection.record("rankings/upos--nlm-1")
    assert collection.store("activations/nmt--test").space.sites
    with pytest.raises(NotFoundError, match="no curve is called 'rankings/upos--nlm-1'"):
        collection.record("rankings/upos--nlm-1", "curve")


@pytest.mark.parametrize(
    "name", ["", "..", "../study", "/etc/passwd", "rankings/../rankings/upos--nlm-1", "\0"]
)
def test_a_name_is_never_a_path(collection: Collection, name: str) -> None:
    with pytest.raises(NotFoundError):
        collection.record(name)


def test_single_places_are_named_after_themselves(study: Path) -> None:
    places = [study / "rankings" / "upos--nlm-1.parquet", study / "activations" / "nlm-1--test.zarr"]
    single = collect([*places, study / "models" / "nlm-1"])
    assert [entry.name for entry in single.entries] == ["nlm-1", "nlm-1--test", "upos--nlm-1"]
    assert single.folder is None
    assert single.title == "upos--nlm-1.parquet"


def test_entries_of_one_name_are_numbered(study: Path, tmp_path: Path) -> None:
    source = study / "rankings" / "upos--nlm-1.parquet"
    places = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        places.append(Path(shutil.copy(source, tmp_path / folder)))
    assert [entry.name for entry in collect(places).entries] == ["upos--nlm-1", "upos--nlm-1 (2)"]


def test_folders_of_several_places_are_told_apart_by_their_names(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        records.curve().save(tmp_path / folder / "curve.parquet")
    both = collect([tmp_path / "a", tmp_path / "b"])
    assert [entry.name for entry in both.entries] == ["a/curve", "b/curve"]
    assert both.folder is None
    assert collect([tmp_path / "a"]).folder == tmp_path / "a"


def test_every_kind_of_record_is_listed_and_opens(tmp_path: Path) -> None:
    for name, (make, _) in records.RECORDS.items():
        make().save(tmp_path / name)
    listed = collect([tmp_path])
    assert len(listed.entries) == len(records.RECORDS)
    for entry in listed.entries:
        assert type(listed.record(entry.name)).__name__


def test_a_damaged_file_is_left_out_with_its_reason(study_copy: Path) -> None:
    path = study_copy / "rankings" / "upos--nlm-1.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    (study_copy / "curves" / "cut.parquet").write_bytes(b"PAR1")
    opened = collect([study_copy])
    assert "rankings/upos--nlm-1" not in [entry.name for entry in opened.entries]
    assert len(opened.left_out) == 2
    assert any("cut" in line for line in opened.left_out)
    assert not any(str(study_copy) in line for line in opened.left_out)


@pytest.mark.parametrize(("places", "message"), [([], "name a folder"), (["missing"], "does not exist")])
def test_places_that_cannot_be_shown(places: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=message):
        collect([tmp_path / place for place in places])


def test_a_folder_without_records_names_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(ParameterError, match="onegrain explore --demo"):
        collect([tmp_path])
    with pytest.raises(ParameterError, match="nothing to show"):
        collect([tmp_path / "notes.txt"])


def test_a_record_that_is_added_changes_the_version(study_copy: Path) -> None:
    opened = collect([study_copy])
    version = opened.version
    calls = []
    assert opened.derived("count", lambda: calls.append(1) or len(opened.entries)) == 20
    assert opened.derived("count", lambda: calls.append(1) or len(opened.entries)) == 20
    added = study_copy / "added.parquet"
    records.curve().save(added)
    entry = opened.add(added, "added")
    assert opened.entry("added") == entry
    assert opened.version != version
    assert opened.derived("count", lambda: len(opened.entries)) == 21
    version = opened.version
    opened.touch()
    assert opened.version != version


def test_the_file_of_a_study_beside_its_folder_names_corpora(study: Path, study_copy: Path) -> None:
    file = study.parent / "study.toml"
    opened = collect([study_copy, file])
    assert (opened.study_files, opened.folder, opened.title) == ((file,), study_copy, "study")
    shutil.copy(file, study_copy / "tiny.toml")
    (study_copy / "notes.toml").write_text("a = 1")
    inside = collect([study_copy])
    assert [path.name for path in inside.study_files] == ["tiny.toml"]
    assert inside.left_out[0].startswith("notes.toml: ")
    with pytest.raises(ParameterError):
        collect([study_copy, study_copy / "notes.toml"])
    with pytest.raises(ParameterError, match="name a folder"):
        collect([file])
