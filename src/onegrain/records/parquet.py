"""Parquet files that carry a record's header as JSON in their metadata."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from onegrain.core.output import whole_file
from onegrain.core.sealing import reading, reason
from onegrain.errors import ParameterError, RecordError

__all__ = ["join_draws", "json_numbers", "open_table", "read_header", "split_draws", "write_table"]

KEY = b"onegrain"
DRAWS = "draws"

CHECKSUM_KEY = "onegrain.checksum"
PREFIX = "sha256:"
DIGITS = 64
MARK = f"{CHECKSUM_KEY}\x18{chr(len(PREFIX) + DIGITS)}{PREFIX}".encode()
"""The bytes before the checksum in a file: its key, then 0x18 and the length, which begin a text in Thrift's
compact protocol. JSON escapes the control character 0x18, so the header of a record never holds these bytes."""

FOOTER_END = 8
"""Bytes behind the footer: its length in four bytes, and the magic number."""
MAGIC = b"PAR1"


def write_table(
    path: str | os.PathLike[str],
    frame: pd.DataFrame | Callable[[], pd.DataFrame],
    header: dict[str, Any],
    *,
    force: bool,
) -> None:
    """Write a table whole or not at all, its header in the file's metadata under ``onegrain``.

    The metadata also hold, under ``onegrain.checksum``, the SHA-256 of the file's bytes, computed with zeros in
    place of its digits. Reading verifies it, so a file with any changed bit is refused. ``frame`` is the table,
    or a function that returns it.

    Raises:
        ParameterError: a column, a value or the header cannot be written, such as half of a surrogate pair.
    """
    try:
        text = json.dumps(header, sort_keys=True, allow_nan=True).encode()
        rows = frame() if callable(frame) else frame
        data = _sealed(pa.Table.from_pandas(rows, preserve_index=False), text)
    except (pa.ArrowException, UnicodeError, TypeError, ValueError) as error:
        raise ParameterError(f"{path} cannot hold this {header.get('record')}: {reason(error)}") from error
    with whole_file(path, force=force) as partial:
        partial.write_bytes(data)


def _sealed(table: pa.Table, header: bytes) -> bytes:
    """Return the bytes of a Parquet file with its header and its checksum."""
    named = table.replace_schema_metadata({KEY: header})
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, named.schema) as writer:
        writer.write_table(named)
        writer.add_key_value_metadata({CHECKSUM_KEY: PREFIX + "0" * DIGITS})
    data = sink.getvalue().to_pybytes()
    start = data.rindex(MARK) + len(MARK)
    return data[:start] + hashlib.sha256(data).hexdigest().encode() + data[start + DIGITS :]


def _checked(path: Path) -> bytes:
    """Return the bytes of a file that :func:`write_table` wrote, after verifying its checksum.

    Of a Parquet file that another program wrote, only the footer is read.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - FOOTER_END, 0))
        end = file.read()
        if size < FOOTER_END + len(MAGIC) or end[-len(MAGIC) :] != MAGIC:
            raise RecordError(f"{path} is not a Parquet file: it does not end as one, or was cut short")
        footer = min(int.from_bytes(end[:4], "little") + FOOTER_END, size)
        file.seek(size - footer)
        tail = file.read()
        mark = tail.rfind(MARK)
        if mark < 0:
            raise RecordError(
                f"{path} is a Parquet file without onegrain's checksum: it is damaged, or another program or "
                "onegrain 0.1 wrote it; make it again"
            )
        file.seek(0)
        data = file.read()
    start = len(data) - len(tail) + mark + len(MARK)
    stored = data[start : start + DIGITS]
    digest = hashlib.sha256(memoryview(data)[:start])
    digest.update(b"0" * DIGITS)
    digest.update(memoryview(data)[start + DIGITS :])
    if digest.hexdigest().encode() != stored:
        raise RecordError(
            f"{path} does not have the content that its checksum says: it is damaged, or another program "
            "changed it; make it again, or take it from a copy"
        )
    return data


def _header(path: Path, data: bytes) -> dict[str, Any]:
    header = json.loads((pq.read_metadata(pa.BufferReader(data)).metadata or {})[KEY])
    if not isinstance(header, dict):
        raise RecordError(f"{path}: the header is a {type(header).__name__}, not an object")
    return header


def read_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the header of a file that :func:`write_table` wrote, after verifying the file.

    Raises:
        RecordError: the file is missing, damaged, or another program's.
    """
    with reading(path, "record"):
        return _header(Path(path), _checked(Path(path)))


@contextmanager
def open_table(path: str | os.PathLike[str], kind: str) -> Iterator[tuple[pd.DataFrame, dict[str, Any]]]:
    """Yield the table and the header of a record of one kind, such as ``ranking``.

    A failure in the block, which builds the record from them, also becomes a RecordError that names the file.
    """
    with reading(path, kind):
        data = _checked(Path(path))
        header = _header(Path(path), data)
        if header.get("record") != kind:
            raise RecordError(f"{path} holds a {header.get('record')}, not a {kind}")
        yield pq.read_table(pa.BufferReader(data)).to_pandas(), header


def join_draws(points: pd.DataFrame, draws: np.ndarray | None) -> pd.DataFrame:
    """Return a table of points with a column of their draws (points, resamples), if they have any."""
    return points if draws is None else points.assign(**{DRAWS: list(draws)})


def split_draws(frame: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray | None]:
    """Return the points and the draws, float64 (points, resamples), that :func:`join_draws` put together."""
    if DRAWS not in frame:
        return frame, None
    return frame.drop(columns=DRAWS), np.stack(frame[DRAWS].tolist()).astype(np.float64)


def json_numbers(values: np.ndarray) -> list[Any]:
    """Return a row of numbers as a list for JSON, with None for NaN.

    >>> json_numbers(np.array([0.5, np.nan]))
    [0.5, None]
    """
    missing = np.isnan(values)
    return [None if nan else value for value, nan in zip(values.tolist(), missing.tolist(), strict=True)]
