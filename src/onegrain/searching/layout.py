"""The layout of an index: its files, and the rows of which they consist.

An index is a folder beside its store::

    STORE.index/
      index.json        what was indexed and how; sealed by a checksum, which covers the others' sizes
      statistics.bin    float64 (columns, neurons): statistics of all neurons; its SHA-256 is in index.json
      neurons.bin       one row per neuron: all that a page about it shows
      groups.bin        sums by pieces of word types, (pieces, tiles) rows of the neurons of a tile
      labels.bin        sums by labels, (labels, tiles) rows of the neurons of a tile

Each row of the last three ends in the CRC-32C of the bytes before it, which is verified when the row is read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import google_crc32c
import numpy as np

from onegrain.analyses.neurons.columns import PIECE
from onegrain.analyses.neurons.contexts import WIDTH
from onegrain.core.recognition import Layout
from onegrain.searching.options import IndexOptions
from onegrain.searching.scoring import QUANTILES

__all__ = [
    "FORMAT",
    "GROUPS",
    "HEADER",
    "KIND",
    "LABELS",
    "LABEL_SHARES",
    "LAYOUT",
    "NEURONS",
    "SHARES",
    "STATISTICS",
    "STATISTICS_COLUMNS",
    "Rows",
    "checksum",
    "signed",
]

FORMAT = 2
KIND = "neuron index"
HEADER, STATISTICS, NEURONS, GROUPS, LABELS = (
    "index.json",
    "statistics.bin",
    "neurons.bin",
    "groups.bin",
    "labels.bin",
)

SHARES = (0.0, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)
"""The shares of the words at which the quantiles of a neuron are kept."""
LABEL_SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""The shares of a label's words at which its quantiles are kept."""
SIGNED = 4
"""Bytes of the checksum at the end of a row."""
STATISTICS_COLUMNS = (
    *("mean", "std", "minimum", "maximum", "above", "below", "ties"),
    *(f"{sign}:{quantile}" for sign in ("high", "low") for quantile in QUANTILES),
)
"""Statistics of all neurons: the last are the numbers of words with the highest and the lowest values."""


def _is_index(folder: Path) -> bool:
    try:
        return bool(json.loads((folder / HEADER).read_text(encoding="utf-8")).get("record") == KIND)
    except (OSError, ValueError, AttributeError, RecursionError):
        return False


LAYOUT = Layout(
    what="an index of a store", marks=_is_index, files=(HEADER, STATISTICS, NEURONS, GROUPS, LABELS)
)


@dataclass(frozen=True)
class Rows:
    """The sizes of an index, from which the form of its rows follows.

    Attributes:
        words: number of words that have an activation.
        neurons: number of neurons.
        pieces: number of pieces of word types.
        labels: number of labels that are kept.
        tile: number of neurons in a tile.
        options: how much of each neuron is kept.
    """

    words: int
    neurons: int
    pieces: int
    labels: int
    tile: int
    options: IndexOptions

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return -(-self.neurons // self.tile)

    def of_tile(self, tile: int) -> slice:
        """Return the neurons of a tile."""
        return slice(tile * self.tile, min((tile + 1) * self.tile, self.neurons))

    @cached_property
    def neuron(self) -> np.dtype:
        """The row of one neuron; -1 fills the places of words and types that it does not have."""
        options, labels = self.options, self.labels
        drawn = sum(len(positions) for positions in options.sampled_positions(self.words))
        return _signed(
            [
                ("statistics", "<f8", (len(STATISTICS_COLUMNS),)),
                ("quantiles", "<f8", (len(SHARES),)),
                ("type_deviations", "<f8", (2, options.n)),
                ("label_means", "<f8", (labels,)),
                ("label_stds", "<f8", (labels,)),
                ("label_quantiles", "<f8", (labels, len(LABEL_SHARES))),
                ("label_ranks", "<i8", (labels,)),
                ("counts", "<u4", (options.bins,)),
                ("label_counts", "<u4", (labels, options.bins)),
                ("type_rows", "<i4", (2, options.n)),
                ("type_counts", "<i4", (2, options.n)),
                ("context_rows", "<i4", (2, options.n)),
                ("context_values", "<f4", (2, options.n)),
                ("context_around", "<f4", (2, options.n, 2 * WIDTH + 1)),
                ("range_values", "<f4", (options.ranges, 2)),
                ("sample_rows", "<i4", (drawn,)),
                ("sample_values", "<f4", (drawn,)),
                ("sample_around", "<f4", (drawn, 2 * WIDTH + 1)),
            ]
        )

    @cached_property
    def group(self) -> np.dtype:
        """The row of one piece of a word type in one tile: sums of deviations and centred ranks, and counts."""
        ranks = "<i4" if PIECE * self.words < 2**31 else "<i8"
        return self._sums("<f4", ranks, "u1")

    @cached_property
    def label(self) -> np.dtype:
        """The row of one label in one tile, likewise."""
        return self._sums("<f8", "<i8", "<u4")

    def _sums(self, sums: str, ranks: str, counts: str) -> np.dtype:
        return _signed(
            [
                ("sums", sums, (self.tile,)),
                ("ranks", ranks, (self.tile,)),
                ("extremes", counts, (2, len(QUANTILES), self.tile)),
            ]
        )

    def sizes(self) -> dict[str, int]:
        """Return the size of each file in bytes."""
        return {
            STATISTICS: 8 * len(STATISTICS_COLUMNS) * self.neurons,
            NEURONS: self.neurons * self.neuron.itemsize,
            GROUPS: self.tiles * self.pieces * self.group.itemsize,
            LABELS: self.tiles * self.labels * self.label.itemsize,
        }


def _signed(fields: Sequence[tuple[str, str, tuple[int, ...]]]) -> np.dtype:
    """Return a row of fields, each at a multiple of its alignment, with its checksum as the last four bytes."""
    offsets, end = [], 0
    for _, form, shape in fields:
        size = np.dtype(form).itemsize
        end += -end % size
        offsets.append(end)
        end += size * int(np.prod(shape))
    itemsize = end + SIGNED + (-(end + SIGNED) % 8)
    return np.dtype(
        {
            "names": [*(name for name, _, _ in fields), "checksum"],
            "formats": [*(np.dtype((form, shape)) for _, form, shape in fields), "<u4"],
            "offsets": [*offsets, itemsize - SIGNED],
            "itemsize": itemsize,
        }
    )


def checksum(row: np.ndarray) -> int:
    """Return the CRC-32C of a row, uint8 (bytes,), without the checksum at its end."""
    return int(google_crc32c.value(row[:-SIGNED]))


def signed(rows: np.ndarray) -> np.ndarray:
    """Write the checksum of each row of a contiguous array (rows,); return the bytes, uint8 (rows, bytes)."""
    raw = rows.view(np.uint8).reshape(len(rows), rows.dtype.itemsize)
    rows["checksum"] = [checksum(row) for row in raw]
    return raw
