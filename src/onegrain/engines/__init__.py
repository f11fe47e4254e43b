"""Where work runs: this process, worker processes of this machine, or a Ray cluster."""

from __future__ import annotations

from onegrain.engines.engine import ENGINES, Engine, Work, engine_named
from onegrain.engines.local import Job, LocalEngine

__all__ = ["ENGINES", "Engine", "Job", "LocalEngine", "Work", "engine_named"]
