"""The documents say what is so: the README's example is the one that runs, and its links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_the_example_of_the_readme_is_the_one_in_examples() -> None:
    block = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block is not None
    assert block.group(1).strip() in (ROOT / "examples" / "quickstart.py").read_text()


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_an_example_runs(example: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(example)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


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
