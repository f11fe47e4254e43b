"""Commands that are killed at an operation on files and repeated end with the bytes of an undisturbed run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HARNESS = Path(__file__).with_name("harness.py")


@pytest.mark.parametrize(
    ("kills", "commands"),
    [
        (3, ["extract", "rank"]),
        pytest.param(50, ["extract", "train", "rank", "study", "ablate"], marks=pytest.mark.slow),
    ],
)
@pytest.mark.timeout(7200)
def test_killed_and_repeated_it_ends_in_the_same_bytes(kills, commands):
    """The harness runs by itself: its forks must not inherit the threads of the tests."""
    if not hasattr(os, "fork"):
        pytest.skip("needs os.fork")
    command = [sys.executable, str(HARNESS), "--kills", str(kills), *commands]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for name in commands:
        row = next(line for line in ended.stdout.splitlines() if line.startswith(f"| {name} |"))
        operations, killed, identical, leftovers = (int(cell) for cell in row.split("|")[2:-1])
        assert killed == identical == min(kills, operations)
        assert leftovers == 0
