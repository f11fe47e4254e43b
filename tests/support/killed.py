"""Run a script that kills and repeats (see ``killing.py``) in a process that has not used torch yet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from support import TESTS

__all__ = ["kill_points"]


def kill_points(script: Path, folder: Path, step: str, *more: str) -> int:
    """Run a script that kills at every ``step``-th point, check its results, and return the number of kills."""
    paths = os.pathsep.join([str(TESTS), *sys.path])
    process = subprocess.run(
        [sys.executable, str(script), str(folder), step, *more],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    result = json.loads(process.stdout.splitlines()[-1])
    assert result["wrong"] == [], process.stderr
    return int(result["killed"])
