"""The verbs ``index`` and ``search``, and ``show`` of what they write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from onegrain.library import load, records
from support.commands import Run
from support.indexed import FOLLOWS, write


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return Path(str(write(tmp_path).path))


def test_a_store_is_indexed_searched_and_shown(run: Run, store: Path) -> None:
    code, out, _ = run("index", str(store), "--json")
    facts = json.loads(out)
    assert (code, facts["index"]) == (0, str(store.with_suffix(".index")))
    assert run("show", facts["index"], "--json")[1].count('"neuron index"') == 1
    record = store.with_name("ing.parquet")
    arguments = ("search", str(store), "--regex", "ing.+", "--out", str(record), "--rows", "3", "--json")
    code, out, _ = run(*arguments)
    found = json.loads(out)
    assert (code, found["best neuron"], len(found["neurons"])) == (0, f"layers.0:{FOLLOWS}", 3)
    assert load(record).details["source"] == "index"
    code, out, _ = run("show", str(record), "--rows", "2")
    assert code == 0
    assert f"layers.0\t{FOLLOWS}\t" in out
    kinds = {listed.path.name: (listed.kind, listed.error) for listed in records(store.parent)}
    assert kinds == {
        "store.zarr": ("activations", ""),
        "store.index": ("neuron index", ""),
        "ing.parquet": ("concept search", ""),
    }


def test_words_and_labels_without_an_index(run: Run, store: Path, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("ing3\nw4\n")
    listed = run("search", str(store), "--word-list", str(tmp_path / "words.txt"), "--json")
    named = run("search", str(store), "--word", "ing3", "--word", "w4", "--json")
    assert listed[0] == named[0] == 0
    assert json.loads(listed[1])["neurons"] == json.loads(named[1])["neurons"]
    code, out, _ = run("search", str(store), "--label", "1", "--layer", "position")
    assert code == 0
    assert "position=1" in out


def test_refusals_name_the_options(run: Run, store: Path) -> None:
    code, _, err = run("search", str(store))
    assert (code, "one of words, regex or label" in err) == (1, True)
    code, _, err = run("search", str(store), "--word", "a", "--word-list", "b")
    assert (code, "--word and --word-list" in err) == (1, True)
    assert run("index", str(store), "--out", str(store.with_name("x.index")))[0] == 0
    code, _, err = run("index", str(store), "--out", str(store.with_name("x.index")), "--seed", "3")
    assert (code, "other options" in err) == (1, True)
