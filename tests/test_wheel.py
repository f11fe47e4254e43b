"""A wheel carries what the explorer serves, with the licences of the packages that it is from."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from onegrain.explorer.assets import OWN, VENDORED
from support import ROOT

STATIC = "onegrain/explorer/static"


@pytest.mark.slow
def test_a_wheel_carries_the_front_end_files_and_their_licences(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        str(tmp_path),
        str(ROOT),
    ]
    subprocess.run(command, check=True)
    (wheel,) = tmp_path.glob("onegrain-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"{STATIC}/vendor/{name}" for name in VENDORED} <= names
    assert {f"{STATIC}/{name}" for name in OWN} <= names
    assert {
        f"{STATIC}/vendor/{package}.LICENSE" for package in ("htmx.org", "vega", "vega-interpreter")
    } <= names
    assert "onegrain/explorer/templates/base.html.j2" in names
    assert not [name for name in names if "node_modules" in name]
