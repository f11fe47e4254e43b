"""Check every byte of a store against its checksums."""

from __future__ import annotations

import os

from onegrain.activations.store.array import Chunk, StoredArray
from onegrain.activations.store.manifest import REMEDY
from onegrain.activations.store.open import open_activations
from onegrain.core.progress import Progress, automatic
from onegrain.errors import RecordError

__all__ = ["verify_activations"]

SHOWN = 5


def verify_activations(path: str | os.PathLike[str], *, progress: Progress = automatic) -> int:
    """Check a store against its checksums: words, labels and manifest, then every chunk of the array.

    Args:
        path: a folder or a URL.
        progress: reports the number of checked words.

    Returns:
        The number of chunks, all of which are undamaged.

    Raises:
        RecordError: the store is damaged; the message names the damaged files and the words and neurons they
            hold.
    """
    activations = open_activations(path)
    array = activations.array
    assert isinstance(array, StoredArray)
    damaged: list[Chunk] = []
    with progress("verify", len(array), "words") as advance:
        for rows in array.shards():
            try:
                array[rows]
            except RecordError:
                damaged += array.damage(rows)
            advance(rows.stop - rows.start)
    if damaged:
        named = "; ".join(array.describe(chunk) for chunk in damaged[:SHOWN])
        more = f"; and {len(damaged) - SHOWN} more" if len(damaged) > SHOWN else ""
        raise RecordError(f"{path} is damaged in {len(damaged)} chunks: {named}{more}; {REMEDY}")
    return sum(1 for _ in array.chunks())
