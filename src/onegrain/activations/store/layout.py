"""The layout of a store: its files, and how the array of activations is cut into shards and chunks.

A store is one Zarr v3 group, on disk or at any URL that fsspec reaches::

    STORE.zarr/
      zarr.json         the group; its attributes are the manifest, which is written last
      activations/      (words, neurons) float32 or float16, in shards of complete rows, each chunk checksummed
      words/            uint8, the concatenated words in UTF-8
      word_ends/        int64 (words,), the offset in ``words`` at which each word ends
      sentences/        int64 (sentences + 1,), the index of the word with which each sentence begins
      labels/0, 1, ...  int32 (words,), codes of the label layers, in the order in which the manifest lists them
      missing/          int64, the indices of the words without an activation; their rows are NaN
      journal.json      only in an unfinished store: its planned content, and its finished shards
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["MANIFEST", "SHARDS", "Grid", "is_leftover", "is_store_file", "is_store_of_names", "shard_file"]

MANIFEST = "zarr.json"
SHARDS = "activations/c/"
SHARD_BYTES = 64 * 2**20
LEAST_ROWS = 64
MOST_ROWS = 16384
CHUNK_ROWS = 2048
CHUNK_COLUMNS = 64
LEFTOVER = re.compile(r"\.(?P<ours>[^/]+)\.partial-[0-9]+|(?P<zarrs>[^/]+)\.[0-9a-f]+\.partial")
"""Names of files that a killed writer left unfinished: onegrain's, or Zarr's."""
SMALL = r"(?:words|word_ends|forms|form_ends|spaces|sentences|missing|labels/[0-9]+)/(?:zarr\.json|c/0)"
STORE_FILE = re.compile(
    rf"zarr\.json|journal\.json|writer\.json|{SMALL}|labels/zarr\.json|activations/zarr\.json"
    r"|activations/c/[0-9]+/0"
)
"""Names of a store's files; Zarr names a chunk by its number along each dimension."""


@dataclass(frozen=True)
class Grid:
    """The sizes of the shards and chunks of the (words, neurons) array.

    A shard holds complete rows and is written in one piece. A reader fetches single chunks of it, so that a few
    words or a few neurons can be read without the rest.

    Attributes:
        rows: number of words in a shard.
        chunk_rows: number of words in a chunk.
        chunk_columns: number of neurons in a chunk.
        columns: number of neurons in a shard: those of the array, rounded up to complete chunks.
    """

    rows: int
    chunk_rows: int
    chunk_columns: int
    columns: int

    @classmethod
    def of(cls, n_words: int, n_neurons: int) -> Grid:
        """Return the grid of an array; shards are about 64 MiB in float32, and half of that in float16."""
        fitting = max(1, SHARD_BYTES // (4 * n_neurons))
        rows = min(MOST_ROWS, max(LEAST_ROWS, 2 ** (fitting.bit_length() - 1)))
        chunk_rows = min(rows, CHUNK_ROWS, n_words)
        rows = min(rows, -(-n_words // chunk_rows) * chunk_rows)
        chunks_across = -(-n_neurons // CHUNK_COLUMNS)
        chunk_columns = -(-n_neurons // chunks_across)
        return cls(rows, chunk_rows, chunk_columns, chunks_across * chunk_columns)

    def n_shards(self, n_words: int) -> int:
        """Return the number of shards that hold ``n_words`` words."""
        return -(-n_words // self.rows)


def shard_file(number: int) -> str:
    """Return the name of the file that holds a shard.

    >>> shard_file(3)
    'activations/c/3/0'
    """
    return f"{SHARDS}{number}/0"


def is_store_file(name: str) -> bool:
    """Return True if a file of this name belongs to a store, or is a leftover of such a file.

    No other files are ever removed.

    >>> [is_store_file(name) for name in ("labels/0/c/0", "activations/c/1/.0.partial-77", "thesis.txt")]
    [True, True, False]
    """
    folder, slash, file = name.rpartition("/")
    leftover = LEFTOVER.fullmatch(file)
    if leftover:
        return is_store_file(folder + slash + (leftover["ours"] or leftover["zarrs"]))
    return STORE_FILE.fullmatch(name) is not None


def is_leftover(file: str) -> bool:
    """Return True if a file name, without its folder, is that of a file left unfinished by a killed writer."""
    return LEFTOVER.fullmatch(file) is not None


def is_store_of_names(names: list[str]) -> bool:
    """Return True if the names include the first files of every store and only files of a store."""
    first = {"words/zarr.json", "activations/zarr.json"}
    return first <= set(names) and all(is_store_file(name) for name in names)
