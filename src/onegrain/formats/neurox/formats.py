"""Choose the format of a NeuroX file by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from onegrain.errors import ParameterError
from onegrain.formats.neurox import hdf5, jsonlines
from onegrain.formats.neurox.contents import Contents, Origin

__all__ = ["READABLE", "WRITABLE", "Format", "format_of"]


class ReadContents(Protocol):
    """A function that reads the shape of a file and, with ``words``, its words."""

    def __call__(self, path: Path, *, words: bool) -> Contents: ...


@dataclass(frozen=True)
class Format:
    """The functions that read and write one format.

    Attributes:
        name: name of the format in provenance.
        read_contents: reads the shape and the words.
        read_values: yields the values of each sentence, float32 (tokens, layers, width).
        write: writes the words and values of sentences.
        is_export: returns True for a file that onegrain may have written and ``force`` may replace.
    """

    name: str
    read_contents: ReadContents
    read_values: Callable[[Path, Contents], Iterator[np.ndarray]]
    write: Callable[[Path, Iterable[tuple[tuple[str, ...], np.ndarray]], Origin], None]
    is_export: Callable[[Path], bool]


HDF5 = Format("neurox hdf5", hdf5.read_contents, hdf5.read_values, hdf5.write, hdf5.is_export)
JSON_LINES = Format(
    "neurox json", jsonlines.read_contents, jsonlines.read_values, jsonlines.write, jsonlines.is_export
)
READABLE = {".hdf5": HDF5, ".h5": HDF5, ".json": JSON_LINES, ".jsonl": JSON_LINES}
WRITABLE = {".hdf5": HDF5, ".json": JSON_LINES}
"""Endings of the names of files that NeuroX can open."""


def format_of(path: Path, known: dict[str, Format]) -> Format:
    """Return the format of a file by the ending of its name.

    Raises:
        ParameterError: the ending is not one of ``known``.
    """
    if path.suffix not in known:
        raise ParameterError(f"{path}: the name of a NeuroX file ends in {', '.join(known)}")
    return known[path.suffix]
