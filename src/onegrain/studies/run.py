"""Running a study: every step that is not done yet, in order, and the report at the end."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path

from onegrain.core.durable import make_folder
from onegrain.core.output import require_writable_output, storage_errors
from onegrain.core.progress import Progress, automatic
from onegrain.engines import Job, JobPool
from onegrain.errors import AlreadyDoneError
from onegrain.records.identity import corpus_digest
from onegrain.studies.gather import REPORT, write_study_report
from onegrain.studies.notes import begin_step, finish_step, is_done, sweep_study
from onegrain.studies.read import read_study
from onegrain.studies.read_corpora import data_folder
from onegrain.studies.stages import STAGES, Step, plan_study
from onegrain.studies.workspace import Workspace

__all__ = ["StudyRun", "demo_study", "fingerprints", "run_study", "walk_study"]


def demo_study() -> Path:
    """Return the path of the study that ``onegrain demo`` runs: every stage, on the sandbox language."""
    return Path(str(files("onegrain.studies") / "demo.toml"))


@dataclass(frozen=True)
class StudyRun:
    """The outcome of a run of a study.

    Attributes:
        report: the page.
        made: number of records that the run made; 0 if the study had finished before.
        kept: number of records that the run kept, made by the same recipe and undamaged.
    """

    report: Path
    made: int
    kept: int


def run_study(
    study: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    workers: int = 1,
    progress: Progress = automatic,
) -> Path:
    """Run a study file, or resume an interrupted run.

    A step is skipped if its record exists and was made by the same part of the study file from the same
    corpora. If that part has changed, the record and everything that depends on it are made again; a damaged
    record is made again, too.

    Args:
        study: the TOML file; see :class:`onegrain.studies.study.Study`.
        out: folder of the records and of the report.
        workers: number of processes that do steps of one stage in parallel.
        progress: reports the progress of each step.

    Returns:
        The report, ``report.html`` in ``out``.

    Raises:
        ParameterError: the study file has a fault.
        OutputExistsError: a file that onegrain did not write has the name of a record.
    """
    return walk_study(study, out, workers=workers, progress=progress).report


def walk_study(
    study: str | os.PathLike[str], out: str | os.PathLike[str], *, workers: int, progress: Progress
) -> StudyRun:
    """Run a study as :func:`run_study` does, and return how many records were made and kept."""
    file, folder = Path(study), Path(out)
    specification = read_study(file)
    steps = plan_study(specification)
    require_writable_output(folder / REPORT, force=True, suffixes=(".html",))
    with storage_errors(folder):
        make_folder(folder)
    workspace = Workspace(specification, file.parent, data_folder(file.parent), folder)
    divided = {name for _, _, entry in specification.stage_entries() for name in entry.divided}
    contents = {
        name: corpus_digest(workspace.corpus(name), documents=name in divided) for name in specification.corpora
    }
    prints = fingerprints(steps, contents)
    sweep_study(folder, steps)
    written = 0
    with JobPool(workers) as pool:
        for stage in STAGES:
            waiting = [
                step for step in steps if step.stage is stage and not is_done(folder, step, prints[step.output])
            ]
            for step in waiting:
                begin_step(folder, step, prints[step.output])
            jobs = [Job(step.name, partial(_do, workspace, step, prints[step.output])) for step in waiting]
            pool.run(jobs, description=stage.name, progress=progress)
            written += len(waiting)
    return StudyRun(write_study_report(specification, folder), written, len(steps) - written)


def _do(workspace: Workspace, step: Step, fingerprint: str, progress: Progress = automatic) -> None:
    """Do one step and note that it is done."""
    with suppress(AlreadyDoneError):  # killed between the end of the step and its note
        step.stage.perform(workspace, step, progress)
    finish_step(workspace.out, step, fingerprint)


def fingerprints(steps: list[Step], contents: dict[str, str]) -> dict[str, str]:
    """Return, by output, a hash of the step's recipe, its corpora and the steps that it needs.

    Args:
        steps: steps of a study, each after those that it needs.
        contents: digests of the corpora, by name.
    """
    prints: dict[str, str] = {}
    for step in steps:
        content = {
            "recipe": step.recipe,
            "needs": [prints[need] for need in step.needs],
            "corpora": [contents[name] for name in step.recipe.get("corpora", {})],
        }
        prints[step.output] = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return prints
