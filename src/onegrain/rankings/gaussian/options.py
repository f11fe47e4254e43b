"""Parameters of the choice of neurons for a Gaussian probe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite

from onegrain.core.options import require_count
from onegrain.errors import ParameterError

__all__ = ["CHOSEN", "WHOLE", "GaussianOptions"]

CHOSEN, WHOLE = "chosen", "whole"


@dataclass(frozen=True)
class GaussianOptions:
    """Parameters of the ranking by a Gaussian probe.

    Attributes:
        k: largest number of neurons to choose.
        kappa: weight, in words, of a label's prior mean, which is the mean of all words. 0 keeps the label's
            own mean, as the code of [Torroba20] does.
        scale: weight, in words, of the prior variances; 1 in that code.
        floor: least prior variance of a label, as a share of the variance over all words, so that a neuron that
            is constant within a label has a variance; that code has no floor.
        degrees: degrees of freedom of the prior beyond the dimension; 2 in that code.
        mode: which covariance is at its posterior mode. ``chosen``: the covariance of the chosen neurons, so
            other neurons have no influence. ``whole``: the covariance of all neurons, from which a block is
            taken, as in that code; it shrinks as the number of neurons grows.
        min_count: a label with fewer training words is left out.
        max_words: train on a random part of the sentences with at most this many words; None for all.
        max_dev_words: the same limit for the held-out words that decide the choice.
        dev_share: share of the sentences that is held out if no ``dev`` is given.
    """

    k: int = 50
    kappa: float = 0.0
    scale: float = 1.0
    floor: float = 0.01
    degrees: float = 2.0
    mode: str = CHOSEN
    min_count: int = 10
    max_words: int | None = None
    max_dev_words: int | None = None
    dev_share: float = 0.1

    def __post_init__(self) -> None:
        for name in ("k", "min_count", "max_words", "max_dev_words"):
            if getattr(self, name) is not None or not name.startswith("max_"):
                require_count(name, getattr(self, name))
        self._require("kappa", "0 or more", lambda value: value >= 0.0)
        self._require("scale", "above 0", lambda value: value > 0.0)
        self._require("floor", "above 0 and at most 1", lambda value: 0.0 < value <= 1.0)
        self._require("degrees", "above -1", lambda value: value > -1.0)
        self._require("dev_share", "above 0 and below 1", lambda value: 0.0 < value < 1.0)
        if self.mode not in (CHOSEN, WHOLE):
            raise ParameterError(f"mode must be {CHOSEN} or {WHOLE}, got {self.mode!r}")

    def _require(self, name: str, what: str, holds: Callable[[float], bool]) -> None:
        value = getattr(self, name)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not isfinite(value) or not holds(value):
            raise ParameterError(f"{name} must be a number {what}, got {value!r}")
