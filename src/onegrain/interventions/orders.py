"""The orders in which neurons are edited, and how many at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onegrain.errors import ParameterError
from onegrain.records.curve import LINES
from onegrain.records.ranking import Ranking

__all__ = ["neuron_orders", "require_lines", "sweep_counts"]


def require_lines(lines: Sequence[str]) -> tuple[str, ...]:
    """Return the chosen lines in the order of ``LINES``.

    Raises:
        ParameterError: a line does not exist, or none is chosen.
    """
    chosen = (lines,) if isinstance(lines, str) else tuple(lines)
    for line in chosen:
        if line not in LINES:
            raise ParameterError(f"no line {line!r}; the lines are: {', '.join(LINES)}")
    if not chosen:
        raise ParameterError(f"lines is empty; choose among: {', '.join(LINES)}")
    return tuple(line for line in LINES if line in chosen)


def neuron_orders(
    ranking: Ranking, lines: Sequence[str], random_orders: int, seed: int
) -> dict[str, list[np.ndarray]]:
    """Return for each line its orders of all neurons, int64 flat indices.

    ``top`` has one order, the ranking's; ``bottom`` the reverse of it; ``random`` has ``random_orders`` random
    ones. The first random orders are the same for every number of them.
    """
    rng = np.random.default_rng(seed)
    orders = {"top": [ranking.order], "bottom": [ranking.order[::-1]]}
    orders["random"] = [rng.permutation(ranking.space.size) for _ in range(random_orders)]
    return {line: orders[line] for line in lines}


def sweep_counts(
    neurons: int, *, steps: int = 20, counts: Sequence[int] | None = None, max_erased: int | None = None
) -> list[int]:
    """Return the numbers of neurons that an ablation curve has points at: rising, from 0.

    The default numbers are ``round(max_erased * (i / steps)**2)`` for i = 0..steps. They end at ``max_erased``
    and are closer together at the beginning, because the first neurons of a ranking change the model most.

    Args:
        neurons: number of neurons of the ranking.
        steps: number of points besides 0; equal numbers count once.
        counts: the numbers themselves, in place of ``steps``; 0 is added.
        max_erased: largest number; all neurons by default.

    Raises:
        ParameterError: a number out of range, or both ``counts`` and ``max_erased``.

    >>> sweep_counts(1000, steps=5)
    [0, 40, 160, 360, 640, 1000]
    >>> sweep_counts(1000, counts=[100, 10])
    [0, 10, 100]
    """
    if counts is not None:
        if max_erased is not None:
            raise ParameterError("give either counts or max_erased, not both")
        grid = sorted({0, *(int(count) for count in counts)})
        if not counts or grid[0] < 0 or grid[-1] > neurons:
            raise ParameterError(f"counts must lie in 0..{neurons}, got {list(counts)}")
        return grid
    if steps < 1:
        raise ParameterError(f"steps must be 1 or more, got {steps}")
    largest = neurons if max_erased is None else max_erased
    if not 1 <= largest <= neurons:
        raise ParameterError(f"max_erased must lie in 1..{neurons}, got {max_erased}")
    return sorted({round(largest * (step / steps) ** 2) for step in range(steps + 1)})
