"""Damage to a record is noticed, wherever it is, and is one error that names the file."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from onegrain.core import sealing
from onegrain.core.sealing import read_sealed_json, reading, write_sealed_json
from onegrain.errors import OutputExistsError, ParameterError, RecordError, StorageError
from onegrain.records.cards import NeuronCards
from onegrain.records.curve import Curve
from onegrain.records.parquet import read_header, write_table
from onegrain.records.ranking import Ranking
from onegrain.records.stability import Stability
from support.records import PROVENANCE, RECORDS, SPACE, ranking


def alike(a: Any, b: Any) -> bool:
    """Whether two values are the same to the last bit, in type, shape and order."""
    if isinstance(a, np.ndarray):
        same = a.dtype == b.dtype and a.shape == b.shape
        if a.dtype.kind != "f":
            return same and np.array_equal(a, b)
        zeros = np.array_equal(np.signbit(a[a == 0]), np.signbit(b[b == 0]))
        return same and zeros and np.array_equal(a, b, equal_nan=True)
    if isinstance(a, pd.DataFrame):
        return a.equals(b) and list(a.dtypes) == list(b.dtypes)
    if isinstance(a, Mapping):
        return list(a) == list(b) and all(alike(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(alike, a, b))
    if dataclasses.is_dataclass(a):
        return all(alike(getattr(a, x.name), getattr(b, x.name)) for x in dataclasses.fields(a))
    return bool(a == b or (a != a and b != b))


def refused(load: Callable[[Path], Any], path: Path) -> str | None:
    """What a refusal says, which is one line with the file's name; None where the file is read."""
    try:
        load(path)
    except RecordError as error:
        text = str(error)
    else:
        return None
    assert str(path) in text
    assert "\n" not in text
    return text


def rewrite(path: Path, frame: pd.DataFrame, header: dict[str, Any]) -> None:
    """Write a table with its checksum, in place of whatever file is there."""
    path.unlink(missing_ok=True)
    write_table(path, frame, header, force=False)


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_comes_back_as_it_went_and_has_the_same_bytes_each_time(name: str, tmp_path: Path) -> None:
    make, load = RECORDS[name]
    path, again = tmp_path / name, tmp_path / f"again-{name}"
    make().save(path)
    record = load(path)
    record.save(again)
    assert path.read_bytes() == again.read_bytes()
    assert alike(load(again), record)
    if not isinstance(record, NeuronCards | Stability):
        pd.testing.assert_frame_equal(record.to_pandas(), make().to_pandas(), check_dtype=False)


@pytest.mark.parametrize("name", RECORDS)
def test_one_flipped_bit_anywhere_is_refused_or_changes_nothing(name: str, tmp_path: Path) -> None:
    make, load = RECORDS[name]
    path = tmp_path / name
    make().save(path)
    data, record = path.read_bytes(), load(path)
    chosen = random.Random(7)
    same = 0
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 1 << chosen.randrange(8)
        path.write_bytes(flipped)
        if refused(load, path) is None:
            assert alike(load(path), record), position
            same += 1
    assert same == 0 or name.endswith(".json")
    assert same < len(data) / 4


@pytest.mark.parametrize("name", RECORDS)
def test_a_file_cut_short_or_of_another_kind_is_refused(name: str, tmp_path: Path) -> None:
    make, load = RECORDS[name]
    path = tmp_path / name
    make().save(path)
    data = path.read_bytes()
    chosen = random.Random(3)
    deep = b'{"a":' * 100_000
    for damaged in (
        *(data[: chosen.randrange(len(data))] for _ in range(50)),
        *(data + data[:extra] for extra in (8, len(data))),
        *(b"", b"\0" * 1000, b"PAR1", b"[]", b"null", b"PAR1" * 4, deep, b"[" * 100_000, b"\xff\xfe"),
        *(b"PAR1" + chosen.randbytes(200) + b"PAR1" for _ in range(50)),
    ):
        path.write_bytes(damaged)
        if damaged.rstrip() != data.rstrip():
            with pytest.raises(RecordError, match=path.name):
                load(path)
    for wrong in (tmp_path, tmp_path / "none", tmp_path / "none" / "x", path / "below", Path("/proc/none")):
        with pytest.raises(RecordError):
            load(wrong)


@pytest.mark.parametrize("name", [name for name in RECORDS if name.endswith(".parquet")])
def test_a_header_with_a_field_gone_or_of_another_type_is_refused(name: str, tmp_path: Path) -> None:
    make, load = RECORDS[name]
    path, changed = tmp_path / name, tmp_path / f"changed-{name}"
    make().save(path)
    header, frame = read_header(path), pq.read_table(path).to_pandas()
    for key in header:
        without = {other: value for other, value in header.items() if other != key}
        rewrite(changed, frame, without)
        with pytest.raises(RecordError, match=f"{changed}"):
            load(changed)
        for value in ({}, [], [[1]], 10**400, -1, "x", True, {"sites": ["a"], "widths": [2**70]}):
            rewrite(changed, frame, header | {key: value})
            if refused(load, changed) is None:
                load(changed).save(tmp_path / "saved.parquet", force=True)


