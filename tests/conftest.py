"""Fixtures that many tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from support import ROOT

if TYPE_CHECKING:
    from onegrain.models import LoadedModel
    from support.zoo import Zoo

# Workers share the cores; with a thread for each core in each of them, small products are far slower.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")


# How long an example takes says how busy the machine is.
settings.register_profile("onegrain", deadline=None)
settings.load_profile("onegrain")


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of the real corpora: ``ONEGRAIN_DATA``, else ``../shared/data`` beside the checkout."""
    named = os.environ.get("ONEGRAIN_DATA")
    root = Path(named) if named else ROOT.parent / "shared" / "data"
    if not root.is_dir():
        pytest.skip(f"no real corpora at {root}; set ONEGRAIN_DATA to the folder that holds them")
    return root


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LoadedModel]:
    """The tiny models, built and loaded once for all tests: ``nlm``, ``nmt``, ``bert`` and ``gpt2``."""
    from support.tiny import load_tiny_models

    return load_tiny_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """A tiny model of every architecture, built and loaded when it is first asked for: ``zoo["llama"]``."""
    from support.zoo import Zoo

    return Zoo(tmp_path_factory.mktemp("zoo"))


@pytest.fixture(scope="module")
def two_cpus_of_ray() -> Iterator[None]:
    """While a module's tests run, this process has a Ray cluster of this machine with two CPUs."""
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'onegrain[ray]'")
    ray.init("local", num_cpus=2, num_gpus=0, object_store_memory=200 * 10**6, include_dashboard=False)
    yield
    ray.shutdown()
