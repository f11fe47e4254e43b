"""Rank neurons: one module a method, one registry, one record.

Names are loaded when they are first used, so the registry's names are there without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from onegrain.rankings.registry import METHODS, method, register

if TYPE_CHECKING:
    from onegrain.rankings.crossmodel.similarity import similarity
    from onegrain.rankings.request import Method, NoOptions, Request
    from onegrain.rankings.run import rank, rank_together

_HOMES = {
    "Method": "onegrain.rankings.request",
    "NoOptions": "onegrain.rankings.request",
    "Request": "onegrain.rankings.request",
    "rank": "onegrain.rankings.run",
    "rank_together": "onegrain.rankings.run",
    "similarity": "onegrain.rankings.crossmodel.similarity",
}

__all__ = [
    "METHODS",
    "Method",
    "NoOptions",
    "Request",
    "method",
    "rank",
    "rank_together",
    "register",
    "similarity",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'onegrain.rankings' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
