"""Work on models: one queue, one thread, one model in memory."""

from __future__ import annotations

from onegrain.explorer.work.job import Job, State
from onegrain.explorer.work.queue import Work

__all__ = ["Job", "State", "Work"]
