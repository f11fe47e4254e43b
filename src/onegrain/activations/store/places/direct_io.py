"""Writing large files past the page cache, where the file system has such a way."""

from __future__ import annotations

import ctypes
import fcntl
import os
from collections.abc import Iterable
from pathlib import Path

__all__ = ["PAGE", "write_file"]

PAGE = 4096
LEAST_BYTES = 2 * 2**20
LARGEST_WRITE = 2**30
DIRECT = getattr(os, "O_DIRECT", 0)


def write_file(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    """Write a new file out of pieces, each of whole pages but for the last where they are large.

    What is large, and begins with a page of memory, goes to the disk without a copy in the page cache: the copy
    costs the cores more than all else that is done with a shard, and a store is more than the cache can hold.
    On a file system that cannot do that, and for the part of a page at the end, the usual way is taken.
    """
    descriptor = -1
    try:
        for piece in pieces:
            if descriptor < 0:
                descriptor = _open(path, direct=len(piece) >= LEAST_BYTES)
            _write_piece(descriptor, memoryview(piece))
        if descriptor < 0:
            descriptor = _open(path, direct=False)
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _write_piece(descriptor: int, piece: memoryview) -> None:
    whole = len(piece) // PAGE * PAGE if _begins_page(piece) else 0
    _write(descriptor, piece[:whole])
    if whole < len(piece):
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags & ~DIRECT)
        _write(descriptor, piece[whole:])


def _open(path: Path, *, direct: bool) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    try:
        return os.open(path, flags | DIRECT if direct else flags, 0o666)
    except OSError:
        if not direct:
            raise
        return os.open(path, flags, 0o666)


def _write(descriptor: int, view: memoryview) -> None:
    while view:
        written = os.write(descriptor, view[:LARGEST_WRITE])
        view = view[written:]


def _begins_page(view: memoryview) -> bool:
    """Whether memory begins with a page; only writable memory can tell, and only such is ever ours."""
    return len(view) > 0 and not view.readonly and ctypes.addressof(ctypes.c_char.from_buffer(view)) % PAGE == 0
