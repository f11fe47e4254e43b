"""The models of the tests of gradients."""

from __future__ import annotations

import pytest


@pytest.fixture
def named(models, zoo):
    """A tiny model, or one of the zoo, by name."""
    return lambda name: models[name] if name in models else zoo[name]
