"""A file for HDF5 to write to, which keeps the disk's errors until HDF5 can bear them.

HDF5 crashes the process when it closes a file that the disk has refused a part of. Here every write succeeds as
far as HDF5 can see; the first error is kept, and raised between two calls of HDF5.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["Sink"]


class Sink:
    """A binary file with the methods that h5py calls, none of which raises."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b", buffering=0)
        self._error: OSError | None = None

    def check(self) -> None:
        """Raise the first error that the disk gave."""
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Close the file, and raise the first error that the disk gave."""
        self._file.close()
        self.check()

    def write(self, data: memoryview) -> int:
        """Write all bytes, unless the disk refused some before."""
        view = memoryview(data).cast("B")
        size = len(view)
        try:
            while view and self._error is None:
                view = view[self._file.write(view) :]
        except OSError as error:
            self._error = error
        return size

    def read(self, size: int = -1) -> bytes:
        """Return bytes as they are in the file."""
        return self._file.read(size) or b""

    def readinto(self, buffer: memoryview) -> int:
        """Read bytes, or leave the buffer as it is where the disk refuses."""
        try:
            return self._file.readinto(buffer) or 0
        except OSError as error:
            self._error = self._error or error
            return len(buffer)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to an offset."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the offset."""
        return self._file.tell()

    def truncate(self, size: int | None = None) -> int:
        """Cut or extend the file."""
        try:
            return self._file.truncate(size)
        except OSError as error:
            self._error = self._error or error
            return size or 0

    def flush(self) -> None:
        """Do nothing: nothing is buffered."""
