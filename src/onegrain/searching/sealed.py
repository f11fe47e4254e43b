"""The header of an index, and rows whose checksum is verified when they are read."""

from __future__ import annotations

import hashlib
import json
import os
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from onegrain.activations.store.manifest import manifest_digest
from onegrain.activations.store.places.locate import folder_at
from onegrain.core.sealing import CHECKSUM, content_checksum, read_sealed_json
from onegrain.errors import MismatchError, RecordError
from onegrain.records.activations import Activations
from onegrain.searching.labels import KeptLabels
from onegrain.searching.layout import FORMAT, HEADER, KIND, STATISTICS, STATISTICS_COLUMNS, Rows, checksum
from onegrain.searching.options import IndexOptions

__all__ = [
    "REMEDY",
    "SignedFile",
    "header_of",
    "read_index_header",
    "read_statistics",
    "require_store",
    "sizes_of",
    "write_header",
]

REMEDY = "make it again with onegrain index --force (index_neurons with force=True)"


def header_of(
    activations: Activations, labels: KeptLabels, rows: Rows, statistics: np.ndarray
) -> dict[str, Any]:
    """Return the header of an index: what was indexed, and how."""
    return {
        "record": KIND,
        "format": FORMAT,
        "store": store_digest(activations),
        "options": rows.options.to_json(),
        "words": rows.words,
        "neurons": rows.neurons,
        "pieces": rows.pieces,
        "tile": rows.tile,
        "labels": [list(pair) for pair in labels.names],
        "label_words": labels.words.tolist(),
        "left_out": labels.left_out,
        "layers": labels.digests,
        "statistics": hashlib.sha256(statistics.astype("<f8").tobytes()).hexdigest(),
        "sizes": rows.sizes(),
    }


def write_header(folder: Path, header: Mapping[str, Any]) -> None:
    """Write the header with its checksum; it is the last file of an index that is written."""
    sealed = {**header, CHECKSUM: content_checksum(header)}
    (folder / HEADER).write_text(json.dumps(sealed, indent=1) + "\n", encoding="utf-8")


def store_digest(activations: Activations) -> str:
    """Return the digest of the manifest of a store, by which its index knows it."""
    assert activations.path is not None, "activations in memory have no manifest"
    return manifest_digest(folder_at(activations.path))


def read_index_header(folder: Path) -> dict[str, Any]:
    """Return the header of an index.

    Raises:
        RecordError: the index is missing, damaged, or of another format.
    """
    if not folder.is_dir():
        raise RecordError(f"{folder} does not exist; make it with onegrain index (index_neurons)")
    header = read_sealed_json(folder / HEADER, KIND)
    if header.get("record") != KIND or header.get("format") != FORMAT:
        raise RecordError(f"{folder} is not an index that this version of onegrain reads; {REMEDY}")
    return header


def require_store(folder: Path, header: Mapping[str, Any], activations: Activations) -> None:
    """Raise MismatchError if an index is of another store, or of the store before it was written anew."""
    if header["store"] != store_digest(activations):
        raise MismatchError(
            f"{folder} is not the index of {activations.describe()}, or the store was written anew since then; "
            f"{REMEDY}"
        )


def sizes_of(folder: Path, header: Mapping[str, Any]) -> Rows:
    """Return the sizes of an index.

    Raises:
        RecordError: a file is lost or does not have its size.
    """
    rows = Rows(
        words=header["words"],
        neurons=header["neurons"],
        pieces=header["pieces"],
        labels=len(header["labels"]),
        tile=header["tile"],
        options=IndexOptions.from_json(header["options"]),
    )
    for name, size in rows.sizes().items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != size:
            raise RecordError(f"{folder} is damaged: {name} is lost or of another size; {REMEDY}")
    return rows


def read_statistics(folder: Path, header: Mapping[str, Any], rows: Rows) -> dict[str, np.ndarray]:
    """Return the statistics of all neurons by name, float64 (neurons,) each.

    Raises:
        RecordError: the file does not have its checksum.
    """
    data = (folder / STATISTICS).read_bytes()
    if hashlib.sha256(data).hexdigest() != header["statistics"]:
        raise RecordError(f"{folder} is damaged at {STATISTICS}: its checksum differs; {REMEDY}")
    table = np.frombuffer(data, "<f8").reshape(len(STATISTICS_COLUMNS), rows.neurons)
    return dict(zip(STATISTICS_COLUMNS, table, strict=True))


class SignedFile:
    """A file of rows, each of which ends in its checksum.

    Only the rows that are asked for are read, by ``pread``, so several threads may read at once, and nothing
    else is in the memory of the process. The file stays open, so an index that is replaced can still be read.

    Args:
        path: the file.
        row: the form of a row, also an attribute.
    """

    def __init__(self, path: Path, row: np.dtype) -> None:
        self._path, self.row = path, row
        self._file = os.open(path, os.O_RDONLY)
        self.close = weakref.finalize(self, os.close, self._file)

    def expect(self, first: int, count: int) -> None:
        """Let the system read some rows ahead while others are used."""
        if hasattr(os, "posix_fadvise"):
            size = self.row.itemsize
            os.posix_fadvise(self._file, first * size, count * size, os.POSIX_FADV_WILLNEED)

    def read(self, first: int, count: int = 1) -> np.ndarray:
        """Return some rows after verifying their checksums.

        Raises:
            RecordError: a row is damaged.
        """
        size = self.row.itemsize
        buffer = bytearray(count * size)
        filled, view = 0, memoryview(buffer)
        while filled < len(buffer):
            got = os.preadv(self._file, [view[filled:]], first * size + filled)
            if not got:
                raise RecordError(f"{self._path} is damaged: it ends too early; {REMEDY}")
            filled += got
        rows = np.frombuffer(buffer, dtype=self.row)
        raw = np.frombuffer(buffer, dtype=np.uint8).reshape(count, size)
        for number, (row, stored) in enumerate(zip(raw, rows["checksum"].tolist(), strict=True)):
            if checksum(row) != stored:
                raise RecordError(
                    f"{self._path} is damaged at row {first + number}: its checksum differs; {REMEDY}"
                )
        return rows
