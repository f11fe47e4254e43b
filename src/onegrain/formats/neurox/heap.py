"""Check the heap of an HDF5 file, which holds texts of variable length, before the library reads it.

libhdf5 walks through the objects of a heap by their stated sizes. If a damaged object states the size 0, the
library loops forever, and no signal can interrupt it.

A heap starts with ``GCOL``, a version, three bytes, and its size. An object starts with its number and
reference count (two bytes each), four bytes, and its size. Number 0 is the free space, whose size includes
these fields; the content of the other objects is padded to a multiple of eight bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["require_whole_texts"]

MARK = b"GCOL"
BEFORE_SIZE = 8
ALIGNED = 8
LENGTH_BYTES = 4
"""Size of the length field with which a dataset's entry for a text begins; the heap's address follows."""


def require_whole_texts(path: Path, dataset: Any) -> None:
    """Check the heap that holds the first text of a dataset; texts of fixed length need no heap.

    Args:
        path: the HDF5 file.
        dataset: the opened dataset of h5py.

    Raises:
        ValueError: the heap is damaged, or the text is not stored in the way of h5py.
    """
    if dataset.dtype.kind != "O" or not dataset.size:
        return
    offset = dataset.id.get_offset()
    if offset is None:
        raise ValueError("its text is not stored in one piece")
    address, length = dataset.file.id.get_create_plist().get_sizes()
    with path.open("rb") as file:
        file.seek(offset + LENGTH_BYTES)
        heap = int.from_bytes(file.read(address), "little")
        _check_heap(file, dataset.file.userblock_size + heap, length)


def _check_heap(file: Any, start: int, length: int) -> None:
    """Check that every object of a heap ends inside it."""
    header = BEFORE_SIZE + length
    file.seek(0, 2)
    if start + header > file.tell():
        raise ValueError("the heap of its texts lies behind the end of the file")
    file.seek(start)
    head = file.read(header)
    size = int.from_bytes(head[BEFORE_SIZE:], "little")
    if not head.startswith(MARK) or start + size > file.seek(0, 2):
        raise ValueError("the heap of its texts is damaged")
    file.seek(start)
    heap = file.read(size)
    offset = -(-header // ALIGNED) * ALIGNED
    while offset + header <= size:
        number = int.from_bytes(heap[offset : offset + 2], "little")
        stated = int.from_bytes(heap[offset + BEFORE_SIZE : offset + header], "little")
        step = -(-(header + stated) // ALIGNED) * ALIGNED if number else stated
        if step < header or offset + step > size:
            raise ValueError("the heap of its texts is damaged: an object in it states an impossible size")
        offset += step
