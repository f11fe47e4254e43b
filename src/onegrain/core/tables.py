"""Parquet files that carry a record's header as JSON in their metadata."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from onegrain.core.output import whole_file
from onegrain.errors import RecordError

__all__ = ["join_draws", "json_numbers", "read_header", "read_table", "split_draws", "write_table"]

KEY = b"onegrain"
DRAWS = "draws"


def write_table(
    path: str | os.PathLike[str], frame: pd.DataFrame, header: dict[str, Any], *, force: bool
) -> None:
    """Write a table whole or not at all, its header in the file's metadata under ``onegrain``."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    text = json.dumps(header, sort_keys=True, allow_nan=True).encode()
    with whole_file(path, force=force) as partial:
        pq.write_table(table.replace_schema_metadata({KEY: text}), partial)


def read_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The header of a file that :func:`write_table` wrote."""
    try:
        metadata = pq.read_metadata(path).metadata or {}
    except FileNotFoundError:
        raise RecordError(f"{path} does not exist") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise RecordError(f"{path} is not a Parquet file: {error}") from error
    if KEY not in metadata:
        raise RecordError(f"{path} is a Parquet file, but not one that onegrain wrote")
    return json.loads(metadata[KEY])


def read_table(path: str | os.PathLike[str], kind: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The table and header of a record of one kind (``ranking`` or ``curve``)."""
    header = read_header(path)
    if header.get("record") != kind:
        raise RecordError(f"{path} holds a {header.get('record')}, not a {kind}")
    return pq.read_table(path).to_pandas(), header


def join_draws(points: pd.DataFrame, draws: np.ndarray | None) -> pd.DataFrame:
    """A table of points with a column of their draws (points, resamples), if there are any."""
    return points if draws is None else points.assign(**{DRAWS: list(draws)})


def split_draws(frame: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray | None]:
    """The inverse of :func:`join_draws`; float64 (points, resamples)."""
    if DRAWS not in frame:
        return frame, None
    return frame.drop(columns=DRAWS), np.stack(frame[DRAWS].tolist()).astype(np.float64)


def json_numbers(values: np.ndarray) -> list[Any]:
    """A row of numbers as JSON has them: None for NaN.

    >>> json_numbers(np.array([0.5, np.nan]))
    [0.5, None]
    """
    missing = np.isnan(values)
    return [None if gone else value for value, gone in zip(values.tolist(), missing.tolist(), strict=True)]
