"""Choose the neurons of every label's probe; the labels proceed together and share passes over the words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float64

from onegrain.rankings.sparse.correlations import LabelCorrelations
from onegrain.rankings.sparse.exact import best_set
from onegrain.rankings.sparse.fit import SAME, Fit, first_best
from onegrain.rankings.sparse.options import SparseOptions

__all__ = ["LabelProbe", "choose"]


@dataclass(eq=False)
class LabelProbe:
    """The growing probe of one label.

    Attributes:
        with_label: float64 (neurons,), correlations with the label.
        fit: the best known set of the current size.
        sizes: a dict for every size: ``neurons`` (in the order in which they add most), ``r2``, and after an
            exact search ``candidates``, the number of neurons among which no set is better.
        grows: False once no further neuron adds anything.
    """

    with_label: Float64[np.ndarray, " neurons"]
    fit: Fit
    sizes: list[dict[str, Any]] = field(default_factory=list)
    grows: bool = True


def choose(
    known: LabelCorrelations, options: SparseOptions, advance: Callable[[int], None]
) -> list[LabelProbe]:
    """Return the probes of every label, with the best sets of 1, 2, ... k neurons that the options find.

    A set grows by the neuron that adds most to R^2. With ``swaps``, the best exchange of one neuron is then
    made as long as an exchange improves R^2. With ``exact``, the best set of that size is then searched for.
    The next size starts from the resulting set. ``known.places`` decides between equal neurons.
    """
    probes = [LabelProbe(row, Fit(row)) for row in known.with_labels]
    candidates = _candidates(known, options) if options.exact else None
    for _ in range(options.k):
        growing = [probe for probe in probes if probe.grows]
        _grow(growing, known)
        growing = [probe for probe in growing if probe.grows]
        if options.swaps:
            _swap(growing, known)
        for label, probe in enumerate(probes):
            if probe.grows:
                if candidates is not None:
                    _improve(probe, candidates[label], known)
                _sort(probe, known)
                size = {"neurons": list(probe.fit.chosen), "r2": probe.fit.r2}
                if candidates is not None:
                    size["candidates"] = len(candidates[label])
                probe.sizes.append(size)
            advance(1)
    return probes


def _grow(probes: list[LabelProbe], known: LabelCorrelations) -> None:
    """Add to every probe its best neuron; a probe to which no neuron adds anything stops growing."""
    additions = []
    for probe in probes:
        gains = probe.fit.gains(known.varies)
        neuron = first_best(gains, known.places)
        probe.grows = bool(gains[neuron] > SAME)
        if probe.grows:
            additions.append((probe, neuron))
    rows = known.rows(neuron for _, neuron in additions)
    for (probe, neuron), row in zip(additions, rows, strict=True):
        probe.fit.add(neuron, row)


def _swap(probes: list[LabelProbe], known: LabelCorrelations) -> None:
    """Exchange single neurons of each probe while an exchange improves its R^2."""
    active = [(probe, known.varies.copy()) for probe in probes]
    while active:
        swaps = []
        for probe, among in active:
            gain, position, neuron = probe.fit.best_swap(among, known.places)
            if gain > SAME:
                rest = [other for index, other in enumerate(probe.fit.chosen) if index != position]
                swaps.append((probe, among, rest, neuron))
        rows = known.rows(neuron for *_, neuron in swaps)
        for (probe, among, rest, neuron), row in zip(swaps, rows, strict=True):
            swapped = Fit.of(probe.with_label, rest, known)
            # Only the new fit shows whether the new set holds a copy.
            if swapped.r2 + swapped.gains(known.varies)[neuron] > probe.fit.r2 + SAME:
                swapped.add(neuron, row)
                probe.fit = swapped
            else:
                among[neuron] = False
        active = [(probe, among) for probe, among, *_ in swaps]


def _candidates(known: LabelCorrelations, options: SparseOptions) -> list[np.ndarray]:
    """Return for every label the candidates of an exact search, int64, in the order of ``known.places``."""
    by_place = np.argsort(known.places)
    varying = by_place[known.varies[by_place]]
    count = options.among(len(varying))
    orders = np.argsort(-np.abs(known.with_labels[:, varying]), axis=1, kind="stable")
    return [varying[np.sort(order[:count])] for order in orders]


def _improve(probe: LabelProbe, candidates: np.ndarray, known: LabelCorrelations) -> None:
    """Replace a probe's set by the best set of candidates of the same size, if that is better."""
    among = known.rows(candidates.tolist())[:, candidates]
    best = best_set(among, probe.with_label[candidates], len(probe.fit.chosen), probe.fit.r2)
    if best is not None:
        probe.fit = Fit.of(probe.with_label, candidates[list(best)].tolist(), known)


def _sort(probe: LabelProbe, known: LabelCorrelations) -> None:
    """Sort the chosen neurons so that each is the one that adds most to those before it."""
    chosen = sorted(probe.fit.chosen, key=lambda neuron: known.places[neuron])
    rows = known.rows(chosen)[:, chosen]
    ordered, all_chosen = Fit(probe.with_label[chosen]), np.ones(len(chosen), dtype=bool)
    for _ in chosen:
        gains = ordered.gains(all_chosen)
        position = first_best(gains)
        if gains[position] == -np.inf:  # at the limit of what counts as a copy, rounding decides
            break
        ordered.add(position, rows[position])
    order = [chosen[position] for position in ordered.chosen]
    order += [neuron for neuron in probe.fit.chosen if neuron not in order]
    if order != list(probe.fit.chosen):
        probe.fit = Fit.of(probe.with_label, order, known)
