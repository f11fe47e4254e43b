"""Running a study: every step that is not done, in order, and the report at the end."""

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
from onegrain.studies.plan import STAGES, Step, plan_study
from onegrain.studies.read_corpora import data_folder
from onegrain.studies.steps import Workshop, perform, training_options
from onegrain.studies.study import read_study

__all__ = ["StudyRun", "demo_study", "run_study", "walk_study"]


def demo_study() -> Path:
    """The study of ``onegrain demo``: the whole road on the sandbox language."""
    return Path(str(files("onegrain.studies") / "demo.toml"))


@dataclass(frozen=True)
class StudyRun:
    """What a run of a study did.

    Attributes:
        report: the page.
        made: how many records it made; none where the study had finished before.
        kept: how many it found, made by the same recipe and undamaged.
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
    """Run a study file, or resume one that was cut off.

    A step whose record is there, made by the same part of the study file from the same corpora, is not done
    again. Where that part has changed, the record and what depends on it are made anew, and so is a damaged
    record.

    Args:
        study: the TOML file; see :class:`onegrain.studies.study.Study`.
        out: folder of the records and of the report.
        workers: processes that work side by side on steps that do not wait for each other.
        progress: reports the progress of each step.

    Returns:
        The report, ``report.html`` in ``out``.

    Raises:
        OutputExistsError: a file that onegrain did not write is in the place of a record.
    """
    return walk_study(study, out, workers=workers, progress=progress).report


def walk_study(
    study: str | os.PathLike[str], out: str | os.PathLike[str], *, workers: int, progress: Progress
) -> StudyRun:
    """Run a study as :func:`run_study` does, and return what was done."""
    file, folder = Path(study), Path(out)
    specification = read_study(file)
    for name in specification.models:
        training_options(specification, name)
    require_writable_output(folder / REPORT, force=True, suffixes=(".html",))
    with storage_errors(folder):
        make_folder(folder)
    shop = Workshop(specification, file.parent, data_folder(file.parent), folder)
    steps = plan_study(specification)
    contents = {name: corpus_digest(shop.corpus(name)) for name in specification.corpora}
    prints = _fingerprints(steps, contents)
    sweep_study(folder, steps)
    made = 0
    with JobPool(workers) as pool:
        for stage in STAGES:
            waiting = [
                step for step in steps if step.stage == stage and not is_done(folder, step, prints[step.output])
            ]
            for step in waiting:
                begin_step(folder, step, prints[step.output])
            jobs = [Job(step.name, partial(_do, shop, step, prints[step.output])) for step in waiting]
            pool.run(jobs, description=stage, progress=progress)
            made += len(waiting)
    return StudyRun(write_study_report(specification, folder), made, len(steps) - made)


def _do(shop: Workshop, step: Step, fingerprint: str, progress: Progress = automatic) -> None:
    """Do one step, and note that it is done."""
    with suppress(AlreadyDoneError):  # killed between the end of the step and its note
        perform(shop, step, progress)
    finish_step(shop.out, step, fingerprint)


def _fingerprints(steps: list[Step], contents: dict[str, str]) -> dict[str, str]:
    """Return, by output, a hash of the step's recipe, its corpora and the steps that it needs."""
    prints: dict[str, str] = {}
    for step in steps:
        content = {
            "recipe": step.recipe,
            "needs": [prints[need] for need in step.needs],
            "corpora": [contents[name] for name in step.recipe.get("corpora", {})],
        }
        prints[step.output] = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return prints
