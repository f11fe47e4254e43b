"""Recognise files that onegrain wrote by their content, so that ``force`` replaces nothing else."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["PNG_MARK", "Layout", "is_written_by_onegrain", "marked_png"]

EDGE_BYTES = 64 * 1024
FOOTER_BYTES = 16 * 2**20
PARQUET = b"PAR1"
PNG = b"\x89PNG\r\n\x1a\n"
PNG_MARK = b"Software\x00onegrain"
"""The text chunk that marks a picture: its keyword, a zero byte, and its text."""
HTML_MARK = b'<meta name="generator" content="onegrain'
JSON_MARK = re.compile(rb'"record":\s*"(?:neuron cards|training|measures|comparison)"|"onegrain":\s*[{"]')


def is_written_by_onegrain(path: Path) -> bool:
    """Return True if a file is a record, report or picture that onegrain wrote, even one damaged since.

    - Parquet: the header ``onegrain`` in its metadata.
    - JSON: ``"record"`` with the name of one of our records, or a field ``"onegrain"``, near the start or end.
    - HTML: ``onegrain`` as the generator.
    - PNG: ``onegrain`` as the software.
    """
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(EDGE_BYTES)
        if head.startswith(PARQUET):
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - FOOTER_BYTES))
            footer = file.read()
            return b"onegrain" in footer and b'"record": "' in footer
        if head.startswith(PNG):
            return PNG_MARK in head
        if head.lstrip()[:1] == b"{":
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - EDGE_BYTES))
            return JSON_MARK.search(head + file.read()) is not None
        return HTML_MARK in head


def marked_png(data: bytes) -> bytes:
    """Return a PNG with a text chunk, behind its first chunk, that names onegrain as its software."""
    length = int.from_bytes(data[len(PNG) : len(PNG) + 4], "big")
    behind = len(PNG) + 12 + length
    chunk = b"tEXt" + PNG_MARK
    sealed = len(PNG_MARK).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    return data[:behind] + sealed + data[behind:]


@dataclass(frozen=True)
class Layout:
    """The files of one kind of folder, by which it is recognised; nothing else in it is touched.

    Attributes:
        what: the kind in words, with an article: ``a trained model``.
        marks: returns True if the content of a folder shows that onegrain wrote it as this kind.
        files: patterns of all files that the kind may hold, relative to the folder: ``*`` stands for characters
            other than slashes, ``**`` for any characters.
    """

    what: str
    marks: Callable[[Path], bool]
    files: tuple[str, ...]
    _pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        patterns = "|".join(_expression(pattern) for pattern in self.files)
        object.__setattr__(self, "_pattern", re.compile(patterns, re.DOTALL))

    def names(self, relative: str) -> bool:
        """Return True if the layout names a file, by its path relative to the folder."""
        return self._pattern.fullmatch(relative) is not None

    def foreign(self, folder: Path) -> list[str]:
        """Return the files in a folder that the layout does not name, sorted; links count as files."""
        names = (
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if path.is_symlink() or not path.is_dir()
        )
        return sorted(name for name in names if not self.names(name))


def _expression(pattern: str) -> str:
    pieces = re.split(r"(\*\*|\*)", pattern)
    return "".join({"**": ".*", "*": "[^/]*"}.get(piece, re.escape(piece)) for piece in pieces)
