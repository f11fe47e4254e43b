"""The records of a folder, gathered into a report."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from onegrain.activations import open_activations
from onegrain.core.activations import Activations
from onegrain.core.curve import Curve
from onegrain.core.evaluation import Evaluation
from onegrain.core.provenance import Provenance
from onegrain.core.ranking import Ranking
from onegrain.core.sealing import read_sealed_json
from onegrain.core.stability import Stability
from onegrain.core.tables import read_header
from onegrain.errors import ParameterError, RecordError
from onegrain.reports import Records, compose
from onegrain.studies.plan import activations_path
from onegrain.studies.specification import Study

__all__ = ["gather", "write_folder_report", "write_study_report"]

REPORT = "report.html"
T = TypeVar("T", Ranking, Curve, Stability, Evaluation)


def gather(
    folder: str | os.PathLike[str], *, stores: Mapping[str, Path] | None = None, neurons: int = 3
) -> Records:
    """Every ranking, curve, stability, evaluation and measure in a folder and the folders in it.

    A record belongs to the model that its provenance names; its ordering is called as its file is.

    Args:
        folder: where to look.
        stores: model -> the store whose words to show; by default the first finished one of each model.
        neurons: how many single neurons of each model to show.

    Raises:
        ParameterError: the folder is not there.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ParameterError(f"{root} is not a folder; name the one that holds rankings and curves")
    curves: dict[tuple[str, str], Curve] = {}
    for path, curve in _each(root, "curve", Curve.load):
        model = _model(curve.provenance)
        parts = path.stem.removesuffix(f"--{model}").split("--")
        key = (model, parts[-1])
        curves[key if key not in curves else (model, " ".join(reversed(parts)))] = curve
    measures = {path.stem: _measures(path) for path in sorted(root.glob("measures/*.json"))}
    return Records(
        rankings=_by_model(root, "ranking", Ranking.load),
        curves=curves,
        activations=_activations(root, stores),
        models=measures,
        neurons=neurons,
        stabilities=_by_model(root, "stability", Stability.load),
        evaluations=_by_model(root, "evaluation", Evaluation.load),
    )


def write_folder_report(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    title: str | None = None,
    force: bool = False,
) -> Path:
    """Write the report of whichever records a folder holds, and its charts as PNG beside it."""
    report = compose(title or f"Neurons in {Path(folder).resolve().name}", gather(folder))
    path = Path(out)
    report.write(path, force=force)
    return path


def write_study_report(study: Study, folder: Path) -> Path:
    """Write the report of a study into its folder."""
    stores = {model: folder / activations_path(model, corpus) for model, corpus in study.show}
    records = gather(folder, stores=stores, neurons=study.neurons)
    path = folder / REPORT
    compose(study.title, records).write(path, force=True)
    return path


def _by_model(root: Path, kind: str, load: Callable[[Path], T]) -> dict[tuple[str, str], T]:
    """(model, what the file is called without it) -> record."""
    found: dict[tuple[str, str], T] = {}
    for path, record in _each(root, kind, load):
        model = _model(record.provenance)
        found[model, path.stem.removesuffix(f"--{model}")] = record
    return found


def _each(root: Path, kind: str, load: Callable[[Path], T]) -> Iterator[tuple[Path, T]]:
    for path in sorted(root.rglob("*.parquet")):
        try:
            header = read_header(path)
        except RecordError:
            continue
        if header.get("record") == kind:
            yield path, load(path)


def _model(provenance: Provenance) -> str:
    """What a report calls the model of a record: the last part of its id."""
    identity = provenance.subject()
    return Path(identity.id).name if identity is not None else "model"


def _measures(path: Path) -> dict[str, Any]:
    facts = read_sealed_json(path, "measures")
    return {name: value for name, value in facts.items() if name != "record"}


def _activations(root: Path, stores: Mapping[str, Path] | None) -> dict[str, Activations]:
    if stores is not None:
        return {model: open_activations(path) for model, path in stores.items()}
    found: dict[str, Activations] = {}
    for path in sorted(root.rglob("*.zarr")):
        try:
            activations = open_activations(path)
        except RecordError:
            continue
        found.setdefault(_model(activations.provenance), activations)
    return found
