"""Choose the neurons of every label's probe, side by side, so that they share passes over the words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float64

from onegrain.rankings.sparse.correlations import Correlations
from onegrain.rankings.sparse.exact import best_set
from onegrain.rankings.sparse.fit import SAME, Fit, first_best
from onegrain.rankings.sparse.options import SparseOptions

__all__ = ["LabelProbe", "choose"]


@dataclass(eq=False)
class LabelProbe:
    """The probe of one label while it grows.

    Attributes:
        with_label: float64 (neurons,), correlations with the label.
        fit: the best set of the present size that is known.
        sizes: a dict for every size: ``neurons`` (in the order in which they add most), ``r2``, and where the
            set was searched for exactly, ``candidates``, among how many no set is better.
        grows: whether another neuron would add anything.
    """

    with_label: Float64[np.ndarray, " neurons"]
    fit: Fit
    sizes: list[dict[str, Any]] = field(default_factory=list)
    grows: bool = True


def choose(known: Correlations, options: SparseOptions, advance: Callable[[int], None]) -> list[LabelProbe]:
    """The best sets of 1, 2, ... k neurons for every label, as far as the options search.

    A set grows by the neuron that adds most to R^2. With ``swaps``, then the exchange of one neuron that adds
    most is made, as long as one adds anything. With ``exact``, the best set of that size is searched for. The
    next size begins with what was found. Among equal neurons ``known.places`` decides.
    """
    probes = [LabelProbe(row, Fit(row)) for row in known.with_labels]
    candidates = _candidates(known, options) if options.exact else None
    for _ in range(options.k):
        growing = [probe for probe in probes if probe.grows]
        _grow(growing, known)
        growing = [probe for probe in growing if probe.grows]
        if options.swaps:
            _swap(growing, known)
        for at, probe in enumerate(probes):
            if probe.grows:
                if candidates is not None:
                    _improve(probe, candidates[at], known)
                _sort(probe, known)
                size = {"neurons": list(probe.fit.chosen), "r2": probe.fit.r2}
                if candidates is not None:
                    size["candidates"] = len(candidates[at])
                probe.sizes.append(size)
            advance(1)
    return probes


def _grow(probes: list[LabelProbe], known: Correlations) -> None:
    """Add to every probe the neuron that adds most; those to which none adds anything grow no more."""
    found = []
    for probe in probes:
        gains = probe.fit.gains(known.varies)
        neuron = first_best(gains, known.places)
        probe.grows = bool(gains[neuron] > SAME)
        if probe.grows:
            found.append((probe, neuron))
    rows = known.rows(neuron for _, neuron in found)
    for (probe, neuron), row in zip(found, rows, strict=True):
        probe.fit.add(neuron, row)


def _swap(probes: list[LabelProbe], known: Correlations) -> None:
    """Exchange one neuron of each probe after another while that is better."""
    growing = [(probe, known.varies.copy()) for probe in probes]
    while growing:
        found = []
        for probe, among in growing:
            gain, position, neuron = probe.fit.best_swap(among, known.places)
            if gain > SAME:
                rest = [one for at, one in enumerate(probe.fit.chosen) if at != position]
                found.append((probe, among, rest, neuron))
        rows = known.rows(neuron for *_, neuron in found)
        for (probe, among, rest, neuron), row in zip(found, rows, strict=True):
            new = Fit.of(probe.with_label, rest, known)
            # Only here is it known whether the new set holds a copy.
            if new.r2 + new.gains(known.varies)[neuron] > probe.fit.r2 + SAME:
                new.add(neuron, row)
                probe.fit = new
            else:
                among[neuron] = False
        growing = [(probe, among) for probe, among, *_ in found]


def _candidates(known: Correlations, options: SparseOptions) -> list[np.ndarray]:
    """Return for every label the neurons, int64 by ``known.places``, whose sets an exact search looks at."""
    by_place = np.argsort(known.places)
    varying = by_place[known.varies[by_place]]
    count = options.among(len(varying))
    orders = np.argsort(-np.abs(known.with_labels[:, varying]), axis=1, kind="stable")
    return [varying[np.sort(order[:count])] for order in orders]


def _improve(probe: LabelProbe, candidates: np.ndarray, known: Correlations) -> None:
    """Take the best set of candidates of the same size, where it is better."""
    among = known.rows(candidates.tolist())[:, candidates]
    found = best_set(among, probe.with_label[candidates], len(probe.fit.chosen), probe.fit.r2)
    if found is not None:
        probe.fit = Fit.of(probe.with_label, candidates[list(found)].tolist(), known)


def _sort(probe: LabelProbe, known: Correlations) -> None:
    """Put the chosen neurons into the order in which each adds most to those before it."""
    chosen = sorted(probe.fit.chosen, key=lambda neuron: known.places[neuron])
    rows = known.rows(chosen)[:, chosen]
    inner, every = Fit(probe.with_label[chosen]), np.ones(len(chosen), dtype=bool)
    for _ in chosen:
        gains = inner.gains(every)
        at = first_best(gains)
        if gains[at] == -np.inf:  # On the border of what is a copy rounding decides.
            break
        inner.add(at, rows[at])
    order = [chosen[at] for at in inner.chosen]
    order += [one for one in probe.fit.chosen if one not in order]
    if order != list(probe.fit.chosen):
        probe.fit = Fit.of(probe.with_label, order, known)
