"""Compiled loop that counts the cells of the words of one draw."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int32, Int64, UInt8

from onegrain.core.compiled import compiled

__all__ = ["count_drawn"]


@compiled
def count_drawn(
    cells: UInt8[np.ndarray, "neurons words"],
    codes: Int64[np.ndarray, " words"],
    chosen: Int64[np.ndarray, " chosen"],
    often: Int32[np.ndarray, " chosen"],
    table: Int32[np.ndarray, "neurons labels cells"],
) -> None:
    """Add to the table how often each cell occurs under each label in a draw.

    Args:
        cells: the cell of each value, words sorted by label.
        codes: the label of each word.
        chosen: the words that occur in the draw.
        often: number of times that each of them occurs.
        table: the counts, added to in place.
    """
    for n in range(len(table)):
        counts, row = table[n], cells[n]
        for index in range(len(chosen)):
            word = chosen[index]
            counts[codes[word], row[word]] += often[index]
