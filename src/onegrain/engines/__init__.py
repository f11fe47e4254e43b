"""Where work runs."""

from __future__ import annotations

from onegrain.engines.local import Job, LocalEngine

__all__ = ["Job", "LocalEngine"]
