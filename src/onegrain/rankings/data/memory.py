"""Tables with a row for every word, on the computing device, in main memory, or in a scratch file.

A table is placed as close to the device as room allows. It holds the same numbers everywhere, and is read and
written in blocks of rows that move to and from the device, so results do not depend on where it is. A scratch
file is read with ``pread`` into a new block: its pages belong to the system's cache, and the process holds only
that block.
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
"""NumPy types in which tables of torch types are allocated."""


def values_of(table: Tensor | ScratchTable) -> np.ndarray | ScratchTable:
    """Return the values of a host table: an array if they are in memory, else the scratch table."""
    return table if isinstance(table, ScratchTable) else table.numpy()


def open_device(name: str | torch.device) -> torch.device:
    """Return the device with a name such as ``cpu``, ``cuda`` or ``cuda:1``.

    Raises:
        ParameterError: the device does not exist, or does not support float64, which certificates need.
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
    """An allocator of tables under a memory budget.

    Args:
        limit: bytes of main memory that this process may hold in total, including what it already holds; None
            for no limit.
        folder: folder for scratch files; by default the system's temporary folder. The files have no name and
            disappear with the process.
        device: device to which blocks are read, and on which tables are placed if it has room.

    Attributes:
        held: bytes of the tables in main memory.
        spilled: bytes of the tables in scratch files.
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
        """Reserve ``working`` bytes for what is held besides tables; the first call fixes the room for tables.

        Raises:
            ParameterError: the limit is too small; ``what`` names what needs the bytes.
        """
        self._working = max(self._working, working)
        if self.limit is None or self._room < float("inf"):
            return
        held_already = psutil.Process().memory_info().rss - self.held
        self._room = self.limit - held_already - working
        if self._room < 0:
            raise ParameterError(
                f"a memory budget of {say_size(self.limit)} is too small: {say_size(held_already)} are held "
                f"already, and {what} needs {say_size(working)} beside its tables; give at least "
                f"{say_size(held_already + working)}"
            )

    def table(self, n_rows: int, n_columns: int, dtype: torch.dtype) -> Table:
        """Return a new table (rows, columns), with undefined values, whose blocks are read on the device."""
        if self.device.type == "cpu":
            return self.host_table(n_rows, n_columns, dtype)
        if n_rows * n_columns * dtype.itemsize <= self._room_on_device():
            return torch.empty(n_rows, n_columns, dtype=dtype, device=self.device)
        table = self.host_table(n_rows, n_columns, dtype)
        return HostTable(table, self.device)

    def host_table(self, n_rows: int, n_columns: int, dtype: torch.dtype) -> Tensor | ScratchTable:
        """Return a new table (rows, columns), with undefined values, in main memory or in a scratch file."""
        size = n_rows * n_columns * dtype.itemsize
        if self.limit is not None and self.held + size > self._room:
            self.spilled += size
            return ScratchTable((n_rows, n_columns), dtype, self.folder)
        array = np.empty((n_rows, n_columns), dtype=KINDS[dtype])
        self.held += size
        weakref.finalize(array, self._release, size)
        return torch.from_numpy(array).view(dtype)

    def _room_on_device(self) -> float:
        """Return the bytes that the device has for tables, besides those reserved for computing."""
        if self.device.type != "cuda":
            return float("inf")
        free, _ = torch.cuda.mem_get_info(self.device)
        kept = torch.cuda.memory_reserved(self.device) - torch.cuda.memory_allocated(self.device)
        return free + kept - self._working

    def _release(self, size: int) -> None:
        self.held -= size


class ScratchTable:
    """A table (rows, columns) in an unnamed file; reading rows returns copies."""

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
        """Return rows by slice, or by index in any order."""
        if isinstance(rows, slice):
            first, last, _ = rows.indices(self.shape[0])
            block = torch.empty(max(0, last - first), self.shape[1], dtype=self.dtype)
            self._read(_bytes_of(block), first * self._pitch)
            return block
        block = torch.empty(len(rows), self.shape[1], dtype=self.dtype)
        buffer = _bytes_of(block)
        for index, row in enumerate(rows.tolist()):
            self._read(buffer[index * self._pitch : (index + 1) * self._pitch], row * self._pitch)
        return block

    def __setitem__(self, key: slice | tuple[slice, slice], block: Tensor) -> None:
        """Set rows, or with two slices a range of columns of some rows."""
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        first, last, _ = rows.indices(self.shape[0])
        left, right, _ = columns.indices(self.shape[1])
        buffer = _bytes_of(block.to(self.dtype).contiguous())
        if right - left == self.shape[1]:
            self._write(buffer, first * self._pitch)
            return
        width = (right - left) * self.dtype.itemsize
        for index, row in enumerate(range(first, last)):
            row_bytes = buffer[index * width : (index + 1) * width]
            self._write(row_bytes, row * self._pitch + left * self.dtype.itemsize)

    def _read(self, buffer: memoryview, offset: int) -> None:
        while len(buffer):
            count = os.preadv(self._file.fileno(), [buffer], offset)
            if not count:
                raise OSError("a scratch file ends too early")
            buffer, offset = buffer[count:], offset + count

    def _write(self, buffer: memoryview, offset: int) -> None:
        while len(buffer):
            count = os.pwrite(self._file.fileno(), buffer, offset)
            buffer, offset = buffer[count:], offset + count


class HostTable:
    """A table in main memory or a file, for a device without room for it."""

    def __init__(self, table: Tensor | ScratchTable, device: torch.device) -> None:
        self.shape, self.dtype = tuple(table.shape), table.dtype
        self._table, self._device = table, device

    def __getitem__(self, rows: slice | Tensor | np.ndarray) -> Tensor:
        """Return rows by slice, or by index in any order, on the device."""
        host_rows = rows.cpu() if isinstance(rows, Tensor) else rows
        return self._table[host_rows].to(self._device)

    def __setitem__(self, key: slice | tuple[slice, slice], block: Tensor) -> None:
        """Set rows, or with two slices a range of columns of some rows."""
        self._table[key] = block.to("cpu", self.dtype)


Table = Tensor | ScratchTable | HostTable


def _bytes_of(block: Tensor) -> memoryview:
    """Return the bytes of a contiguous tensor."""
    return block.view(torch.uint8).numpy().reshape(-1).data if block.numel() else memoryview(b"")
