"""Gather the records of a folder, and write their report."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from onegrain.activations import open_activations
from onegrain.core.sealing import read_sealed_json
from onegrain.errors import OnegrainError, ParameterError, RecordError
from onegrain.records.activations import Activations
from onegrain.records.control import Control
from onegrain.records.curve import Curve
from onegrain.records.effects import Effects
from onegrain.records.evaluation import Evaluation
from onegrain.records.ranking import Ranking
from onegrain.records.specificity import Specificity
from onegrain.records.stability import Stability
from onegrain.records.statistics import NeuronStatistics
from onegrain.records.sweep import Sweep
from onegrain.records.uniqueness import Uniqueness
from onegrain.reports import Records, compose, left_out
from onegrain.studies.naming import curve_names, record_names
from onegrain.studies.places import activations_path
from onegrain.studies.scanning import FolderRecord, FolderScan, scan_folder
from onegrain.studies.study import Study

__all__ = ["gather", "write_folder_report", "write_study_report"]

REPORT = "report.html"


def gather(
    folder: str | os.PathLike[str], *, stores: Mapping[str, Path] | None = None, neurons: int = 3
) -> Records:
    """Return the records and measures in a folder and its subfolders that a report has sections for.

    A record belongs to the model that its provenance names, and its ranking is named after its file. If two
    files have the same name, the names include the folders. ``left_out`` lists what is not shown, with reasons.

    Args:
        folder: the folder to search.
        stores: model -> the store whose words are shown; by default the first finished one of each model.
        neurons: number of single neurons of each model to show.

    Raises:
        ParameterError: the folder does not exist.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ParameterError(f"{root} is not a folder; name the one that holds rankings and curves")
    scan = scan_folder(root)
    lines = list(scan.left_out)
    activations = _activations(root, scan, stores, lines)
    measures = {path.stem: facts for path in scan.measures if (facts := _measures(path, root, lines))}
    return Records(
        rankings=record_names(root, _of(scan.records, Ranking)),
        curves=curve_names(root, _of(scan.records, Curve)),
        activations=activations,
        models=measures,
        neurons=neurons,
        stabilities=record_names(root, _of(scan.records, Stability)),
        evaluations=record_names(root, _of(scan.records, Evaluation)),
        specificities=record_names(root, _of(scan.records, Specificity)),
        effects=record_names(root, _of(scan.records, Effects)),
        uniquenesses=record_names(root, _of(scan.records, Uniqueness)),
        constants=record_names(root, _of(scan.records, NeuronStatistics)),
        sweeps=record_names(root, _of(scan.records, Sweep)),
        controls=record_names(root, _of(scan.records, Control)),
        left_out=tuple(lines),
    )


def write_folder_report(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    title: str | None = None,
    force: bool = False,
    notify: Callable[[str], None] = lambda line: None,
    on_repeat: Callable[[], None] | None = None,
) -> Path:
    """Write the report of the records in a folder, and its charts as PNG files beside it.

    Args:
        folder: the folder of the records.
        out: the HTML file to write.
        title: title of the page.
        force: replace an earlier report.
        notify: called with one line for each record or file that the report leaves out.
        on_repeat: called if the same report exists already and is complete, so that nothing is written.

    Returns:
        The path of the page.

    Raises:
        OutputExistsError: another report exists, and ``force`` is not set.
    """
    records = gather(folder)
    for line in left_out(records):
        notify(line)
    report = compose(title or f"Neurons in {Path(folder).resolve().name}", records)
    path = Path(out)
    report.write(path, force=force, on_repeat=on_repeat)
    return path


def write_study_report(study: Study, folder: Path) -> Path:
    """Write the report of a study into its folder, and return the path of the page."""
    stores = {model: folder / activations_path(model, corpus) for model, corpus in study.show}
    records = gather(folder, stores=stores, neurons=study.neurons)
    path = folder / REPORT
    compose(study.title, records).write(path, force=True)
    return path


def _of(records: Sequence[FolderRecord], kind: type) -> list[FolderRecord]:
    return [record for record in records if isinstance(record.record, kind)]


def _measures(path: Path, root: Path, lines: list[str]) -> dict[str, Any]:
    """Return the measures of a model; empty if the file is damaged, with a line added to ``lines``."""
    try:
        facts = read_sealed_json(path, "measures")
    except RecordError as error:
        lines.append(f"{path.relative_to(root)}: {str(error).replace(str(path), path.name)}")
        return {}
    return {name: value for name, value in facts.items() if name != "record"}


def _activations(
    root: Path, scan: FolderScan, stores: Mapping[str, Path] | None, lines: list[str]
) -> dict[str, Activations]:
    if stores is not None:
        return {model: open_activations(path) for model, path in stores.items()}
    shown: dict[str, Activations] = {}
    for path in scan.stores:
        try:
            activations = open_activations(path)
        except OnegrainError as error:
            lines.append(f"{path.relative_to(root)}: {str(error).replace(str(path), path.name)}")
            continue
        model = scan.model_of(activations.provenance)
        if model in shown:
            lines.append(f"{path.relative_to(root)}: the words of another store of {model} are shown")
        shown.setdefault(model, activations)
    return shown
