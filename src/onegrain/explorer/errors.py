"""Errors of the explorer that become a page of their own, with an HTTP status."""

from __future__ import annotations

from onegrain.errors import OnegrainError

__all__ = ["BusyError", "NotFoundError", "TimeLimitError"]


class NotFoundError(OnegrainError):
    """An address names a record, store, neuron or figure that the explorer does not have."""


class BusyError(OnegrainError):
    """The limit on concurrent work is reached; the request can be repeated later."""


class TimeLimitError(OnegrainError):
    """Work on a model took longer than the explorer allows."""
