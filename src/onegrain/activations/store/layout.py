"""Which files belong to a store, by their names: nothing else is ever removed."""

from __future__ import annotations

import re

__all__ = ["MANIFEST", "is_leftover", "is_store_file", "is_store_of_names"]

MANIFEST = "zarr.json"
LEFTOVER = re.compile(r"\.(?P<ours>[^/]+)\.partial-[0-9]+|(?P<zarrs>[^/]+)\.[0-9a-f]+\.partial")
"""A file that a killed writer did not finish: one of onegrain's, or of Zarr's own."""
SMALL = r"(?:words|word_ends|forms|form_ends|spaces|sentences|missing|labels/[0-9]+)/(?:zarr\.json|c/0)"
STORE_FILE = re.compile(
    rf"zarr\.json|journal\.json|writer\.json|{SMALL}|labels/zarr\.json|activations/zarr\.json"
    r"|activations/c/[0-9]+/0"
)
"""The names of a store's files; Zarr names a chunk by its number along each dimension."""


def is_store_file(name: str) -> bool:
    """Return True if a name is that of a file of a store, or of a leftover beside such a file.

    >>> [is_store_file(name) for name in ("labels/0/c/0", "activations/c/1/.0.partial-77", "thesis.txt")]
    [True, True, False]
    """
    folder, slash, file = name.rpartition("/")
    leftover = LEFTOVER.fullmatch(file)
    if leftover:
        return is_store_file(folder + slash + (leftover["ours"] or leftover["zarrs"]))
    return STORE_FILE.fullmatch(name) is not None


def is_leftover(file: str) -> bool:
    """Return True if the name of a file is that of one which a killed writer did not finish."""
    return LEFTOVER.fullmatch(file) is not None


def is_store_of_names(names: list[str]) -> bool:
    """Return True if a folder holds the files with which every store begins, and none besides a store's."""
    first = {"words/zarr.json", "activations/zarr.json"}
    return first <= set(names) and all(is_store_file(name) for name in names)
