"""Parameters of Linguistic Correlation Analysis."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from onegrain.core.options import require_count, require_flag
from onegrain.errors import ParameterError

__all__ = ["PARTS", "LcaOptions", "numbers_of", "require_range"]

GRID = (0.0, 1e-5, 1e-4, 1e-3, 1e-2)
PARTS = ("masking", "retraining", "minimal")
"""Parts of the evaluation, in the order in which they run."""


@dataclass(frozen=True)
class LcaOptions:
    """Parameters of LCA. A tuple can be given as any sequence or as one number.

    Attributes:
        lambda1: factors of sum |theta| to try.
        lambda2: factors of sum theta^2 to try; the grid holds every pair of the two.
        standardize: divide every neuron by its standard deviation first. Off by default, as in the paper and in
            NeuroX: the penalties, the weights and *set to zero* are then of the activations themselves. Switch
            it on where the scales of neurons differ much, as in the residual stream of a transformer: the
            weights are then on the standardised scale, and a masked neuron is held at its mean.
        min_count: labels with fewer training words are left out, because all labels count alike in the
            ordering, rare or frequent.
        max_words: number of words to train on at most, in randomly drawn sentences; None for all.
        dev_share: share of the sentences that is held out where no ``dev`` is given.
        search_share: M, the share of neurons in A_t and A_b of the grid's score.
        alpha: weight of A_t - A_b in the grid's score.
        beta: weight of A_z - A_l in the grid's score.
        tolerance: relative duality gap of the retrained probes, and of the grid's where ``grid_steps`` lets it.
        polish: relative duality gap of the chosen probe, and of every pair that could be chosen instead.
        grid_steps: limit on the Newton steps of each probe before pairs are compared. By default ``max_steps``
            for probes of at most 1,024 weights and 0 for larger ones, of which only the pairs that could be
            chosen are solved further.
        finalists: most pairs that are solved further before one is chosen, those of the highest first scores.
            By default all that could still be chosen; 0 chooses by the first scores. The record says whether
            the choice is certified.
        prefer_strong: of the pairs that are level with the one of the highest score, choose the one of the
            largest lambda2, and of several that of the largest lambda1. A pair is level if the highest score
            leads by no more than the standard error of the difference, paired over the held-out sentences. A
            stronger probe is more regular, and it and its retrained probes are solved sooner. The record gives
            the lead. With False, the highest score is chosen.
        max_steps: limit on the Newton steps of a probe with a penalty.
        max_free_steps: limit on those of a probe without any penalty, which may have no minimum.
        evaluate: parts of the evaluation: ``masking``, ``retraining`` and ``minimal``, or some of them, with
            commas between them. True stands for all, and False or ``none`` for no evaluation; the grid is
            scored either way.
        masking_shares: shares of neurons that masking keeps.
        retraining_shares: shares of neurons on which new probes are trained.
        delta: largest loss of accuracy, against the full probe, of the minimal set. It is found by bisection,
            which assumes that accuracy grows with the number of neurons.
        resamples: number of bootstrap draws for the intervals.
    """

    lambda1: tuple[float, ...] = GRID
    lambda2: tuple[float, ...] = GRID
    standardize: bool = False
    min_count: int = 10
    max_words: int | None = None
    dev_share: float = 0.1
    search_share: float = 0.2
    alpha: float = 0.5
    beta: float = 0.5
    tolerance: float = 1e-2
    polish: float = 1e-4
    grid_steps: int | None = None
    finalists: int | None = None
    prefer_strong: bool = True
    max_steps: int = 50
    max_free_steps: int = 15
    evaluate: tuple[str, ...] = PARTS
    masking_shares: tuple[float, ...] = (0.01, 0.02, 0.05, 0.10, 0.15, 0.20, 0.30, 0.50, 0.75)
    retraining_shares: tuple[float, ...] = (0.10, 0.15, 0.20)
    delta: float = 0.01
    resamples: int = 1000

    def __post_init__(self) -> None:
        object.__setattr__(self, "evaluate", _parts_of(self.evaluate))
        for name in ("lambda1", "lambda2", "masking_shares", "retraining_shares"):
            object.__setattr__(self, name, numbers_of(name, getattr(self, name)))
        for name in ("lambda1", "lambda2"):
            require_range(name, getattr(self, name), "0 or more", 0.0, np.inf)
            if not getattr(self, name):
                raise ParameterError(f"{name} needs at least one value")
        for name in ("masking_shares", "retraining_shares"):
            require_range(name, getattr(self, name), "above 0 and at most 1", np.finfo(float).tiny, 1.0)
        require_range("search_share", (self.search_share,), "above 0 and at most 1", np.finfo(float).tiny, 1.0)
        require_range("dev_share", (self.dev_share,), "above 0 and below 1", np.finfo(float).tiny, 1.0 - 1e-9)
        for name in ("alpha", "beta", "delta"):
            require_range(name, (getattr(self, name),), "0 or more", 0.0, np.inf)
        for name in ("tolerance", "polish"):
            require_range(name, (getattr(self, name),), "from 1e-12 to 1", 1e-12, 1.0)
        require_flag("prefer_strong", self.prefer_strong)
        for name in ("min_count", "max_steps", "max_free_steps", "max_words", "grid_steps", "finalists"):
            if getattr(self, name) is not None:
                require_count(name, getattr(self, name), 0 if name in ("grid_steps", "finalists") else 1)

    @property
    def pairs(self) -> list[tuple[float, float]]:
        """Every distinct (lambda1, lambda2) of the grid, in ascending order."""
        return [(l1, l2) for l1 in sorted(set(self.lambda1)) for l2 in sorted(set(self.lambda2))]


def _parts_of(value: Any) -> tuple[str, ...]:
    """Return the parts of the evaluation that an option names, in the order of PARTS.

    Raises:
        ParameterError: a part does not exist.
    """
    if isinstance(value, bool):
        return PARTS if value else ()
    names = value.split(",") if isinstance(value, str) else value
    if value == "none":
        return ()
    if not isinstance(names, Iterable) or not set(names := tuple(names)) <= set(PARTS):
        raise ParameterError(f"evaluate must be some of {', '.join(PARTS)}, or none; got {value!r}")
    return tuple(part for part in PARTS if part in names)


def numbers_of(name: str, value: Any) -> tuple[float, ...]:
    """Return a number, or a sequence of numbers, as a tuple of floats."""
    numbers = value if isinstance(value, Iterable) and not isinstance(value, str) else (value,)
    try:
        return tuple(float(number) for number in numbers)
    except (TypeError, ValueError):
        raise ParameterError(f"{name} must be a number or a list of numbers, got {value!r}") from None


def require_range(name: str, values: tuple[float, ...], what: str, low: float, high: float) -> None:
    """Raise ParameterError unless every value is finite and from ``low`` to ``high``, which ``what`` says."""
    for value in values:
        if not (np.isfinite(value) and low <= value <= high):
            raise ParameterError(f"{name} must be {what}, got {value}")
