"""Parameters of dimension selection with a Gaussian probe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite

from onegrain.errors import ParameterError

__all__ = ["CHOSEN", "WHOLE", "GaussianOptions"]

CHOSEN, WHOLE = "chosen", "whole"


@dataclass(frozen=True)
class GaussianOptions:
    """Parameters of the ranking by a Gaussian probe.

    Attributes:
        k: how many neurons to choose at most.
        kappa: weight, in words, of the prior mean of a label, which is the mean of all words. 0 leaves a
            label's mean as it is, as a prior mean equal to it does, in the code of [Torroba20].
        scale: how many words the prior variances count for; 1 in that code.
        floor: prior variances of a label are at least this share of those of all words, so that a neuron which
            never changes within a label has some; that code has none.
        degrees: degrees of freedom of the prior beyond the dimension; 2 in that code.
        mode: where the covariance is at its posterior mode. ``chosen``: the covariance of the chosen neurons
            alone, so that neurons which are not chosen change nothing. ``whole``: that of all neurons at once,
            of which a block is taken, as in that code; it shrinks with the number of neurons.
        min_count: a label with fewer training words is left out.
        max_words: train on a random part of the sentences with at most so many words; None for all.
        max_dev_words: the same of the held-out words that choose.
        dev_share: share of the sentences that is held out where no ``dev`` is given.
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
            value = getattr(self, name)
            whole = isinstance(value, int) and not isinstance(value, bool) and value >= 1
            if not whole and not (value is None and name.startswith("max_")):
                raise ParameterError(f"{name} must be a whole number from 1, got {value!r}")
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
