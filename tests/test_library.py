"""Opening records by their content, listing folders, and what records show of themselves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import onegrain as og
from onegrain import library
from onegrain.errors import RecordError
from onegrain.records.directions import Directions
from support.planted import plant
from support.records import PROVENANCE, RECORDS, ranking

HOSTILE = "<script>alert(1)</script>\x1b[31m"


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_is_opened_by_its_content_under_any_name(name: str, tmp_path: Path) -> None:
    make, _ = RECORDS[name]
    record = make()
    record.save(tmp_path / "any.name")
    loaded = og.load(tmp_path / "any.name")
    assert type(loaded) is type(record)
    assert repr(loaded) == repr(record)
    (entry,) = library.records(tmp_path)
    assert entry.kind.replace(" ", "") == type(record).__name__.lower()


def test_directions_are_loaded_as_they_were_saved(tmp_path: Path) -> None:
    encoder = np.arange(6.0).reshape(3, 2)
    Directions("layers.0", np.ones(3), encoder, encoder.T, PROVENANCE).save(tmp_path / "shared")
    loaded = og.load(tmp_path / "shared")
    np.testing.assert_array_equal(loaded.encoder, encoder)
    np.testing.assert_array_equal(loaded.decoder, encoder.T)
    assert loaded.summary()["directions"] == 2
    weights = tmp_path / "shared" / "sae_weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(RecordError, match="checksum"):
        og.load(tmp_path / "shared")


def test_a_damaged_record_is_listed_with_its_error_and_other_files_are_not(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    ranking().save(tmp_path / "deep" / "good.parquet")
    data = (tmp_path / "deep" / "good.parquet").read_bytes()
    (tmp_path / "bad.parquet").write_bytes(data[:-1])
    (tmp_path / "notes.txt").write_text("hello")
    bad, good = library.records(tmp_path)
    assert (bad.path.name, bad.kind, "not a Parquet file" in bad.error) == ("bad.parquet", "", True)
    assert (good.kind, good.error, good.load().method) == ("ranking", "", "lca")
    with pytest.raises(RecordError, match="not a record"):
        og.load(tmp_path / "notes.txt")
    with pytest.raises(RecordError, match="does not exist"):
        og.load(tmp_path / "none.txt")


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_prints_a_few_lines_and_html(name: str) -> None:
    record = RECORDS[name][0]()
    assert len(repr(record)) < 1500
    assert repr(record).startswith(type(record).__name__)
    assert record._repr_html_().startswith("<table>")
    assert len(record.to_pandas())
    tables = record.tables()
    assert all(len(table) for table in tables.values())
    assert tables


def test_a_record_without_its_details_still_prints() -> None:
    evaluation = RECORDS["evaluation.parquet"][0]()
    with pytest.raises(KeyError):
        evaluation.summary()
    assert "details are missing" in repr(evaluation)
    assert "details are missing" in evaluation._repr_html_()
    assert RECORDS["similarity.parquet"][0]().summary()["models"] == ["m", "n"]


def test_a_ranking_says_how_its_probe_did() -> None:
    full = {"accuracy": 0.9, "low": 0.88, "high": 0.92}
    facts = replace(ranking(), details={"evaluation": {"majority": 0.2, "full": full}}).summary()
    assert (facts["accuracy"], facts["95 % interval"], facts["majority"]) == (0.9, [0.88, 0.92], 0.2)
    assert "accuracy" not in replace(ranking(), details={"evaluation": {"full": {"macro_f1": 0.5}}}).summary()


def test_activations_and_corpus_describe_themselves() -> None:
    activations = plant(60).activations
    assert activations.summary()["words"] == len(activations.corpus.to_pandas()) == activations.corpus.n_words
    assert repr(activations).startswith("Activations\n")
    assert repr(activations.corpus).startswith("Corpus\n")


def test_hostile_text_is_escaped_in_html_and_in_text() -> None:
    named: Any = replace(ranking(), method=HOSTILE, labels=(HOSTILE, "[x]"))
    for text in (named._repr_html_(), repr(named)):
        assert "\x1b" not in text
    assert "<script>" not in named._repr_html_()
    assert "&lt;script&gt;" in named._repr_html_()


def test_a_ranking_is_indexed_by_place() -> None:
    record = ranking()
    assert len(record) == record.space.size
    assert record[0] == record.top(1)[0]
    assert record[:3] == record.top(3)
    assert record[-1] == record.bottom(1)[0]
    assert list(record) == record.top(5)
    assert record.top() == record.top(10)


def test_a_ranking_shows_the_partners_of_its_neurons() -> None:
    first = plant(60, model="a").activations
    second = replace(first, provenance=plant(60, model="b").activations.provenance)
    record = og.rank("maxcorr", first, others=[second])
    frame = record.tables()["neurons"]
    assert list(frame)[:5] == ["rank", "neuron", "site", "unit", "score"]
    partner = record.details["partner"]
    best = int(record.order[0])
    assert frame["partner"][0] == f"1/{second.space.name(partner['neuron'][best])}"
    assert frame["correlation"][0] == partner["correlation"][best]
