"""Interruption of long work: its caller gives a check that may end it, and every pass of a model calls it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["Interrupted", "check_interruption", "interruptible", "is_interruptible"]


class Interrupted(BaseException):
    """The work has to end now. Like KeyboardInterrupt it is no error, so that no handler of errors takes it."""


_check: ContextVar[Callable[[], None] | None] = ContextVar("interruption", default=None)


@contextmanager
def interruptible(check: Callable[[], None]) -> Iterator[None]:
    """Call a function between the passes that models make inside a ``with`` block.

    Args:
        check: raises :class:`Interrupted` when the work has to end. It is called often, and should be quick.
    """
    token = _check.set(check)
    try:
        yield
    finally:
        _check.reset(token)


def is_interruptible() -> bool:
    """Return True inside a block of :func:`interruptible`."""
    return _check.get() is not None


def check_interruption() -> None:
    """Raise :class:`Interrupted` if the work that is running has to end; do nothing outside such a block."""
    check = _check.get()
    if check is not None:
        check()
