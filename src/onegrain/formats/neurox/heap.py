"""The heap of an HDF5 file in which texts of any length lie, checked before the library reads it.

libhdf5 walks over a heap's objects by the sizes that they state, and walks on the spot where a damaged one
states 0: it then never returns, and no signal ends it. A heap is ``GCOL``, a version, three bytes, its size;
an object is its number and references (two bytes each), four bytes, and its size; number 0 is the free space,
whose size includes these fields; the content of the others is filled up to eight bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["require_whole_texts"]

MARK = b"GCOL"
BEFORE_SIZE = 8
ALIGNED = 8
LENGTH_BYTES = 4
"""What comes first in a dataset's entry for a text: how long it is. The address of its heap comes next."""


def require_whole_texts(path: Path, dataset: Any) -> None:
    """Check the heap that holds the first text of a dataset; texts of a fixed length have none.

    Args:
        path: the HDF5 file.
        dataset: the opened dataset of h5py.

    Raises:
        ValueError: the heap is damaged, or the text lies otherwise than h5py stores it.
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
    """Walk over the objects of a heap, each of which must end in it."""
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
    at = -(-header // ALIGNED) * ALIGNED
    while at + header <= size:
        number = int.from_bytes(heap[at : at + 2], "little")
        stated = int.from_bytes(heap[at + BEFORE_SIZE : at + header], "little")
        step = -(-(header + stated) // ALIGNED) * ALIGNED if number else stated
        if step < header or at + step > size:
            raise ValueError("the heap of its texts is damaged: an object in it states an impossible size")
        at += step