@pytest.mark.parametrize("name", [name for name in RECORDS if name.endswith(".parquet")])
def test_a_column_gone_or_of_other_values_is_refused_by_name(name: str, tmp_path: Path) -> None:
    make, load = RECORDS[name]
    path, changed = tmp_path / name, tmp_path / f"changed-{name}"
    make().save(path)
    header, frame = read_header(path), pq.read_table(path).to_pandas()
    for column in frame:
        others = [frame.drop(columns=column), frame.rename(columns={column: "z"}), frame.iloc[:0]]
        others += [frame.assign(**{column: [value] * len(frame)}) for value in (None, "x", 10**15, -1, 0.5)]
        for other in others:
            rewrite(changed, other, header)
            refused(load, changed)
    rewrite(changed, frame.drop(columns=frame.columns[0]), header)
    with pytest.raises(RecordError, match=f"{changed}"):
        load(changed)


def test_a_ranking_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    ranking().save(path)
    header, frame = read_header(path), pq.read_table(path).to_pandas()
    units = frame["unit"].tolist()
    for other, changed, message in (
        (frame.assign(neuron=[0, 0, 1, 2, 3]), {}, "not a permutation"),
        (frame.assign(neuron=[-1, 0, 1, 2, 3]), {}, "'neuron' are not all whole numbers from 0 to 4"),
        (frame.assign(unit=units[::-1]), {}, "rank, site, unit contradict the order"),
        (frame, {"n_ranked": 6}, "n_ranked is 6"),
        (frame, {"labels": ["NOUN", "NOUN"]}, "'labels' is .* expected different texts"),
        (frame, {"labels": ["NOUN"]}, "the columns are"),
        (frame, {"method": None}, "'method' is None; expected a text"),
        (frame, {"space": {"sites": "ab", "widths": [3, 2]}}, "no list of site names"),
        (frame, {"space": {"sites": ["a", "a"], "widths": [3, 2]}}, "the space is damaged: .*twice"),
    ):
        rewrite(path, other, header | changed)
        with pytest.raises(RecordError, match=message):
            Ranking.load(path)


def test_a_table_of_onegrain_01_or_of_another_program_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    ranking().save(path)
    table = pq.read_table(path)
    pq.write_table(table, path)
    with pytest.raises(
        RecordError, match=r"without onegrain's checksum: .*onegrain 0\.1 wrote it; make it again"
    ):
        Ranking.load(path)


def test_what_a_table_cannot_hold_is_refused_before_a_file_is_there(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    for columns, header in (
        ({"a\udc80": [1]}, {"record": "x"}),
        ({"a": ["\udc80"]}, {"record": "x"}),
        ({"a": [1, "x"]}, {"record": "x"}),
        ({"a": [1]}, {"record": {1, 2}}),
    ):
        with pytest.raises(ParameterError, match="cannot hold this"):
            write_table(path, partial(pd.DataFrame, columns), header, force=False)
    table = np.zeros((1, 5))
    odd = Ranking.by_scores("f", SPACE, table[0], PROVENANCE, labels=("\udc80",), label_scores=table)
    with pytest.raises(ParameterError, match="cannot hold this ranking"):
        odd.save(path)
    assert not path.exists()
    with pytest.raises(RecordError, match="does not exist"):
        Curve.load(path)


def test_a_sealed_json_file_may_be_indented_anew_but_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    content = {"a": [1, 0.1, None, "ü\udc80"], "b": {"z": 1, "y": True}}
    write_sealed_json(path, content, force=False)
    assert read_sealed_json(path, "measures") == content
    with pytest.raises(OutputExistsError):
        write_sealed_json(path, content, force=False)
    stored = json.loads(path.read_text())
    path.write_text(json.dumps(stored, indent=8))
    assert read_sealed_json(path, "measures") == content
    for changed in (
        stored | {"a": 1},
        {"b": 1} | stored,
        {"new": 1} | stored,
        stored | {"checksum": "sha256:00"},
    ):
        path.write_text(json.dumps(changed))
        with pytest.raises(RecordError, match="content that its checksum says"):
            read_sealed_json(path, "measures")
    path.write_text(json.dumps({key: value for key, value in stored.items() if key != sealing.CHECKSUM}))
    with pytest.raises(RecordError, match=r"no 'checksum'.*make the measures again"):
        read_sealed_json(path, "measures")
    with pytest.raises(ValueError, match="JSON"):
        write_sealed_json(path, {"a": float("nan")}, force=True)


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (KeyError("space"), "it has no 'space'"),
        (RecursionError("maximum"), "nested too deeply"),
        (OverflowError("cannot\nconvert"), r"cannot convert\)"),
        (AssertionError(), "AssertionError"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), "can't decode"),
        (PermissionError(13, "Permission denied"), "cannot be read as a curve .Permission denied"),
        (RecordError("no order"), "x.parquet: no order"),
    ],
)
def test_whatever_fails_while_reading_is_one_error_of_the_file(failure: Exception, message: str) -> None:
    with pytest.raises(RecordError, match=message) as refused, reading("x.parquet", "curve"):
        raise failure
    assert "x.parquet" in str(refused.value)


def test_a_failing_disk_is_not_called_a_damaged_record() -> None:
    with pytest.raises(StorageError, match="gone"), reading("x", "curve"):
        raise StorageError("gone")
