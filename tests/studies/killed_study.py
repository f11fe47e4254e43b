"""Kill a study at every N-th file operation, run it again and compare the records: killed_study.py DIR N."""

from __future__ import annotations

import sys
from pathlib import Path

from onegrain.studies import run_study
from support.killing import compare_killed
from support.studies import write_study


def work(out: Path) -> None:
    run_study(Path(sys.argv[1]) / "study.toml", out)


if __name__ == "__main__":
    write_study(Path(sys.argv[1]))
    compare_killed(work, Path(sys.argv[1]), "out", sys.argv[2])
