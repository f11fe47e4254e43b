"""Read the text of a corpus file once, so that pipes work and every error names its file and line."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from onegrain.errors import CorpusError

__all__ = ["TextFile", "open_text", "read_text_lines"]

_LINE_END = re.compile(r"\r\n|\n|\r")
_SIGNATURES = {
    b"\x1f\x8b": "compressed with gzip; unpack it first: gunzip",
    b"BZh": "compressed with bzip2; unpack it first: bunzip2",
    b"\xfd7zXZ\x00": "compressed with xz; unpack it first: unxz",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; unpack it first: unzstd",
    b"PK\x03\x04": "a zip archive or an office document; save its text as UTF-8 first",
    b"PAR1": "a Parquet file; read it with pandas.read_parquet and give the data frame",
    b"\x89HDF": "an HDF5 file, not text; onegrain convert reads those of NeuroX",
    b"\xff\xfe": "UTF-16; convert it first: iconv -f UTF-16 -t UTF-8",
    b"\xfe\xff": "UTF-16; convert it first: iconv -f UTF-16 -t UTF-8",
    b"%PDF": "a PDF; save its text as UTF-8 first",
}


@dataclass(frozen=True)
class TextFile:
    """The lines of a text file, without line ends; line ``n`` of the file is element ``n - 1``.

    Attributes:
        path: the file, for messages and provenance.
        lines: one or more lines; the last is not blank.
    """

    path: str | Path
    lines: list[str]


def open_text(path: str | Path | TextFile) -> TextFile:
    r"""Read a UTF-8 text file; a file that was read before is returned unchanged, so that pipes work.

    A byte-order mark at the beginning and blank lines at the end are dropped. Only ``\n``, ``\r\n`` and ``\r``
    end a line; other Unicode separators do not.

    Raises:
        CorpusError: the file is missing, a folder, unreadable, empty, compressed, binary, or not UTF-8.
    """
    if isinstance(path, TextFile):
        return path
    lines = _LINE_END.split(_decode(_bytes_of(path), path))
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise CorpusError("the file is empty; expected at least one sentence", path)
    _require_text(lines, path)
    return TextFile(path, lines)


def read_text_lines(path: str | Path | TextFile) -> list[str]:
    """Return the lines of a text file; see :func:`open_text`."""
    return open_text(path).lines


def _bytes_of(path: str | Path) -> bytes:
    try:
        where = Path(path)
        if not where.exists():
            raise CorpusError(f"no such file; check the path (looked from {Path.cwd()})", path)
        if where.is_dir():
            raise CorpusError("this is a folder; name a file in it", path)
        return where.read_bytes()
    except (OSError, ValueError) as fault:
        if isinstance(fault, CorpusError):
            raise
        reason = getattr(fault, "strerror", None) or fault
        raise CorpusError(f"the file cannot be read: {reason}", repr(str(path))) from fault


def _decode(data: bytes, path: str | Path) -> str:
    for signature, meaning in _SIGNATURES.items():
        if data.startswith(signature):
            raise CorpusError(f"this is {meaning}", path)
    data = data.removeprefix(codecs.BOM_UTF8)
    zero = data.find(b"\0")
    if zero >= 0:
        raise CorpusError("a NUL byte: this is not a text file in UTF-8", path, _line_of(data, zero))
    if b"\r\r\n" in data:
        line = _line_of(data, data.find(b"\r\r\n"))
        raise CorpusError(r"the line ends with \r\r\n, converted twice; make it \n", path, line)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as fault:
        raise CorpusError(
            f"not UTF-8 (byte 0x{data[fault.start]:02x}); convert it first, e.g. iconv -f LATIN1 -t UTF-8",
            path,
            _line_of(data, fault.start),
        ) from fault


def _line_of(data: bytes, position: int) -> int:
    return len(re.findall(rb"\r\n|\n|\r", data[:position])) + 1


def _require_text(lines: Iterable[str], path: str | Path) -> None:
    """Refuse a byte-order mark inside a file, which would become part of a word."""
    for number, line in enumerate(lines, start=1):
        if line.startswith("\ufeff"):
            raise CorpusError(
                "a byte-order mark in the midst of the file, where files were joined; remove it", path, number
            )
