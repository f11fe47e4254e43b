"""A small cache that keeps what was asked for last."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

__all__ = ["Recent"]

Value = TypeVar("Value")


class Recent(Generic[Value]):
    """Results by key; beyond ``most`` of them the one that was read longest ago leaves.

    Requests decide the keys, so that the number of results needs a limit. Methods may be called from several
    threads; two threads that ask for a new key at once may both make it.

    >>> squares = Recent(1)
    >>> squares.get(3, lambda: 9), squares.get(3, lambda: -1), squares.get(4, lambda: 16), len(squares)
    (9, 9, 16, 1)
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._values: dict[Hashable, Value] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable, build: Callable[[], Value]) -> Value:
        """Return the result of a key, made by ``build`` if it is not there."""
        with self._lock:
            if key in self._values:
                self._values[key] = self._values.pop(key)
                return self._values[key]
        value = build()
        self.keep(key, value)
        return value

    def keep(self, key: Hashable, value: Value) -> None:
        """Keep the result of a key."""
        with self._lock:
            self._values[key] = value
            while len(self._values) > self.most:
                del self._values[next(iter(self._values))]
