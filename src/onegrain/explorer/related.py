"""Records that belong together: those of the model of a store or ranking, without those that are damaged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from onegrain.errors import OnegrainError
from onegrain.explorer.collection import Collection, Entry

__all__ = ["belongs", "related"]


def belongs(collection: Collection, record: Entry, store: Entry) -> bool:
    """Return True if a record is about the model of a store.

    Both name the hash of the same weights or, where neither names any, the record was made from this store.
    """
    if record.weights or store.weights:
        return record.weights == store.weights
    inputs = collection.record(record.name).provenance.inputs
    return any(step.model_dump_json() == store.digest for step in inputs)


def related(collection: Collection, entry: Entry, *kinds: str) -> Iterator[tuple[Entry, Any]]:
    """Yield the records of some kinds that are about the same model as an entry, in the order of their names.

    Damaged ones are left out; their own pages say what is wrong with them. Records that name no weights are
    yielded for an entry that names none; the caller knows by :func:`belongs`, or by the hash of an order,
    whether they belong together.
    """
    for candidate in collection.about(entry.weights, *kinds):
        try:
            yield candidate, collection.record(candidate.name, *kinds)
        except OnegrainError:
            continue
