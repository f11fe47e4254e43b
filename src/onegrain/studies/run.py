"""Running a study: every step that is not done, in order, and the report at the end."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from functools import partial
from importlib.resources import files
from pathlib import Path

from onegrain.activations import open_activations
from onegrain.core.output import storage_errors
from onegrain.core.progress import Progress, silent
from onegrain.engines import Job, LocalEngine
from onegrain.errors import RecordError
from onegrain.models import is_trained
from onegrain.studies.gather import write_study_report
from onegrain.studies.plan import STAGES, Step, plan_study
from onegrain.studies.sources import data_folder
from onegrain.studies.specification import read_study
from onegrain.studies.steps import Workshop, perform

__all__ = ["demo_study", "run_study"]


def demo_study() -> Path:
    """The study of ``onegrain demo``: the whole road on the sandbox language."""
    return Path(str(files("onegrain.studies") / "demo.toml"))


def run_study(
    study: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    workers: int = 1,
    progress: Progress = silent,
) -> Path:
    """Run a study file, or go on with one that was cut off.

    A step whose record is there, made by the same part of the study file, is not done again; where that part
    has changed, the record and what depends on it are made anew.

    Args:
        study: the TOML file; see :class:`onegrain.studies.specification.Study`.
        out: folder of the records and of the report.
        workers: processes that work side by side on steps that do not wait for each other.
        progress: listens.

    Returns:
        The report, ``report.html`` in ``out``.
    """
    file, folder = Path(study), Path(out)
    specification = read_study(file)
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    shop = Workshop(specification, file.parent, data_folder(file.parent), folder)
    steps = plan_study(specification)
    prints = _fingerprints(steps)
    for name in dict.fromkeys(origin for origin in specification.corpora):
        shop.corpus(name)
    with LocalEngine(workers) as engine:
        for stage in STAGES:
            waiting = [step for step in steps if step.stage == stage and not _done(folder, step, prints)]
            for step in waiting:
                _begin(folder, step, prints[step.output])
            jobs = [Job(step.name, partial(perform, shop, step)) for step in waiting]
            engine.run(jobs, description=stage, progress=progress)
    return write_study_report(specification, folder)


def _fingerprints(steps: list[Step]) -> dict[str, str]:
    """By output: a hash of the step's recipe and of those of all steps that it needs."""
    prints: dict[str, str] = {}
    for step in steps:
        content = {"recipe": step.recipe, "needs": [prints[need] for need in step.needs]}
        prints[step.output] = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return prints


def _note(folder: Path, step: Step) -> Path:
    return folder / ".steps" / (step.output.replace("/", "--") + ".txt")


def _done(folder: Path, step: Step, prints: dict[str, str]) -> bool:
    note = _note(folder, step)
    if not note.is_file() or note.read_text() != prints[step.output]:
        return False
    output = folder / step.output
    if step.stage == "train":
        return is_trained(output)
    if step.stage == "extract":
        try:
            open_activations(output)
        except RecordError:
            return False
        return True
    return output.is_file()


def _begin(folder: Path, step: Step, fingerprint: str) -> None:
    """Clear away what another recipe made; leave what this one began, to be gone on with."""
    note, output = _note(folder, step), folder / step.output
    if note.is_file() and note.read_text() == fingerprint:
        return
    if output.is_dir():
        shutil.rmtree(output)
    output.unlink(missing_ok=True)
    with storage_errors(note):
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(fingerprint)
