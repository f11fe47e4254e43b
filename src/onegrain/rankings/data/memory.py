"""Tables with a row for every word: on the device that computes, in memory, or in a scratch file.

A table stands as near as there is room for it. Everywhere it holds the same numbers and is read and written by
blocks of rows, which come to the device and go from it, so that what is computed of them does not depend on
where they are. A scratch file is read with ``pread`` into a block of its own: its pages are the system's, and
the process holds no more than that block.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from pathlib import Path

import numpy as np
import psutil
import torch
from torch import Tensor

from onegrain.core.sizes import read_size, say_size
from onegrain.errors import ParameterError

__all__ = ["HostTable", "Memory", "ScratchTable", "Table", "open_device", "read_size", "say_size", "values_of"]

KINDS = {torch.float32: np.float32, torch.float64: np.float64, torch.bfloat16: np.int16}


def values_of(table: Tensor | ScratchTable) -> np.ndarray | ScratchTable:
    """A host table's values as an array, where they are in memory."""
    return table if isinstance(table, ScratchTable) else table.numpy()


def open_device(name: str | torch.device) -> torch.device:
    """The device of a name such as ``cpu``, ``cuda`` or ``cuda:1``.

    Raises:
        ParameterError: it is not there, or does not compute in float64, which certificates are kept in.
    """
    try:
        device = torch.device(name)
        torch.zeros(1, dtype=torch.float64, device=device)
    except (RuntimeError, TypeError, AssertionError) as error:
        why = str(error).splitlines()[0]
        raise ParameterError(
            f"device {str(name)!r} cannot be used: {why}; use cpu, or cuda where there is one"
        ) from error
    return device


class Memory:
    """Gives out tables, and counts what they hold.

    Args:
        limit: bytes of main memory that this process may hold in all, what it holds already included; None for
            no limit.
        folder: where scratch files are made; by default the system's folder for temporary files. They have no
            name there, and go when the process does.
        device: where what is read of the tables goes, and the tables themselves as far as it has room.
    """

    def __init__(
        self,
        limit: int | None = None,
        folder: str | os.PathLike[str] | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self.limit = limit
        self.folder = Path(folder or tempfile.gettempdir())
        self.device = open_device(device)
        self.held = 0
        self.spilled = 0
        self._room = float("inf")
        self._working = 0

    def reserve(self, working: int, what: str) -> None:
        """Keep so many bytes for what is held besides tables; the first call counts, as the largest work.

        Raises:
            ParameterError: the limit does not leave that much.
        """
        self._working = max(self._working, working)
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
        """A new table (rows, columns) whose blocks are read on the device; its values are not set."""
        if self.device.type == "cpu":
            return self.host_table(n_rows, n_columns, dtype)
        if n_rows * n_columns * dtype.itemsize <= self._room_on_device():
            return torch.empty(n_rows, n_columns, dtype=dtype, device=self.device)
        table = self.host_table(n_rows, n_columns, dtype)
        return HostTable(table, self.device)

    def host_table(self, n_rows: int, n_columns: int, dtype: torch.dtype) -> Tensor | ScratchTable:
        """A new table (rows, columns) in memory or in a file, its blocks read there; its values are not set."""
        size = n_rows * n_columns * dtype.itemsize
        if self.limit is not None and self.held + size > self._room:
            self.spilled += size
            return ScratchTable((n_rows, n_columns), dtype, self.folder)
        array = np.empty((n_rows, n_columns), dtype=KINDS[dtype])
        self.held += size
        weakref.finalize(array, self._release, size)
        return torch.from_numpy(array).view(dtype)

    def _room_on_device(self) -> float:
        """Bytes that the device has for tables, beside what computing takes."""
        if self.device.type != "cuda":
            return float("inf")
        free, _ = torch.cuda.mem_get_info(self.device)
        kept = torch.cuda.memory_reserved(self.device) - torch.cuda.memory_allocated(self.device)
        return free + kept - self._working

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


class HostTable:
    """A table of main memory or a file, for a device that has no room for it."""

    def __init__(self, table: Tensor | ScratchTable, device: torch.device) -> None:
        self.shape, self.dtype = tuple(table.shape), table.dtype
        self._table, self._device = table, device

    def __getitem__(self, rows: slice | Tensor | np.ndarray) -> Tensor:
        """Rows by slice, or by index in any order, on the device."""
        at = rows.cpu() if isinstance(rows, Tensor) else rows
        return self._table[at].to(self._device)

    def __setitem__(self, key: slice | tuple[slice, slice], block: Tensor) -> None:
        """Set rows, or with two slices those columns of those rows."""
        self._table[key] = block.to("cpu", self.dtype)


Table = Tensor | ScratchTable | HostTable


def _bytes_of(block: Tensor) -> memoryview:
    """The bytes of a contiguous tensor."""
    return block.view(torch.uint8).numpy().reshape(-1).data if block.numel() else memoryview(b"")
