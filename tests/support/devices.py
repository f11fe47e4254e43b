"""Run a script of the tests on a device, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from support import TESTS

__all__ = ["run_on"]


def run_on(device: str, script: Path) -> dict[str, Any]:
    """Return the JSON object that a script prints when it is run with the name of a device."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    done = subprocess.run(
        [sys.executable, script, device], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    results: dict[str, Any] = json.loads(done.stdout)
    return results
