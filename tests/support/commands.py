"""Commands that several tests of the command line run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

Run = Callable[..., tuple[int, str, str]]


def extracted(run: Run, inputs: Path, out: Path, model: Path | None = None) -> Path:
    code, _, err = run(
        "extract",
        model or inputs / "nlm",
        inputs / "words.txt",
        "--labels",
        f"kind={inputs / 'words.kind'}",
        "--out",
        out,
    )
    assert code == 0, err
    return out


RANK = ("--set", "lambda1=[0,0.001]", "--set", "lambda2=[0.001]", "--set", "min_count=2", "--label", "kind")
