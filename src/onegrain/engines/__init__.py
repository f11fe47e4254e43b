"""Engines: do work in this process, in worker processes on this machine, or in a Ray cluster."""

from __future__ import annotations

from onegrain.engines.choice import ENGINES, engine_named
from onegrain.engines.engine import Engine, Work
from onegrain.engines.jobs import Job, JobPool
from onegrain.engines.local import LocalEngine

__all__ = ["ENGINES", "Engine", "Job", "JobPool", "LocalEngine", "Work", "engine_named"]
