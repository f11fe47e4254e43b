"""Writing large files past the page cache, where the file system has such a way."""

from __future__ import annotations

import ctypes
import fcntl
import os
from pathlib import Path

__all__ = ["write_file"]

PAGE = 4096
LEAST_BYTES = 8 * 2**20
LARGEST_WRITE = 2**30
DIRECT = getattr(os, "O_DIRECT", 0)


def write_file(path: Path, data: bytes | memoryview) -> None:
    """Write a new file.

    What is large, and begins with a page of memory, goes to the disk without a copy in the page cache: the copy
    costs the cores more than all else that is done with a shard, and a store is more than the cache can hold.
    On a file system that cannot do that, and for the part of a page at the end, the usual way is taken.
    """
    whole = len(data) // PAGE * PAGE
    if not DIRECT or len(data) < LEAST_BYTES or _address(data) % PAGE:
        path.write_bytes(data)
        return
    descriptor = _open(path)
    try:
        view = memoryview(data)
        _write(descriptor, view[:whole])
        fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) & ~DIRECT)
        _write(descriptor, view[whole:])
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    try:
        return os.open(path, flags | DIRECT, 0o666)
    except OSError:
        return os.open(path, flags, 0o666)


def _write(descriptor: int, view: memoryview) -> None:
    while view:
        written = os.write(descriptor, view[:LARGEST_WRITE])
        view = view[written:]


def _address(data: bytes | memoryview) -> int:
    """Where the data lie in memory; only writable memory can tell, and only such is ever a page of ours."""
    view = memoryview(data)
    return 1 if view.readonly else ctypes.addressof(ctypes.c_char.from_buffer(view))
