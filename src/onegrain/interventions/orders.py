"""The orders in which neurons are edited, and how many at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onegrain.errors import ParameterError
from onegrain.interventions.matching import matched_order
from onegrain.records.curve import ALL_LINES, KEEP
from onegrain.records.ranking import Ranking

__all__ = ["line_counts", "neuron_orders", "random_permutations", "require_lines", "sweep_counts"]


def require_lines(lines: Sequence[str]) -> tuple[str, ...]:
    """Return the chosen lines in the order of ``ALL_LINES``.

    Raises:
        ParameterError: a line does not exist, or none is chosen.
    """
    chosen = (lines,) if isinstance(lines, str) else tuple(lines)
    for line in chosen:
        if line not in ALL_LINES:
            raise ParameterError(f"no line {line!r}; the lines are: {', '.join(ALL_LINES)}")
    if not chosen:
        raise ParameterError(f"lines is empty; choose among: {', '.join(ALL_LINES)}")
    return tuple(line for line in ALL_LINES if line in chosen)


def neuron_orders(
    ranking: Ranking, lines: Sequence[str], random_orders: int, seed: int, cells: np.ndarray | None = None
) -> dict[str, list[np.ndarray]]:
    """Return for each line its orders of all neurons, int64 flat indices; the first neurons are edited first.

    ``top`` has one order, the ranking's; ``bottom`` the reverse of it, and ``keep`` too, whose last neurons are
    the ranking's first; ``random`` has ``random_orders`` random ones. The first random orders are the same for
    every number of them.

    Args:
        ranking: the ranking.
        lines: the lines, as :func:`require_lines` returns them.
        random_orders: the number of random orders.
        seed: random seed.
        cells: int64 (neurons,), the cell of each neuron, in which random orders are matched to the ranking; see
            :func:`onegrain.interventions.matching.matched_order`. None for random orders that are not matched.
    """
    backwards = ranking.order[::-1]
    orders = {"top": [ranking.order], "bottom": [backwards], KEEP: [backwards], "random": []}
    if "random" in lines:
        orders["random"] = [
            order if cells is None else matched_order(ranking.order, order, cells)
            for order in random_permutations(ranking.space.size, random_orders, seed)
        ]
    return {line: orders[line] for line in lines}


def random_permutations(neurons: int, number: int, seed: int) -> list[np.ndarray]:
    """Return random orders of neurons, int64 (neurons,) each; the first are the same for every number."""
    rng = np.random.default_rng(seed)
    return [rng.permutation(neurons) for _ in range(number)]


def line_counts(line: str, counts: Sequence[int], neurons: int) -> list[int]:
    """Return the numbers of neurons that a line edits, rising, from 0, where the others edit ``counts``.

    The line ``keep`` edits all but the first k, for each of the counts k.

    >>> line_counts("top", [0, 10, 40], 50), line_counts("keep", [0, 10, 40], 50)
    ([0, 10, 40], [0, 10, 40, 50])
    """
    if line != KEEP:
        return list(counts)
    return sorted({0, *(neurons - count for count in counts)})


def sweep_counts(
    neurons: int,
    *,
    steps: int = 20,
    counts: Sequence[int] | None = None,
    shares: Sequence[float] | None = None,
    every: int | None = None,
    max_erased: int | None = None,
) -> list[int]:
    """Return the numbers of neurons that an ablation curve has points at: rising, from 0.

    The default numbers are ``round(max_erased * (i / steps)**2)`` for i = 0..steps. They end at ``max_erased``
    and are closer together at the beginning, because the first neurons of a ranking change the model most.

    Args:
        neurons: number of neurons of the ranking.
        steps: number of points besides 0; equal numbers count once.
        counts: the numbers themselves, in place of ``steps``; 0 is added.
        shares: parts of all neurons, above 0 and at most 1, in place of ``steps``; rounded, at least 1 neuron.
        every: the distance of evenly spaced numbers, in place of ``steps``; 50 gives the 0, 50, 100, ... of
            [Dalvi19]. The last number is ``max_erased``.
        max_erased: largest number; all neurons by default.

    Raises:
        ParameterError: a number out of range, or two of ``counts``, ``shares`` and ``every``, or ``max_erased``
            with ``counts`` or ``shares``.

    >>> sweep_counts(1000, steps=5)
    [0, 40, 160, 360, 640, 1000]
    >>> sweep_counts(1000, counts=[100, 10]), sweep_counts(1000, shares=[0.05, 0.2])
    ([0, 10, 100], [0, 50, 200])
    >>> sweep_counts(120, every=50)
    [0, 50, 100, 120]
    """
    _require_one_grid(counts=counts, shares=shares, every=every)
    listed = "counts" if counts is not None else "shares" if shares is not None else ""
    if listed and max_erased is not None:
        raise ParameterError(f"give either {listed} or max_erased, not both")
    if counts is not None:
        grid = sorted({0, *(int(count) for count in counts)})
        if not counts or grid[0] < 0 or grid[-1] > neurons:
            raise ParameterError(f"counts must lie in 0..{neurons}, got {list(counts)}")
        return grid
    if shares is not None:
        if not shares or not all(0 < share <= 1 for share in shares):
            raise ParameterError(f"shares must lie above 0 and at most at 1, got {list(shares)}")
        return sorted({0, *(max(1, round(share * neurons)) for share in shares)})
    largest = neurons if max_erased is None else max_erased
    if not 1 <= largest <= neurons:
        raise ParameterError(f"max_erased must lie in 1..{neurons}, got {max_erased}")
    if every is not None:
        if every < 1:
            raise ParameterError(f"every must be 1 or more, got {every}")
        return sorted({*range(0, largest, every), largest})
    if steps < 1:
        raise ParameterError(f"steps must be 1 or more, got {steps}")
    return sorted({round(largest * (step / steps) ** 2) for step in range(steps + 1)})


def _require_one_grid(**grids: object) -> None:
    chosen = [name for name, value in grids.items() if value is not None]
    if len(chosen) > 1:
        raise ParameterError(f"give either {' or '.join(chosen)}, not {'both' if len(chosen) == 2 else 'all'}")
