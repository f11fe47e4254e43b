"""A store and its index, which the tests of this folder share."""

from __future__ import annotations

import pytest

from onegrain.searching import index_neurons
from support.indexed import Indexed, write


@pytest.fixture(scope="session")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Indexed:
    activations = write(tmp_path_factory.mktemp("indexed"))
    index = index_neurons(activations, buffer="500KB")
    return Indexed(activations, activations.values()[activations.present], index)
