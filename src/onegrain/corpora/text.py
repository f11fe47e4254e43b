"""The lines of a text file, read so that every fault names its file and line."""

from __future__ import annotations

import codecs
from pathlib import Path

from onegrain.errors import CorpusError

__all__ = ["read_text_lines"]


def read_text_lines(path: str | Path) -> list[str]:
    """Return the lines of a UTF-8 text file, without line ends; line ``n`` of the file is element ``n - 1``.

    A byte-order mark is dropped, Windows line ends are accepted, and blank lines at the end of the file do not
    count. Only line feeds end a line, so a rare Unicode separator stays inside its word.

    Raises:
        CorpusError: the file is missing, a folder, unreadable, empty, or not UTF-8 (with the line).
    """
    where = Path(path)
    if not where.exists():
        raise CorpusError(f"no such file; check the path (looked from {Path.cwd()})", path)
    if where.is_dir():
        raise CorpusError("this is a folder; name a file in it", path)
    try:
        data = where.read_bytes()
    except OSError as fault:
        raise CorpusError(f"the file cannot be read: {fault.strerror}", path) from fault
    lines = _decode(data, path).split("\n")
    lines = [line[:-1] if line.endswith("\r") else line for line in lines]
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise CorpusError("the file is empty; expected at least one sentence", path)
    return lines


def _decode(data: bytes, path: str | Path) -> str:
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as fault:
        line = data.count(b"\n", 0, fault.start) + 1
        raise CorpusError(
            f"not UTF-8 (byte 0x{data[fault.start]:02x}); convert it first, e.g. iconv -f LATIN1 -t UTF-8",
            path,
            line,
        ) from fault
