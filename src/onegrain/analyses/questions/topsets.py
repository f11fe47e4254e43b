"""Top sets of neurons for each label, and the overlap of two sets compared with chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from onegrain.errors import LabelError, ParameterError
from onegrain.records.ranking import Ranking

__all__ = [
    "Overlap",
    "chance_overlap",
    "default_k",
    "mass_prefix",
    "require_mass",
    "restrict_labels",
    "top_sets",
]


def default_k(size: int) -> int:
    """Return the default size of a top set: the larger of 10 and 1 % of the neurons."""
    return min(size, max(10, math.ceil(0.01 * size)))


def require_mass(ranking: Ranking) -> np.ndarray:
    """Return the per-label scores as weight mass: float64 (labels, neurons), not negative, NaN as 0.

    Raises:
        LabelError: the ranking has no labels.
        ParameterError: a score is negative or infinite, so that shares of the sum mean nothing.
    """
    if ranking.label_scores is None or not ranking.labels:
        raise LabelError(
            f"this {ranking.method} ranking has no scores per label; rank with a supervised method, e.g. lca"
        )
    mass = np.nan_to_num(ranking.label_scores.astype(np.float64), nan=0.0, posinf=np.inf, neginf=-np.inf)
    if (mass < 0).any() or not np.isfinite(mass).all():
        raise ParameterError(
            f"the label scores of this {ranking.method} ranking are not all finite and at least 0, so they "
            "are no weight mass; use a method whose label scores are sizes, e.g. lca (|theta|)"
        )
    return mass


def restrict_labels(ranking: Ranking, labels: Sequence[str]) -> Ranking:
    """Return a ranking with only some of its labels, in this order; the order of the neurons stays.

    Raises:
        LabelError: a label that the ranking does not have.
    """
    missing = [label for label in labels if label not in ranking.labels]
    if missing:
        known = ", ".join(ranking.labels) or "none"
        raise LabelError(
            f"no label {', '.join(missing)} in this {ranking.method} ranking; its labels are: {known}"
        )
    rows = [ranking.labels.index(label) for label in labels]
    return replace(
        ranking,
        labels=tuple(labels),
        label_scores=None if ranking.label_scores is None else ranking.label_scores[rows],
        weights=None if ranking.weights is None else ranking.weights[rows],
        slopes=None if ranking.slopes is None else ranking.slopes[rows],
    )


def mass_prefix(mass: np.ndarray, share: float) -> int:
    """Return how many neurons, largest first, hold a share of one label's mass.

    Args:
        mass: float64 (neurons,), not negative.
        share: 0 < share <= 1.

    Returns:
        The length of the shortest prefix that reaches the share; 0 if the label has no mass.
    """
    ordered = np.sort(mass[mass > 0])[::-1]
    if not ordered.size:
        return 0
    cumulative = np.cumsum(ordered)
    reached = cumulative >= share * cumulative[-1] * (1 - 1e-12)
    return int(np.argmax(reached)) + 1


def top_sets(ranking: Ranking, k: int | None = None, *, mass: float | None = None) -> list[np.ndarray]:
    """Return each label's top neurons: int64 flat indices, best first, in the order of ``ranking.labels``.

    Args:
        ranking: a ranking with label scores.
        k: neurons per label; default the larger of 10 and 1 % of the neurons.
        mass: instead of k, the shortest prefix holding this share of the label's scores, 0 < mass <= 1.

    Neurons that score 0 for a label never enter, so that a sparse label's set may be smaller than k.

    Raises:
        LabelError: the ranking has no labels.
        ParameterError: both k and mass are given, or one is outside its range.
    """
    if k is not None and mass is not None:
        raise ParameterError("give k or mass, not both: k neurons per label, or the prefix that holds a mass")
    if mass is not None and not 0 < mass <= 1:
        raise ParameterError(f"mass is a share of the scores, above 0 and at most 1, got {mass}")
    table = require_mass(ranking)
    size = default_k(ranking.space.size) if k is None else ranking.require_k(k)
    sets = []
    for label, scores in zip(ranking.labels, table, strict=True):
        length = size if mass is None else mass_prefix(scores, mass)
        order = ranking.label(label).order
        sets.append(order[: min(length, int(np.count_nonzero(scores)))])
    return sets


@dataclass(frozen=True)
class Overlap:
    """Two sets of neurons against two random sets of the same sizes.

    Attributes:
        shared: number of neurons in both.
        expected: the mean of ``shared`` for random sets.
        jaccard: shared / union; NaN if both are empty.
        expected_jaccard: the mean Jaccard of random sets.
        p: the chance that random sets share at least as many (upper tail of the hypergeometric distribution).
    """

    shared: int
    expected: float
    jaccard: float
    expected_jaccard: float
    p: float


def chance_overlap(first: np.ndarray, second: np.ndarray, size: int) -> Overlap:
    """Compare two sets of neurons (flat indices) out of ``size`` with random sets of the same sizes.

    The number of shared neurons is then hypergeometric with parameters (size, len(first), len(second)).

    Raises:
        ParameterError: a set is larger than ``size``.
    """
    a, b = np.unique(first).size, np.unique(second).size
    if max(a, b) > size:
        raise ParameterError(f"a set of {max(a, b)} neurons cannot be drawn from {size}")
    shared = int(np.intersect1d(first, second).size)
    if a + b == 0:
        return Overlap(0, 0.0, float("nan"), float("nan"), 1.0)
    from scipy.stats import hypergeom  # takes half a second to load

    possible = np.arange(max(0, a + b - size), min(a, b) + 1)
    chances = hypergeom.pmf(possible, size, a, b)
    return Overlap(
        shared=shared,
        expected=a * b / size,
        jaccard=shared / (a + b - shared),
        expected_jaccard=float(np.sum(chances * possible / (a + b - possible))),
        p=min(1.0, float(hypergeom.sf(shared - 1, size, a, b))),
    )
