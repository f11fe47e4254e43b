"""Make the index of a store, one tile of neurons after the other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from onegrain.activations import open_activations
from onegrain.analyses.neurons.columns import WordTypes
from onegrain.core.output import whole_folder
from onegrain.core.progress import Progress, automatic
from onegrain.core.sizes import read_size
from onegrain.errors import MismatchError, OutputExistsError, ParameterError, RecordError
from onegrain.records.activations import Activations
from onegrain.searching.index import NeuronIndex, index_path
from onegrain.searching.labels import KeptLabels
from onegrain.searching.layout import (
    GROUPS,
    LABELS,
    LAYOUT,
    NEURONS,
    STATISTICS,
    STATISTICS_COLUMNS,
    Rows,
    signed,
)
from onegrain.searching.options import IndexOptions
from onegrain.searching.sealed import header_of, write_header
from onegrain.searching.summing import NeuronWork, TileSums
from onegrain.searching.tiles import TileReader, pool_of_threads, tile_width

__all__ = ["BUFFER", "index_neurons"]

BUFFER = "640MiB"
"""Memory for the neurons that are indexed at once, by default."""
PIECE_BYTES = 14
"""Bytes of the sums of one neuron over one piece of a word type."""


def index_neurons(
    store: str | os.PathLike[str] | Activations,
    *,
    path: str | os.PathLike[str] | None = None,
    options: IndexOptions | None = None,
    buffer: int | str = BUFFER,
    force: bool = False,
    progress: Progress = automatic,
) -> NeuronIndex:
    """Index a store: keep what a page about a neuron shows, for every neuron, and what makes a search fast.

    The index is written whole or not at all. One that exists already is opened if it is of this store and was
    made with these options. Words without an activation are left out.

    Args:
        store: a store of activations, its path or its URL.
        path: the index to write; by default beside the store, see :func:`onegrain.searching.index_path`.
        options: how much of each neuron is kept; see :class:`~onegrain.searching.options.IndexOptions`.
        buffer: memory for the neurons that are indexed at once, such as ``1GiB``; 64 neurons or so are at
            least.
        force: replace an index that exists already.
        progress: shows how many neurons are indexed.

    Raises:
        ParameterError: the activations are in memory, are a part of a store, or have no word with a value.
        OutputExistsError: another index is there and ``force`` is not set, or something that is no index.
        RecordError: the store is damaged.
        StorageError: the index cannot be written.
    """
    activations = store if isinstance(store, Activations) else open_activations(store)
    place = index_path(activations) if path is None else Path(path)
    _require_complete(activations)
    wanted = options or IndexOptions()
    if not force and place.exists():
        return _opened(activations, place, wanted)
    with whole_folder(place, force=force, ours=LAYOUT) as folder:
        _Indexing(activations, wanted, read_size(buffer)).write(folder, progress)
    return NeuronIndex.open(activations, place)


def _require_complete(activations: Activations) -> None:
    if activations.path is None:
        raise ParameterError("activations in memory have no index; write them to a store, and index that")
    if activations.columns is not None:
        raise ParameterError(f"{activations.describe()} is restricted to some sites; index the whole store")
    if not activations.present.any():
        raise ParameterError(f"no word of {activations.describe()} has an activation, so nothing is indexed")


def _opened(activations: Activations, place: Path, options: IndexOptions) -> NeuronIndex:
    """Return the index at a place if it is the one that would be made."""
    remedy = "use --force (force=True) to replace it"
    try:
        index = NeuronIndex.open(activations, place)
    except (MismatchError, RecordError) as error:
        raise OutputExistsError(f"{error}; {remedy}") from error
    if index.options != options:
        raise OutputExistsError(f"{place} was made with other options; {remedy}")
    return index


@dataclass(frozen=True, eq=False)
class _Files:
    """The open files of an index."""

    neurons: BinaryIO
    groups: BinaryIO
    labels: BinaryIO


class _Indexing:
    """The work of indexing one store."""

    def __init__(self, activations: Activations, options: IndexOptions, memory: int) -> None:
        self.activations = activations
        self.options = options
        self.types = WordTypes.of(activations)
        self.labels = KeptLabels.of(activations, options)
        words = len(self.types.pieces)
        per_neuron = 4 * words + PIECE_BYTES * self.types.n_pieces
        self.rows = Rows(
            words=words,
            neurons=activations.n_neurons,
            pieces=self.types.n_pieces,
            labels=len(self.labels.names),
            tile=tile_width(activations, per_neuron, memory),
            options=options,
        )

    def write(self, folder: Path, progress: Progress) -> None:
        """Write the files of the index into a new folder."""
        rows, statistics = self.rows, np.empty((len(STATISTICS_COLUMNS), self.rows.neurons))
        reader = TileReader(self.activations, rows.tile)
        work = NeuronWork(self.types, self.labels, rows, self.activations.corpus, reader.rows)
        sums = TileSums(rows)
        with (
            _opened_files(folder, rows) as files,
            pool_of_threads() as pool,
            progress("index", rows.neurons, "neurons") as advance,
        ):
            for tile in range(rows.tiles):
                span = rows.of_tile(tile)
                values = reader.read(span, pool)
                records = np.zeros(len(values), dtype=rows.neuron)

                def describe(number: int, values: Any = values, records: Any = records) -> None:
                    work.describe(values[number], number, records[number : number + 1], sums)

                pool(describe, range(len(values)))
                sums.write(tile, files.groups, files.labels, pool)
                files.neurons.write(signed(records).data)
                statistics[:, span] = records["statistics"].T
                advance(len(values))
        (folder / STATISTICS).write_bytes(statistics.astype("<f8").tobytes())
        write_header(folder, header_of(self.activations, self.labels, rows, statistics))


@contextmanager
def _opened_files(folder: Path, rows: Rows) -> Iterator[_Files]:
    """Yield the open files; room for those that are filled tile by tile is taken first, in one piece."""
    with ExitStack() as stack:
        opened = {name: stack.enter_context((folder / name).open("wb")) for name in (NEURONS, GROUPS, LABELS)}
        for name in (GROUPS, LABELS):
            if rows.sizes()[name] and hasattr(os, "posix_fallocate"):
                os.posix_fallocate(opened[name].fileno(), 0, rows.sizes()[name])
        yield _Files(*opened.values())
