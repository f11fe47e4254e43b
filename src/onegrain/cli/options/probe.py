"""The probe that an option names."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from onegrain.errors import ParameterError

__all__ = ["probe_from"]


def probe_from(name: str, parameters: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the probe, and the parameters that :func:`onegrain.evaluate` takes for it.

    ``MODULE:CLASS`` is a scikit-learn classifier, created here with the parameters.
    """
    module, colon, attribute = name.partition(":")
    if not colon:
        return name, parameters
    try:
        classifier = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ParameterError(
            f"--probe {name}: {error}; give elastic-net, or MODULE:CLASS of a classifier"
        ) from error
    try:
        return classifier(**parameters), {}
    except TypeError as error:
        raise ParameterError(f"--probe {name}: {error}") from error
