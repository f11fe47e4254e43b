"""Random orders of neurons that are matched to a ranking: by site, and by the size of an edit's change."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from onegrain.errors import ParameterError
from onegrain.interventions.edits.edit import NeuronEdit, SiteReference
from onegrain.interventions.references import References
from onegrain.models import LoadedModel
from onegrain.records.space import NeuronSpace
from onegrain.records.statistics import NeuronStatistics

__all__ = ["MATCHES", "STRATA", "change_sizes", "matched_order", "matching_cells"]

MATCHES: Mapping[str, str] = {
    "none": "random orders of all neurons",
    "site": "as many neurons of each site as the ranking's first have",
    "size": "as many neurons of each site, of like size of the edit's change",
}
"""The ways to match random orders to a ranking."""

STRATA = 10
LEAST_NEURONS = 5
"""The neurons of each site are divided into groups of like change: ten, or fewer of at least five neurons."""


def matched_order(order: np.ndarray, random: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Return a random order whose first k neurons lie in the same cells as those of an order, for every k.

    The neurons of each cell keep the order that they have in ``random``. With a single cell, the result is
    ``random`` itself.

    Args:
        order: int64 (neurons,), the order to match, a permutation.
        random: int64 (neurons,), a random permutation.
        cells: int64 (neurons,), the cell of each neuron, by flat index.

    >>> cells = np.array([0, 0, 1, 1])
    >>> matched_order(np.array([2, 0, 1, 3]), np.array([1, 3, 0, 2]), cells).tolist()
    [3, 1, 0, 2]
    """
    matched = np.empty_like(random)
    matched[np.argsort(cells[order], kind="stable")] = random[np.argsort(cells[random], kind="stable")]
    return matched


def matching_cells(match: str, space: NeuronSpace, sizes: np.ndarray | None = None) -> np.ndarray | None:
    """Return the cell of each neuron, int64 (neurons,), in which random orders are matched; None for ``none``.

    Args:
        match: one of ``MATCHES``.
        space: the neurons.
        sizes: float64 (neurons,), the size of each neuron's change, for ``size``; see :func:`change_sizes`. The
            neurons of each site are divided into ``STRATA`` groups of like size.

    """
    if match == "none":
        return None
    cells = np.repeat(np.arange(len(space.sites)), space.widths) * STRATA
    if match == "size":
        assert sizes is not None
        for site, width in zip(space.sites, space.widths, strict=True):
            places = np.argsort(np.argsort(sizes[space.slice(site)], kind="stable"), kind="stable")
            strata = max(1, min(STRATA, width // LEAST_NEURONS))
            cells[space.slice(site)] += places * strata // width
    return cells.astype(np.int64)


def change_sizes(
    model: LoadedModel, space: NeuronSpace, edit: NeuronEdit, reference: NeuronStatistics | None
) -> np.ndarray:
    """Return how far an edit moves each neuron: the mean absolute change at sampled words, float64 (neurons,).

    The edit is applied to the samples of the reference, all neurons of a site at once. For ``resample``, which
    takes its values at random words, the change is that from each sample to another one.

    Raises:
        ParameterError: there is no reference, or it has no samples; or the edit takes its values from paired
            sentences, which the reference does not have.
        MismatchError: the reference is of another model, or lacks a site.
    """
    if edit.needs_pairs:
        raise ParameterError(f"match='size' is not possible with {edit}: the reference has no paired sentences")
    if reference is None or reference.samples is None or len(reference.samples) < 2:
        raise ParameterError(
            "match='size' needs a reference with samples: activations of this model, or the statistics that "
            "onegrain.neuron_statistics measures on them"
        )
    references = References(model, [edit], reference, None)
    sizes = np.empty(space.size)
    for point in model.require_space(space):
        span = space.slice(point.name)
        site = references.of(point, np.arange(span.stop - span.start))
        before = torch.from_numpy(np.array(site.samples(), dtype=np.float32))
        sizes[span] = _mean_change(edit, before, site)
    return sizes


def _mean_change(edit: NeuronEdit, before: torch.Tensor, site: SiteReference) -> np.ndarray:
    """Return the mean absolute change of each neuron of a site over its samples (words, neurons)."""
    change = edit.at(site)
    after = before.roll(1, 0) if edit.needs_samples else change(before, None).expand_as(before)
    moved, inside = (after - before).abs(), change.inside(before)
    return (moved if inside is None else moved * inside).mean(0).double().numpy()
