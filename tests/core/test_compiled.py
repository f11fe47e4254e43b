"""Compiled functions: what they give, and how long their code is kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from onegrain.core.compiled import compiled

TOTAL = """
from onegrain.core.compiled import compiled

@compiled
def total(values):
    found = 0.0
    for value in values:
        found += value * {factor}
    return found
"""


def test_a_function_without_a_file_is_compiled_too() -> None:
    namespace: dict = {}
    exec(TOTAL.format(factor=2), namespace)
    assert namespace["total"](np.arange(4.0)) == 12.0
    assert namespace["total"].signatures


def test_a_division_by_zero_is_infinite_as_numpy_has_it() -> None:
    @compiled
    def share(part: float, total: float) -> float:
        return part / total

    assert share(1.0, 0.0) == np.inf


def test_the_code_is_kept_and_made_again_where_the_source_changes(tmp_path: Path) -> None:
    def run() -> tuple[float, int]:
        script = (
            "import numpy, kept; found = kept.total(numpy.arange(4.0));"
            "print(found, sum(kept.total.stats.cache_hits.values()))"
        )
        process = subprocess.run(
            [sys.executable, "-B", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        value, hits = process.stdout.split()
        return float(value), int(hits)

    (tmp_path / "kept.py").write_text(TOTAL.format(factor=2))
    assert run() == (12.0, 0)
    assert list((tmp_path / "__pycache__").glob("*.nbc"))
    assert run() == (12.0, 1)
    (tmp_path / "kept.py").write_text(TOTAL.format(factor=10))
    assert run() == (60.0, 0)
