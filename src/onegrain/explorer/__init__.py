"""The explorer: a web application to look at neurons, rankings and texts, and to erase and steer neurons."""

from onegrain.explorer.explore import RunningExplorer, explore

__all__ = ["RunningExplorer", "explore"]
