"""Activations: read every word of a corpus with a model, and keep what the neurons did in a store.

Opening a store needs neither torch nor transformers; what runs a model, :func:`extract` and
:func:`live_activations`, loads them when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onegrain.activations.interop import to_torch, to_xarray
from onegrain.activations.store.open import open_activations
from onegrain.activations.store.verify import verify_activations

if TYPE_CHECKING:
    from onegrain.activations.extraction.extract import extract
    from onegrain.activations.extraction.live import live_activations

__all__ = [
    "extract",
    "live_activations",
    "open_activations",
    "to_torch",
    "to_xarray",
    "verify_activations",
]


def __getattr__(name: str) -> Any:
    if name == "extract":
        from onegrain.activations.extraction.extract import extract

        return extract
    if name == "live_activations":
        from onegrain.activations.extraction.live import live_activations

        return live_activations
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
