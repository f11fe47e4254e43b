"""Choose an engine by its name."""

from __future__ import annotations

from onegrain.engines.engine import Engine
from onegrain.errors import ParameterError

__all__ = ["ENGINES", "engine_named"]

ENGINES = ("local", "ray")


def engine_named(name: str, *, address: str | None = None, workers: int | None = None) -> Engine:
    """Return the engine of a name.

    Args:
        name: ``local`` (this process) or ``ray`` (a running cluster, or one started on this machine).
        address: address of a running Ray cluster; see :class:`~onegrain.engines.ray.engine.RayEngine`.
        workers: largest number of worker processes of the ray engine.

    Raises:
        ParameterError: no engine has that name, or the engine does not have one of the options.
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
