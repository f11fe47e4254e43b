"""Write large files without the page cache, if the file system supports direct I/O."""

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
    """Write a new file from consecutive pieces; in a large file, all pieces but the last must fill full pages.

    Large pieces that start at a page of memory are written by direct I/O, without a copy in the page cache.
    That copy would take more CPU time than all other work on a shard, and a store does not fit into the cache
    anyway. If the file system does not support direct I/O, and for the incomplete page at the end, the file is
    written in the usual way.

    Raises:
        OSError: the file cannot be written.
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
    direct_bytes = len(piece) // PAGE * PAGE if _begins_page(piece) else 0
    _write(descriptor, piece[:direct_bytes])
    if direct_bytes < len(piece):
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags & ~DIRECT)
        _write(descriptor, piece[direct_bytes:])


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
    """Return True if the memory is writable and starts at a page; the address of other memory is unknown."""
    return len(view) > 0 and not view.readonly and ctypes.addressof(ctypes.c_char.from_buffer(view)) % PAGE == 0
