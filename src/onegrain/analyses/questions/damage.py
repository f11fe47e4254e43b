"""The damage that erasing neurons does to a model, and which curves measure the same task.

*Damage* is the change of a metric for the worse, positive for every metric: ``intact - value`` if higher values
are better, ``value - intact`` if lower ones are, and ``log(value / intact)`` (nats) for perplexities, whose
damage is the rise of the mean negative log-likelihood per token.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from onegrain.errors import MismatchError, ParameterError
from onegrain.metrics.registry import is_logarithmic, metric_title, metric_unit
from onegrain.records.curve import Curve

__all__ = ["TOLERANCE", "change_for_the_worse", "damage", "damage_unit", "require_one_task", "tasks"]

TOLERANCE = 1e-3
"""Largest relative difference between the intact metrics of curves of one model."""


def damage(curve: Curve, values: np.ndarray) -> np.ndarray:
    """Return how much worse metric values are than the intact model: float64, same shape, positive is harm.

    Raises:
        ParameterError: a value is not finite, or a perplexity is not above 0 (its logarithm is taken).
    """
    numbers = np.asarray(values, dtype=np.float64)
    if not np.isfinite([curve.intact, *numbers]).all():
        raise ParameterError(
            f"a value of {metric_title(curve.metric)} in this curve is not finite; erase fewer neurons, or by "
            "mean"
        )
    if is_logarithmic(curve.metric, curve.higher_is_better) and (curve.intact <= 0 or (numbers <= 0).any()):
        raise ParameterError(f"{metric_title(curve.metric)} must be above 0; got {numbers.min()}")
    return change_for_the_worse(curve, numbers, curve.intact)


def change_for_the_worse(curve: Curve, values: np.ndarray, intact: float | np.ndarray) -> np.ndarray:
    """Return the damage of values against those of the intact model, without a check of the values."""
    if is_logarithmic(curve.metric, curve.higher_is_better):
        harm: np.ndarray = np.log(values / intact)
        return -harm if curve.higher_is_better else harm
    return intact - values if curve.higher_is_better else values - intact


def damage_unit(metric: str, higher_is_better: bool) -> str:
    """Return the unit of :func:`damage` for a metric by its name in the registry.

    >>> damage_unit("bleu", True), damage_unit("perplexity", False)
    ('BLEU points', 'nats per token')
    """
    return metric_unit(metric, higher_is_better)


def require_one_task(curves: Mapping[str, Curve]) -> Curve:
    """Return the first of the curves.

    Raises:
        ParameterError: no curve.
        MismatchError: the curves are not of one model, metric and test set.
    """
    if not curves:
        raise ParameterError("no curve was given; ablate a model with at least one ranking first")
    named = list(curves.items())
    first_name, first = named[0]
    for name, curve in named[1:]:
        difference = _difference(first, curve)
        if difference is not None:
            raise MismatchError(f"curves {first_name!r} and {name!r} {difference}")
    return first


def tasks(curves: Mapping[str, Curve]) -> list[dict[str, Curve]]:
    """Return the curves in groups of one model, metric and test set, in the order of their first curve."""
    groups: list[dict[str, Curve]] = []
    for name, curve in curves.items():
        fitting = (group for group in groups if _difference(next(iter(group.values())), curve) is None)
        group = next(fitting, None)
        if group is None:
            groups.append({name: curve})
        else:
            group[name] = curve
    return groups


def _difference(first: Curve, second: Curve) -> str | None:
    """Return how the tasks of two curves differ, or None if they are the same task."""
    if (first.metric, first.higher_is_better) != (second.metric, second.higher_is_better):
        return f"are of different metrics: {metric_title(first.metric)} and {metric_title(second.metric)}"
    models = [
        curve.provenance.model.weight_hash for curve in (first, second) if curve.provenance.model is not None
    ]
    if len(set(models)) > 1:
        return f"are of different models: {' and '.join(model[:12] for model in models)}"
    if not np.isclose(second.intact, first.intact, rtol=TOLERANCE):
        return (
            f"start from different values of {metric_title(first.metric)}: {first.intact:.6g} and "
            f"{second.intact:.6g} with nothing erased; measure both on the same test set"
        )
    return None
