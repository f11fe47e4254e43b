"""A tiny study, and explorers of it: ``client`` inside this process, ``served`` behind a real server."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from onegrain.explorer import RunningExplorer, explore
from onegrain.explorer.app import create_app
from onegrain.explorer.collecting import collect
from onegrain.explorer.collection import Collection
from support.explored import SETTINGS, make_study


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tiny study; tests only read it, see ``study_copy``."""
    base = tmp_path_factory.getbasetemp()
    # the workers of one run share the folder above their own
    return make_study((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "explored")


@pytest.fixture
def study_copy(study: Path, tmp_path: Path) -> Path:
    """A copy of the study that a test may change."""
    return Path(shutil.copytree(study, tmp_path / "study"))


@pytest.fixture(scope="session")
def collection(study: Path) -> Collection:
    """The collection of the study, shared by all tests that add nothing to it."""
    return collect([study], title="Tiny")


@pytest.fixture(scope="session")
def client(collection: Collection) -> Iterator[TestClient]:
    """A client of the study's explorer."""
    with TestClient(create_app(collection, SETTINGS)) as opened:
        yield opened


@pytest.fixture(scope="session")
def served(study: Path) -> Iterator[RunningExplorer]:
    """The study's explorer behind a real server on a free port."""
    with explore(study, title="Tiny") as running:
        yield running
