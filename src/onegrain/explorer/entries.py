"""Entries of a collection: what is known of a record, a store or a model before it is opened."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from onegrain.core.text import visible
from onegrain.library import ACTIVATIONS, TABLES, load
from onegrain.records.activations import Activations
from onegrain.records.parquet import read_header
from onegrain.records.provenance import Provenance

__all__ = ["MODEL", "Entry", "file_entry", "store_entry", "table_entry"]

MODEL = "model"


@dataclass(frozen=True)
class Entry:
    """A record, a store or a model of the collection.

    Attributes:
        name: its name in addresses, unique in the collection: the path inside the folder, without the suffix.
        kind: ``ranking``, ``curve``, ``activations``, ``model``, or another kind of record.
        model: the name of the model that it is about; empty if it does not say.
        weights: SHA-256 of that model's weights; empty if it does not say.
        corpus: the source of the corpus that it was made from; empty if it does not say.
        method: the method of a ranking or the metric of a curve; empty for others.
        layer: the label layer of a ranking; empty for others.
        digest: hash of the content, which the ETags of pages are made of.
    """

    name: str
    kind: str
    model: str = ""
    weights: str = ""
    corpus: str = ""
    method: str = ""
    layer: str = ""
    digest: str = ""

    @property
    def title(self) -> str:
        """The last part of the name."""
        return self.name.rsplit("/", 1)[-1]


def store_entry(name: str, activations: Activations) -> Entry:
    """Return the entry of an open store."""
    provenance = activations.provenance
    return _described(name, ACTIVATIONS, provenance, digest=provenance.model_dump_json())


def file_entry(name: str, kind: str, path: Path) -> Entry:
    """Return the entry of a record or of a model's folder.

    Raises:
        RecordError: the record is damaged.
    """
    if kind == MODEL:
        return Entry(name, MODEL, visible(path.name), digest=_file_digest(path / "config.json"))
    if kind in TABLES:
        return table_entry(name, kind, path)
    provenance = getattr(load(path), "provenance", None)
    return _described(name, kind, provenance, digest=_file_digest(path))


def table_entry(name: str, kind: str, path: Path) -> Entry:
    """Return the entry of a Parquet record, of which only the header is read.

    Raises:
        RecordError: the header is damaged.
    """
    header = read_header(path)
    provenance = Provenance.model_validate(header["provenance"]) if "provenance" in header else None
    return _described(
        name,
        kind,
        provenance,
        method=visible(str(header.get("method") or header.get("metric") or "")),
        layer=visible(str(header.get("layer") or "")),
        digest=_file_digest(path),
    )


def _described(name: str, kind: str, provenance: Provenance | None, **facts: str) -> Entry:
    model = provenance.subject() if provenance is not None else None
    corpus = provenance.corpus if provenance is not None else None
    return Entry(
        name,
        kind,
        model=visible(Path(model.id).name or model.id) if model is not None else "",
        weights=model.weight_hash if model is not None else "",
        corpus=visible(corpus.source) if corpus is not None else "",
        **facts,
    )


def _file_digest(path: Path) -> str:
    """Return the SHA-256 of a file; of a folder, of its name."""
    if not path.is_file():
        return hashlib.sha256(path.name.encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
