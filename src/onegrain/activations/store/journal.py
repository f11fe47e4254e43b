"""Encode and read the journal of an unfinished store.

A journal records the store's content and the size and checksum of every finished shard.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import google_crc32c
import numpy as np

from onegrain.errors import MismatchError, RecordError

__all__ = ["JOURNAL", "Mark", "Tally", "encode_journal", "is_journal", "read_journal"]

JOURNAL = "journal.json"
FIELDS = ("content", "shards")
SIGNS = (b'"content"', b'"grid"', b'"labels"', b'"neurons"', b'"shards"')
"""Field names by which a journal is recognised even if it is damaged."""


@dataclass(frozen=True)
class Mark:
    """The size and checksum of a written file.

    Attributes:
        size: number of bytes.
        checksum: CRC-32C of all bytes.
    """

    size: int
    checksum: int


class Tally:
    """A running size and checksum of a file that is written or read piece by piece."""

    def __init__(self) -> None:
        self.mark = Mark(0, 0)

    def add(self, piece: bytes | memoryview) -> None:
        """Add a piece to the size and the checksum."""
        view = memoryview(piece).toreadonly()
        checksum = google_crc32c.extend(self.mark.checksum, np.frombuffer(view, dtype=np.uint8))
        self.mark = Mark(self.mark.size + len(view), int(checksum))

    def passing(self, pieces: Iterable[memoryview]) -> Iterator[memoryview]:
        """Add each piece, then yield it unchanged."""
        for piece in pieces:
            self.add(piece)
            yield piece


def encode_journal(content: Mapping[str, Any], shards: Sequence[Mark]) -> bytes:
    """Return the bytes of a journal, which end with a checksum of its fields.

    Args:
        content: the identity of the store's content.
        shards: the marks of the finished shards, in order.
    """
    fields = {"content": content, "shards": [[mark.size, mark.checksum] for mark in shards]}
    return (json.dumps({**fields, "checksum": _checksum(fields)}, sort_keys=True) + "\n").encode()


def read_journal(data: bytes, where: str) -> tuple[dict[str, Any], list[Mark]]:
    """Return the identity of the content and the marks of the finished shards.

    Args:
        data: the journal's bytes.
        where: the path of the journal, for messages.

    Raises:
        RecordError: the journal is damaged.
        MismatchError: version 0.1.0, which recorded no checksums, wrote the journal.
    """
    damaged = f"{where} is damaged; use --force (force=True) to start over"
    try:
        journal = json.loads(data.decode("utf-8"))
        if isinstance(journal, dict) and set(journal) == set(FIELDS) and type(journal["shards"]) is int:
            raise MismatchError(
                f"{where} belongs to an extraction that an earlier version of onegrain began; use --force "
                "(force=True) to start over"
            )
        fields = {name: journal[name] for name in FIELDS}
        if journal["checksum"] != _checksum(fields):
            raise RecordError(damaged)
        marks = [Mark(_natural(size), _natural(checksum)) for size, checksum in journal["shards"]]
        return dict(journal["content"]), marks
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        if isinstance(error, (MismatchError, RecordError)):
            raise
        raise RecordError(damaged) from error


def is_journal(data: bytes) -> bool:
    """Return True if the bytes are those of a journal, even of a damaged one."""
    return sum(sign in data for sign in SIGNS) >= len(SIGNS) - 1


def _natural(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is not a natural number")
    return value


def _checksum(fields: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
