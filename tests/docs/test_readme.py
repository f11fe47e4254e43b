"""Check that the README's example is one that runs, and that links in documents lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


REAL = ROOT / "examples" / "smollm2.py"
"""The README's example, which reads a real model and a treebank."""


def test_the_example_of_the_readme_is_the_one_in_examples() -> None:
    block = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block is not None
    assert block.group(1).strip() in REAL.read_text()


@pytest.mark.slow
def test_the_example_of_the_readme_runs_twice(data_root: Path, tmp_path: Path) -> None:
    models = os.environ.get("ONEGRAIN_MODELS")
    if models is None or not (Path(models) / "smollm2").is_dir():
        pytest.skip("ONEGRAIN_MODELS names no folder with smollm2")
    (tmp_path / "HuggingFaceTB").mkdir()
    (tmp_path / "HuggingFaceTB" / "SmolLM2-135M").symlink_to(Path(models).resolve() / "smollm2")
    for part in ("dev", "test"):
        (tmp_path / f"en_ewt-ud-{part}.conllu").symlink_to(data_root / "ud" / "en_ewt" / f"{part}.conllu")
    first, second = run(REAL, tmp_path), run(REAL, tmp_path)
    assert first == second
    assert re.search(r"accuracy: 0\.\d+\n  95 % interval: .*\n  majority: 0\.\d+", first)
    assert "than erasing random ones, averaged over 0 to 50 of them" in first


@pytest.mark.parametrize(
    "example", sorted({*(ROOT / "examples").glob("*.py")} - {REAL}), ids=lambda path: path.name
)
def test_an_example_runs(example: Path, tmp_path: Path) -> None:
    assert run(example, tmp_path)


def run(example: Path, folder: Path) -> str:
    """Return what an example prints when it is run in a folder."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(example)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)", document.read_text()):
        if not link.startswith("http"):
            assert (document.parent / link).exists(), f"{document.name}: {link}"


def test_the_commands_of_the_readme_exist() -> None:
    from onegrain.cli.reference import reference

    known = reference()
    text = (ROOT / "README.md").read_text()
    for verb in re.findall(r"`onegrain ([a-z]+)(?: [a-z]+)?", text):
        assert f"## onegrain {verb}" in known, verb
