"""Work out how much an extraction will write, and check that the disk has room for it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from onegrain.activations.store.writer import StoreContent
from onegrain.core.sizes import say_size
from onegrain.errors import StorageError

__all__ = ["Announce", "ExtractionPlan", "require_room"]


@dataclass(frozen=True)
class ExtractionPlan:
    """The amount of data that an extraction reads and writes.

    Attributes:
        neurons: number of distinct neurons at all sites.
        sites: number of sites.
        words: number of words, the rows of the store.
        size: size of the values in bytes, without words, labels and checksums.
    """

    neurons: int
    sites: int
    words: int
    size: int

    @classmethod
    def of(cls, content: StoreContent) -> ExtractionPlan:
        """Return the plan of a store's content."""
        space, words = content.space, content.corpus.n_words
        size = words * space.size * np.dtype(content.dtype).itemsize
        return cls(space.size, len(space.sites), words, size)

    def __str__(self) -> str:
        sites = "1 site" if self.sites == 1 else f"{self.sites} sites"
        return f"{self.neurons:,} neurons of {sites} at {self.words:,} words, {say_size(self.size)}"


Announce = Callable[[ExtractionPlan], None]
"""A function that receives the plan before the extraction starts."""


def require_room(place: Path | str, plan: ExtractionPlan) -> None:
    """Raise StorageError if the disk has less free space than a store needs.

    Files that already lie in the store's folder count as free space. For a URL nothing is checked.
    """
    if not isinstance(place, Path):
        return
    parent = next(folder for folder in (place, *place.absolute().parents) if folder.exists())
    try:
        free = shutil.disk_usage(parent).free
        present = sum(file.stat().st_size for file in place.rglob("*") if file.is_file())
    except OSError:  # the writer will report the problem
        return
    if free + present < plan.size:
        raise StorageError(
            f"{place} needs {say_size(plan.size)} ({plan}), but its disk has {say_size(free)} free; "
            "choose fewer sites (--sites), --dtype float16, fewer sentences (--limit) or another disk"
        )
