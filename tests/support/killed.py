"""Runs the scripts that kill and repeat (see ``killing.py``), each in a process that has not used torch yet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from support import TESTS

__all__ = ["kill_points"]


def kill_points(script: Path, folder: Path, step: str, *more: str) -> int:
    """Run a script that kills at every ``step``-th point; check that no result differs; return the points."""
    paths = os.pathsep.join([str(TESTS), *sys.path])
    ended = subprocess.run(
        [sys.executable, str(script), str(folder), step, *more],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    result = json.loads(ended.stdout.splitlines()[-1])
    assert result["wrong"] == [], ended.stderr
    return int(result["killed"])
