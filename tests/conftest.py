"""Fixtures that many tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of the real corpora: ``ONEGRAIN_DATA``, else ``../shared/data`` beside the checkout."""
    named = os.environ.get("ONEGRAIN_DATA")
    root = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not root.is_dir():
        pytest.skip(f"no real corpora at {root}; set ONEGRAIN_DATA to the folder that holds them")
    return root
