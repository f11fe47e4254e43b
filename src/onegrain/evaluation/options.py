"""Parameters of an evaluation of rankings, and of the elastic-net probe that it may use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from onegrain.core.options import require_count
from onegrain.errors import ParameterError
from onegrain.rankings.lca.options import LcaOptions, numbers_of, require_range
from onegrain.rankings.lca.search import count_of
from onegrain.records.curve import LINES
from onegrain.records.evaluation import KINDS

__all__ = ["ElasticNetOptions", "EvaluationOptions"]

TINY = float(np.finfo(float).tiny)
SHARES = (0.01, 0.02, 0.05, 0.10, 0.20, 0.50, 1.0)
"""Shares of the neurons that are kept by default."""


@dataclass(frozen=True)
class EvaluationOptions:
    """Parameters of an evaluation; tuples may be given as any sequence, or as a single value.

    Attributes:
        counts: numbers of neurons to keep.
        shares: shares of the neurons to keep instead, above 0 and at most 1; each is at least one neuron. By
            default 1, 2, 5, 10, 20, 50 and 100 %.
        kinds: ``masking``, ``retraining`` or both.
        keep: ``top``, ``bottom`` and ``random`` neurons, or some of these.
        random_orders: number of random orders, shared by all rankings.
        standardize: standardise every neuron on the training words before any probe uses it, so a masked neuron
            is set to its mean. Off by default, as in LCA, so a masked neuron is set to an activation of zero.
        min_count: a label with fewer training words is left out.
        max_words: train on a random part of the sentences with at most this many words; None for all.
        test_share: share of the sentences that is held out and tested if no ``test`` is given.
        resamples: number of bootstrap draws of the tested sentences.
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
            raise ParameterError("give counts or shares, not both: numbers of neurons, or shares of all")
        shares = SHARES if self.shares is None else numbers_of("shares", self.shares)
        require_range("shares", shares, "above 0 and at most 1", TINY, 1.0)
        object.__setattr__(self, "shares", shares if self.counts is None else None)
        require_range("test_share", (self.test_share,), "above 0 and below 1", TINY, 1.0 - 1e-9)
        if self.counts is not None:
            object.__setattr__(self, "counts", tuple(_listed(self.counts)))
        if not self.shares and not self.counts:
            raise ParameterError("shares and counts are empty; give numbers or shares of neurons to keep")
        for name, least in (("random_orders", 1), ("resamples", 2), ("min_count", 1)):
            require_count(name, getattr(self, name), least)
        for name, values in (("max_words", self.max_words), ("counts", self.counts)):
            for value in _listed(values) if values is not None else ():
                require_count(name, value, 1)

    def grid(self, neurons: int) -> list[int]:
        """Return the numbers of neurons to keep, ascending, each once.

        Raises:
            ParameterError: a count outside 1..neurons.
        """
        if self.counts is None:
            return sorted({count_of(share, neurons) for share in self.shares or ()})
        counts = sorted({int(count) for count in self.counts})
        if not counts or counts[-1] > neurons:
            raise ParameterError(f"counts must lie in 1..{neurons}, got {list(self.counts)}")
        return counts


@dataclass(frozen=True)
class ElasticNetOptions:
    """Parameters of the probe ``elastic-net``: its penalties, and the accuracy of its solution.

    Attributes:
        lambda1: factors of sum |theta| to try.
        lambda2: factors of sum theta^2 to try. All new probes use the pair whose full probe is most accurate on
            held-out words.
        tolerance: relative duality gap of every probe.
        dev_share: share of the training sentences that is held out for the choice if no ``dev`` is given.
        max_steps: limit on the Newton steps of a probe with a penalty.
        max_free_steps: limit on the Newton steps of a probe without penalties.
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
        """Every pair (lambda1, lambda2), ascending, each once."""
        return self._checked().pairs

    def _checked(self) -> LcaOptions:
        return LcaOptions(**vars(self))


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, Iterable) and not isinstance(value, str) else [value]


def _some_of(option: str, value: Any, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the given names in the order of ``known``; ParameterError for an unknown name."""
    names = _listed(value)
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise ParameterError(f"{option} must be some of {', '.join(known)}, got {value!r}")
    return tuple(choice for choice in known if choice in names)
