"""Test jobs in this process and in worker processes."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from onegrain.core.progress import Progress
from onegrain.engines import Job, JobPool
from onegrain.errors import CorpusError, ParameterError


def write(path: Path, progress: Progress) -> None:
    path.write_text(str(os.getpid()))


def refuse(progress: Progress) -> None:
    raise CorpusError("broken", "file.txt", 3)


@pytest.mark.parametrize("workers", [1, 2])
def test_every_job_is_done(tmp_path: Path, workers: int) -> None:
    with JobPool(workers) as pool:
        for stage in range(3):
            pool.run([Job(str(i), partial(write, tmp_path / f"{stage}-{i}")) for i in range(4)])
    processes = {int((tmp_path / f"{stage}-{i}").read_text()) for stage in range(3) for i in range(4)}
    assert (os.getpid() in processes) == (workers == 1)
    assert len(processes) <= workers, "the workers outlive a run"


@pytest.mark.parametrize("workers", [1, 2])
def test_the_error_of_a_job_arrives_unchanged(tmp_path: Path, workers: int) -> None:
    jobs = [Job("bad", refuse), Job("good", partial(write, tmp_path / "good"))]
    with pytest.raises(CorpusError, match=r"file\.txt:3: broken"), JobPool(workers) as pool:
        pool.run(jobs)


def test_no_workers_are_refused() -> None:
    with pytest.raises(ParameterError, match="workers"):
        JobPool(0)
