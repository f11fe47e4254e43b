"""What every engine does: the same work on one item after another, wherever it runs."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, Protocol

from onegrain.errors import ParameterError

__all__ = ["ENGINES", "Engine", "Work", "engine_named"]

ENGINES = ("local", "ray")

Work = Callable[[Any, Callable[[int], None]], Any]
"""Takes an item, and the function that is told how many units of it are done; returns its result."""


class Engine(Protocol):
    """Where work runs."""

    def stream(
        self, start: Callable[[], Work], items: Sequence[Any], advance: Callable[[int], None]
    ) -> Generator[Any, None, None]:
        """The results of the work on each item, in the order of the items; closing it ends the work.

        Args:
            start: gives the work, once in each process that works; what it holds must pickle unless the work
                runs in this process.
            items: what is worked on; each must pickle likewise.
            advance: told how many units of work are done.
        """
        ...


def engine_named(name: str, *, address: str | None = None, workers: int | None = None) -> Engine:
    """The engine of a name: ``local``, this process; or ``ray``, a running cluster or one of this machine.

    Args:
        name: ``local`` or ``ray``.
        address: of a running Ray cluster; see :class:`~onegrain.engines.ray.engine.RayEngine`.
        workers: processes that work, at most; see there.

    Raises:
        ParameterError: no such engine, or an option that it does not have.
        MissingExtraError: Ray is not installed.
    """
    from onegrain.engines.local import LocalEngine
    from onegrain.engines.ray.engine import RayEngine

    if name == "local":
        if address is not None or workers is not None:
            raise ParameterError("address and workers belong to the ray engine; the local one is this process")
        return LocalEngine()
    if name == "ray":
        return RayEngine(address=address, workers=workers)
    raise ParameterError(f"no engine {name!r}; the engines are: {', '.join(ENGINES)}")
