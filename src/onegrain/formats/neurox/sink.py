"""Give HDF5 a file to write to whose errors are delayed until they cannot crash the process.

HDF5 crashes the process when it closes a file after a failed write. Here every write appears to succeed; the
first error is kept and raised between two calls of HDF5.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["Sink"]


class Sink:
    """A binary file whose methods, which h5py calls, keep errors of the disk instead of raising them.

    Args:
        path: the file, which is created or emptied.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b", buffering=0)
        self._error: OSError | None = None

    def check(self) -> None:
        """Raise the first error of the disk, if one has occurred."""
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Close the file, then raise the first error of the disk, if one has occurred."""
        self._file.close()
        self.check()

    def write(self, data: memoryview) -> int:
        """Write all bytes, or none after the first error; return their number in either case."""
        view = memoryview(data).cast("B")
        size = len(view)
        try:
            while view and self._error is None:
                view = view[self._file.write(view) :]
        except OSError as error:
            self._error = error
        return size

    def read(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes of the file."""
        return self._file.read(size) or b""

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer from the file, or leave it unchanged if the disk fails."""
        try:
            return self._file.readinto(buffer) or 0
        except OSError as error:
            self._error = self._error or error
            return len(buffer)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to an offset and return it."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the current offset."""
        return self._file.tell()

    def truncate(self, size: int | None = None) -> int:
        """Shorten or extend the file."""
        try:
            return self._file.truncate(size)
        except OSError as error:
            self._error = self._error or error
            return size or 0

    def flush(self) -> None:
        """Do nothing: nothing is buffered."""
