"""Tables with a row for every word: in memory as long as the limit allows, else in a scratch file.

Both hold the same numbers and are read and written by blocks of rows, so that what is computed of them does not
depend on where they are. A scratch file is read with ``pread`` into a block of its own: its pages are the
system's, and the process holds no more than that block.
"""

from __future__ import annotations

import os
import re
import tempfile
import weakref
from pathlib import Path

import numpy as np
import psutil
import torch
from torch import Tensor

from onegrain.errors import ParameterError

__all__ = ["Memory", "ScratchTable", "Table", "read_size", "say_size"]

UNITS = {"": 1, "b": 1, **{f"{letter}ib": 2 ** (10 * at) for at, letter in enumerate("kmgt", 1)}}
UNITS |= {f"{letter}b": 10 ** (3 * at) for at, letter in enumerate("kmgt", 1)}
KINDS = {torch.float32: np.float32, torch.float64: np.float64, torch.bfloat16: np.int16}


def read_size(text: int | str) -> int:
    """Bytes, from a number or from text such as ``4GiB`` or ``500 MB``.

    >>> read_size("4GiB"), read_size("1.5 kB"), read_size(100)
    (4294967296, 1500, 100)
    """
    found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([a-z]*)\s*", str(text).lower())
    if not found or found[2] not in UNITS or float(found[1]) * UNITS[found[2]] < 1:
        raise ParameterError(f"memory must be a size such as 4GiB or 500MB, got {text!r}")
    return int(float(found[1]) * UNITS[found[2]])


def say_size(size: float) -> str:
    """Bytes, rounded up, for people.

    >>> say_size(4 * 2**30), say_size(2**20 + 1)
    ('4.0 GiB', '2 MiB')
    """
    if size >= 2**30:
        return f"{-(-size * 10 // 2**30) / 10:.1f} GiB"
    return f"{int(-(-size // 2**20))} MiB"


class Memory:
    """Gives out tables, and counts what they hold.

    Args:
        limit: bytes that this process may hold in all, what it holds already included; None for no limit.
        folder: where scratch files are made; by default the system's folder for temporary files. They have no
            name there, and go when the process does.
    """

    def __init__(self, limit: int | None = None, folder: str | os.PathLike[str] | None = None) -> None:
        self.limit = limit
        self.folder = Path(folder or tempfile.gettempdir())
        self.held = 0
        self.spilled = 0
        self._room = float("inf")

    def reserve(self, working: int, what: str) -> None:
        """Keep so many bytes for what is held besides tables; the first call counts, as the largest work.

        Raises:
            ParameterError: the limit does not leave that much.
        """
        if self.limit is None or self._room < float("inf"):
            return
        here = psutil.Process().memory_info().rss - self.held
        self._room = self.limit - here - working
        if self._room < 0:
            raise ParameterError(
                f"a memory budget of {say_size(self.limit)} is too small: {say_size(here)} are held already, "
                f"and {what} needs {say_size(working)} beside its tables; give at least "
                f"{say_size(here + working)}"
            )

    def table(self, n_rows: int, n_columns: int, dtype: torch.dtype) -> Table:
        """A new table (rows, columns), its values not set."""
        size = n_rows * n_columns * dtype.itemsize
        if self.limit is not None and self.held + size > self._room:
            self.spilled += size
            return ScratchTable((n_rows, n_columns), dtype, self.folder)
        array = np.empty((n_rows, n_columns), dtype=KINDS[dtype])
        self.held += size
        weakref.finalize(array, self._release, size)
        return torch.from_numpy(array).view(dtype)

    def _release(self, size: int) -> None:
        self.held -= size


class ScratchTable:
    """A table (rows, columns) in a file without a name; slices and indices of rows are read as copies."""

    def __init__(self, shape: tuple[int, int], dtype: torch.dtype, folder: Path) -> None:
        self.shape, self.dtype = shape, dtype
        self._pitch = shape[1] * dtype.itemsize
        size = shape[0] * self._pitch
        try:
            self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
            os.ftruncate(self._file.fileno(), size)
            if size and hasattr(os, "posix_fallocate"):
                os.posix_fallocate(self._file.fileno(), 0, size)
        except OSError as error:
            raise ParameterError(
                f"a scratch file of {say_size(size)} cannot be made in {folder}: "
                f"{error.strerror}; set TMPDIR to a folder on a larger disk, or give more memory"
            ) from error

    def __getitem__(self, rows: slice | Tensor | np.ndarray) -> Tensor:
        """Rows by slice, or by index in any order."""
        if isinstance(rows, slice):
            first, last, _ = rows.indices(self.shape[0])
            found = torch.empty(max(0, last - first), self.shape[1], dtype=self.dtype)
            self._read(_bytes_of(found), first * self._pitch)
            return found
        found = torch.empty(len(rows), self.shape[1], dtype=self.dtype)
        into = _bytes_of(found)
        for at, row in enumerate(rows.tolist()):
            self._read(into[at * self._pitch : (at + 1) * self._pitch], row * self._pitch)
        return found

    def __setitem__(self, key: slice | tuple[slice, slice], block: Tensor) -> None:
        """Set rows, or with two slices those columns of those rows."""
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        first, last, _ = rows.indices(self.shape[0])
        left, right, _ = columns.indices(self.shape[1])
        given = _bytes_of(block.to(self.dtype).contiguous())
        if right - left == self.shape[1]:
            self._write(given, first * self._pitch)
            return
        width = (right - left) * self.dtype.itemsize
        for at, row in enumerate(range(first, last)):
            part = given[at * width : (at + 1) * width]
            self._write(part, row * self._pitch + left * self.dtype.itemsize)

    def _read(self, into: memoryview, offset: int) -> None:
        while len(into):
            count = os.preadv(self._file.fileno(), [into], offset)
            if not count:
                raise OSError("a scratch file ends too early")
            into, offset = into[count:], offset + count

    def _write(self, given: memoryview, offset: int) -> None:
        while len(given):
            count = os.pwrite(self._file.fileno(), given, offset)
            given, offset = given[count:], offset + count


Table = Tensor | ScratchTable


def _bytes_of(block: Tensor) -> memoryview:
    """The bytes of a contiguous tensor."""
    return block.view(torch.uint8).numpy().reshape(-1).data if block.numel() else memoryview(b"")
