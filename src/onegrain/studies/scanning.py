"""Search a folder for the records that a report can show, and list what it cannot show."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from onegrain.errors import RecordError
from onegrain.library import is_model, kind_of, load
from onegrain.records.provenance import Provenance
from onegrain.records.statistics import NeuronStatistics

__all__ = ["FolderRecord", "FolderScan", "scan_folder"]

SHOWN = (
    "ranking",
    "curve",
    "sweep",
    "stability",
    "evaluation",
    "control",
    "specificity",
    "effects",
    "uniqueness",
    "neuron statistics",
)
"""The kinds of records that a report has sections for."""
OWN_OUTPUT = (".html", ".png")
"""Suffixes of the files that reports consist of."""
MOST_NAMED = 10


@dataclass(frozen=True, eq=False)
class FolderRecord:
    """A record, the file that holds it, and the name by which the report calls its model."""

    path: Path
    record: Any
    model: str


@dataclass(eq=False)
class FolderScan:
    """The content of a folder.

    Attributes:
        records: the records that a report has sections for, in the order of their paths.
        stores: the stores of activations.
        measures: the JSON files with the measures of models.
        left_out: one line for each other file or group of files, with the reason.
    """

    records: list[FolderRecord] = field(default_factory=list)
    stores: list[Path] = field(default_factory=list)
    measures: list[Path] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    _models: dict[str, list[str]] = field(default_factory=dict)

    def model_of(self, provenance: Provenance) -> str:
        """Return the name by which the report calls the model of a record.

        The name is the last part of the model's id. If several models of the folder have the same one, the
        names of all but the first end with the beginning of the hash of the weights.
        """
        identity = provenance.subject()
        if identity is None:
            return "model"
        short = Path(identity.id).name or identity.id
        hashes = self._models.setdefault(short, [])
        if identity.weight_hash not in hashes:
            hashes.append(identity.weight_hash)
        return short if hashes[0] == identity.weight_hash else f"{short} ({identity.weight_hash[:8]})"


def scan_folder(root: Path) -> FolderScan:
    """Search a folder and its subfolders, except hidden ones and models."""
    scan, others = FolderScan(), list[str]()
    for folder, files in _walk(root, scan):
        for name in files:
            path = folder / name
            if path.suffix == ".parquet":
                _add_table(root, path, scan)
            elif path.suffix == ".json" and folder == root / "measures":
                scan.measures.append(path)
            elif path.suffix == ".json" and (kind := kind_of(path)):
                scan.left_out.append(f"{path.relative_to(root)}: a report has no section for {kind}")
            elif path.suffix not in OWN_OUTPUT:
                others.append(str(path.relative_to(root)))
    if others:
        named = ", ".join(others[:MOST_NAMED]) + (", ..." if len(others) > MOST_NAMED else "")
        scan.left_out.append(f"no records of onegrain ({len(others)}): {named}")
    return scan


def _walk(root: Path, scan: FolderScan) -> Iterator[tuple[Path, list[str]]]:
    """Yield each folder to search with the sorted names of its files; stores are added to the scan."""
    for parent, folders, files in os.walk(root):
        folder = Path(parent)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        stores = [name for name in folders if name.endswith(".zarr")]
        scan.stores += [folder / name for name in stores]
        folders[:] = [name for name in folders if name not in stores and not is_model(folder / name)]
        yield folder, sorted(name for name in files if not name.startswith("."))


def _add_table(root: Path, path: Path, scan: FolderScan) -> None:
    shown = path.relative_to(root)
    try:
        kind = kind_of(path)
        if kind not in SHOWN:
            scan.left_out.append(f"{shown}: a report has no section for {kind}; onegrain show prints it")
            return
        record = load(path)
    except RecordError as error:
        scan.left_out.append(f"{shown}: {str(error).replace(str(path), path.name)}")
        return
    if isinstance(record, NeuronStatistics) and "optimal" not in record.columns:
        scan.left_out.append(f"{shown}: a report has no section for statistics without optimal constants")
        return
    scan.records.append(FolderRecord(path, record, scan.model_of(record.provenance)))
