"""Parameters of the ``neurox`` preset."""

from __future__ import annotations

import math
from dataclasses import dataclass

from onegrain.core.options import require_count
from onegrain.errors import ParameterError

__all__ = ["NeuroxOptions"]

LARGEST = 1e30
"""Largest value of a penalty or learning rate, which float32 can hold."""


@dataclass(frozen=True)
class NeuroxOptions:
    """Parameters of NeuroX's probe and of its neuron ordering; the defaults are NeuroX's.

    Attributes:
        lambda1: factor of sum |theta|, NeuroX's ``lambda_l1``.
        lambda2: factor of sqrt(sum theta^2), NeuroX's ``lambda_l2``; in ``lca`` it is the factor of the square.
        epochs: passes over the training words, NeuroX's ``num_epochs``.
        batch_size: words per step, in the order of the corpus; the last step of an epoch may have fewer.
        learning_rate: learning rate of Adam.
        search_stride: number of steps into which the ordering divides the weight mass.
        min_count: a label with fewer words is left out; 1 by default, as NeuroX leaves out none.
    """

    lambda1: float = 0.0
    lambda2: float = 0.0
    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 1e-3
    search_stride: int = 100
    min_count: int = 1

    def __post_init__(self) -> None:
        for name in ("lambda1", "lambda2", "learning_rate"):
            object.__setattr__(self, name, _number(name, getattr(self, name), positive=name == "learning_rate"))
        for name in ("epochs", "batch_size", "search_stride", "min_count"):
            require_count(name, getattr(self, name))


def _number(name: str, value: object, *, positive: bool) -> float:
    """Return a number as a float; it must be 0 or more (above 0 if ``positive``) and fit into float32."""
    known = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not known or not 0 <= value <= LARGEST or (positive and value == 0):  # type: ignore[operator]
        what = f"{'above 0' if positive else '0 or more'} and at most {LARGEST:g}"
        hint = "; this method trains one probe, lca tries a grid" if isinstance(value, (tuple, list)) else ""
        raise ParameterError(f"{name} must be one number, {what}, got {value!r}{hint}")
    return float(value)  # type: ignore[arg-type]
