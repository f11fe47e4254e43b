"""Parameters of an evaluation of rankings, and of the elastic-net probe that it may use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from onegrain.errors import ParameterError
from onegrain.rankings.lca.options import LcaOptions, numbers_of, require_count, require_range
from onegrain.rankings.lca.search import count_of
from onegrain.records.curve import LINES
from onegrain.records.evaluation import KINDS

__all__ = ["ElasticNetOptions", "EvaluationOptions"]

TINY = float(np.finfo(float).tiny)
SHARES = (0.01, 0.02, 0.05, 0.10, 0.20, 0.50, 1.0)


@dataclass(frozen=True)
class EvaluationOptions:
    """What is measured; a tuple may be given as any sequence, or as one value.

    Attributes:
        counts: how many neurons are kept.
        shares: instead, shares of the neurons that are kept, above 0 and at most 1; each is at least one
            neuron. By default 1, 2, 5, 10, 20, 50 and 100 %.
        kinds: ``masking``, ``retraining`` or both.
        keep: ``top``, ``bottom`` and ``random`` neurons, or some of these.
        random_orders: how many random orders, which all rankings share.
        standardize: divide every neuron by its standard deviation, about its mean, on the training words,
            before any probe sees it: a masked neuron is then held at its mean. Off by default, as in LCA: *set
            to zero* is then of the activation itself.
        min_count: a label with fewer training words is left out.
        max_words: train on a random part of the sentences with at most so many words; None for all.
        test_share: share of the sentences that is held out and tested where no ``test`` is given.
        resamples: bootstrap draws of the tested sentences.
    """

    counts: tuple[int, ...] | None = None
    shares: tuple[float, ...] | None = None
    kinds: tuple[str, ...] = KINDS
    keep: tuple[str, ...] = LINES
    random_orders: int = 5
    standardize: bool = False
    min_count: int = 10
    max_words: int | None = None
    test_share: float = 0.2
    resamples: int = 1000

    def __post_init__(self) -> None:
        object.__setattr__(self, "kinds", _some_of("kinds", self.kinds, KINDS))
        object.__setattr__(self, "keep", _some_of("keep", self.keep, LINES))
        if self.counts is not None and self.shares is not None:
            raise ParameterError("give counts or shares, not both: numbers of neurons, or parts of all")
        shares = SHARES if self.shares is None else numbers_of("shares", self.shares)
        require_range("shares", shares, "above 0 and at most 1", TINY, 1.0)
        object.__setattr__(self, "shares", shares if self.counts is None else None)
        require_range("test_share", (self.test_share,), "above 0 and below 1", TINY, 1.0 - 1e-9)
        if self.counts is not None:
            object.__setattr__(self, "counts", tuple(_listed(self.counts)))
        if not self.shares and not self.counts:
            raise ParameterError("shares and counts are empty; say how many neurons to keep")
        for name, least in (("random_orders", 1), ("resamples", 2), ("min_count", 1)):
            require_count(name, getattr(self, name), least)
        for name, values in (("max_words", self.max_words), ("counts", self.counts)):
            for value in _listed(values) if values is not None else ():
                require_count(name, value, 1)

    def grid(self, neurons: int) -> list[int]:
        """How many neurons are kept, rising, each number once.

        Raises:
            ParameterError: a count outside 1..neurons.
        """
        if self.counts is None:
            return sorted({count_of(share, neurons) for share in self.shares or ()})
        found = sorted({int(count) for count in self.counts})
        if not found or found[-1] > neurons:
            raise ParameterError(f"counts must lie in 1..{neurons}, got {list(self.counts)}")
        return found


@dataclass(frozen=True)
class ElasticNetOptions:
    """Of the probe ``elastic-net``: the factors of its penalties, and how well it is solved.

    Attributes:
        lambda1: the factors of sum |theta| to try.
        lambda2: the factors of sum theta^2 to try. Of every pair, the full probe with the highest accuracy on
            held-out words decides, and all new probes use its penalties.
        tolerance: relative duality gap of every probe.
        dev_share: share of the training sentences that is held out for the choice where no ``dev`` is given.
        max_steps: limit on the Newton steps of a probe with a penalty.
        max_free_steps: the same without any penalty.
    """

    lambda1: tuple[float, ...] = (0.0,)
    lambda2: tuple[float, ...] = (1e-5, 1e-4, 1e-3, 1e-2)
    tolerance: float = 1e-2
    dev_share: float = 0.1
    max_steps: int = 50
    max_free_steps: int = 15

    def __post_init__(self) -> None:
        checked = self._checked()
        for name in ("lambda1", "lambda2"):
            object.__setattr__(self, name, getattr(checked, name))

    @property
    def pairs(self) -> list[tuple[float, float]]:
        """Every (lambda1, lambda2), ascending, each once."""
        return self._checked().pairs

    def _checked(self) -> LcaOptions:
        return LcaOptions(**vars(self))


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, Iterable) and not isinstance(value, str) else [value]


def _some_of(name: str, value: Any, known: tuple[str, ...]) -> tuple[str, ...]:
    """Some of the known names, in their order."""
    given = _listed(value)
    unknown = [one for one in given if one not in known]
    if unknown or not given:
        raise ParameterError(f"{name} must be some of {', '.join(known)}, got {value!r}")
    return tuple(one for one in known if one in given)
