"""Where work runs."""

from __future__ import annotations

from onegrain.engines.local import Job, run_local

__all__ = ["Job", "run_local"]
