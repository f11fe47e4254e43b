"""Check the options of the estimators, and warn where a tolerance was not reached."""

from __future__ import annotations

import warnings
from numbers import Real

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning

from onegrain.core.options import require_count
from onegrain.errors import ParameterError

__all__ = ["require_penalties", "warn_unconverged"]


def require_penalties(probe: BaseEstimator) -> None:
    """Raise ParameterError for an option with an invalid value."""
    for name in ("lambda1", "lambda2", "tolerance"):
        value = getattr(probe, name)
        if isinstance(value, bool) or not isinstance(value, Real) or not 0.0 <= float(value) < np.inf:
            raise ParameterError(f"{name} must be 0 or more, got {value!r}")
    require_count("max_iter", probe.max_iter)


def warn_unconverged(probe: BaseEstimator, reached: float) -> None:
    """Warn that the tolerance was not reached."""
    what = "duality gap" if probe.lambda1 or probe.lambda2 else "gradient"
    warnings.warn(
        f"{type(probe).__name__} stopped after {probe.n_iter_} steps (max_iter={probe.max_iter}) at a relative "
        f"{what} of {reached:.1e}, above the tolerance of {probe.tolerance:.1e}; raise max_iter or the "
        "tolerance, give float64 activations, or set standardize=True",
        ConvergenceWarning,
        stacklevel=3,
    )
