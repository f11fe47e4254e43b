"""Recognition of repeated commands by a hash in the records that they write.

A record's ``details`` hold the hash of everything that its content depends on: the verb and its options, the
provenance and hashes of its inputs, and the version of onegrain. If the output of a command exists with the
same hash, an earlier run of the command completed it, and nothing is left to do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from onegrain.records.activations import Activations
    from onegrain.records.control import Control
    from onegrain.records.curve import Curve
    from onegrain.records.effects import Effects
    from onegrain.records.ranking import Ranking
    from onegrain.records.similarity import Similarity
    from onegrain.records.specificity import Specificity
    from onegrain.records.statistics import NeuronStatistics
    from onegrain.records.sweep import Sweep
    from onegrain.records.uniqueness import Uniqueness

    Record = TypeVar(
        "Record", Ranking, Curve, Similarity, Specificity, Effects, Uniqueness, NeuronStatistics, Sweep, Control
    )

__all__ = [
    "already_made",
    "end_repeat",
    "holds_request",
    "identity_of",
    "request_hash",
    "unevaluated",
    "with_request",
]

REQUEST = "request"


def request_hash(verb: str, **facts: Any) -> str:
    """Return the hash of a request; pydantic models among the facts are hashed by their content."""
    from onegrain.records.provenance import package_version

    content = {"verb": verb, "version": package_version(), **facts}
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=_plain).encode()).hexdigest()


def identity_of(activations: Activations, place: str | None) -> dict[str, Any]:
    """Return what identifies activations: provenance, words and labels, and the file checksums of a store."""
    from onegrain.activations.store.manifest import read_manifest
    from onegrain.activations.store.places.locate import folder_at
    from onegrain.records.identity import corpus_digest

    manifest = None if place is None else read_manifest(folder_at(place))
    return {
        "provenance": activations.provenance,
        "corpus": corpus_digest(activations.corpus),
        "sites": activations.space.sites,
        "files": (manifest or {}).get("files"),
    }


def with_request(record: Record, request: str) -> Record:
    """Return a copy of a record with the hash of its request in its details."""
    return replace(record, details={**record.details, REQUEST: request})


def unevaluated(request: str) -> str:
    """Return the mark of a ranking that Ctrl-C left without its evaluation; the same command replaces it."""
    return f"{request} without evaluation"


def holds_request(path: Path, request: str) -> bool:
    """Return True if a path holds an undamaged record of the same request; delete leftovers of killed runs."""
    from onegrain.core.partial import sweep_leftovers
    from onegrain.errors import RecordError
    from onegrain.records.parquet import read_header

    sweep_leftovers(path)
    if not path.is_file():
        return False
    try:
        details = read_header(path).get("details")
    except RecordError:
        return False
    return isinstance(details, Mapping) and details.get(REQUEST) == request


def already_made(path: Path | str) -> Exception:
    """Return the error that ends a repeated command; ``main`` prints it and exits with code 0."""
    from onegrain.errors import AlreadyDoneError

    return AlreadyDoneError(
        f"{path} exists already: the same command has made it, and nothing is left to do; use --force to make "
        "it again"
    )


def end_repeat(path: Path | str) -> Callable[[], None]:
    """Return a function that ends a command which a library function recognised as a repeat."""

    def end() -> None:
        raise already_made(path)

    return end


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else str(value)
