"""Reader of JSON lines: one sentence per line, ``{"words": ["a", "dog"], "upos": ["DET", "NOUN"]}``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from onegrain.corpora.tables import Record, corpus_of_records
from onegrain.corpora.text import TextFile, open_text
from onegrain.errors import CorpusError
from onegrain.records.corpus import Corpus

__all__ = ["json_records", "read_json_lines"]


def read_json_lines(path: str | Path | TextFile, *, limit: int | None = None) -> Corpus:
    """Read a file with one JSON object per line; see :func:`onegrain.corpora.tables.corpus_of_records`.

    Raises:
        CorpusError: a line is not a JSON object, has a name twice, or has no list of words; the message names
            file and line.
    """
    file = open_text(path)
    return corpus_of_records(json_records(file), source=str(file.path), limit=limit)


def json_records(file: TextFile) -> Iterator[Record]:
    """Yield the object of each line that is not blank.

    Raises:
        CorpusError: a line is not a JSON object, or has a name twice; the message names file and line.
    """
    for number, line in enumerate(file.lines, start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line, object_pairs_hook=_object)
        except (ValueError, RecursionError) as fault:
            reason = "nested too deeply" if isinstance(fault, RecursionError) else fault
            raise CorpusError(
                f"not JSON: {reason}; expected one object per line (pandas writes them with lines=True)",
                file.path,
                number,
            ) from fault
        if not isinstance(value, dict):
            raise CorpusError(
                f"expected one JSON object per line, got {type(value).__name__} (pandas writes objects with "
                'orient="records", lines=True)',
                file.path,
                number,
            )
        yield Record(number, value)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice!r} is given twice")
    return values
